"""The push door: who may, how much, how often, in which form; and that nonsense costs only its own request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import ARCHIVE_KEY, Home, SettingsError
from core.stages import Payload
from core.store.archive import Archive
from core.store.database import open_ops
from core.store.landed import live_files
from core.store.ledger import batch_id_of
from ingest.devices.push import push_app, token_name
from ingest.devices.receipt import Receipt, deliver_into
from ingest.pull import open_intake

NOW = datetime(2026, 11, 20, 4, tzinfo=UTC)
FEED = "weather.observation"
CSV_FEED = "emergency.tailings_reading"
GOOD = {"Authorization": "Bearer weather-token", "Content-Type": "application/json"}
Headers = Mapping[str, str | bytes]
ROWS: list[dict[str, Any]] = [{"stationId": "57461", "obsTime": "2026-11-20 11:00:00"}]


class Door:
    """A door with a clock to turn, and what came through it."""

    def __init__(self, home: Home, contracts: dict[str, Contract], address: str = "10.1.2.3", **settings: str) -> None:
        tokens = {
            token_name(FEED): "weather-token",
            token_name(CSV_FEED): "csv-token",
            token_name("market.elevator"): "m",
        }
        self.came: list[Payload] = []
        self.now = NOW
        self.failing: Callable[[], None] = lambda: None
        environment = {**home.environment, **tokens, **settings}
        self.app = push_app(Home(home.root, environment), contracts, self.deliver, lambda: self.now)
        self.transport = httpx.ASGITransport(app=self.app, client=(address, 40_000))

    def deliver(self, payload: Payload) -> Receipt:
        self.failing()
        self.came.append(payload)
        return Receipt("b1", "landed", 1, 2, {"missing_key": 2})

    def post(
        self, feed: str = FEED, headers: Mapping[str, str | bytes] | None = None, **options: Any
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://door") as client:
                return await client.post(f"/push/{feed}", headers=GOOD if headers is None else headers, **options)

        return asyncio.run(send())


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return load_contracts()


@pytest.fixture
def door(home: Home, contracts: dict[str, Contract]) -> Door:
    return Door(home, contracts)


def test_rows_come_through_as_they_were_sent(door: Door) -> None:
    text = ' [ {"stationId": "57461", "value": 10.50} ] '
    answer = door.post(content=text)
    assert answer.status_code == 202
    assert answer.json() == {
        "batch_id": "b1",
        "result": "landed",
        "rows_landed": 1,
        "rows_quarantined": 2,
        "reasons": {"missing_key": 2},
    }
    (payload,) = door.came
    assert payload.body.decode() == text
    assert (payload.feed_id, payload.media, payload.received_at, payload.cursor) == (FEED, "json", NOW, None)


def test_one_object_is_an_array_of_one(door: Door) -> None:
    assert door.post(content=' {"stationId": "57461"}\n').status_code == 202
    assert door.came[0].body == b'[{"stationId": "57461"}]'


def test_csv_in_the_contracts_encoding(door: Door) -> None:
    body = "测点编码,监测时间\nP1,2026-11-20 11:00:00\n".encode("gb18030")
    headers = {"Authorization": "bearer csv-token", "Content-Type": "text/csv; charset=gb18030"}
    assert door.post(CSV_FEED, headers, content=body).status_code == 202
    assert (door.came[0].body, door.came[0].media) == (body, "csv")


@pytest.mark.parametrize(
    "token", ["", "Bearer", "Bearer wrong", "Bearer weather-token2", "Basic weather-token", "Bearer é"]
)
def test_wrong_token(door: Door, token: str) -> None:
    headers = {**GOOD, "Authorization": token.encode()}
    answer = door.post(headers=headers, json=ROWS)
    assert (answer.status_code, answer.json()["error"]) == (401, "wrong_token")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert not door.came


@pytest.mark.case("security.L4")
def test_an_address_that_guesses_tokens_is_not_asked_again(door: Door) -> None:
    wrong = {**GOOD, "Authorization": "Bearer guess"}
    codes = [door.post(headers=wrong, json=ROWS).status_code for _ in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert door.post(json=ROWS).status_code == 429
    door.now += timedelta(minutes=2)
    assert door.post(json=ROWS).status_code == 202


def test_token_of_one_feed_does_not_open_another(door: Door) -> None:
    headers = {**GOOD, "Authorization": "Bearer csv-token"}
    assert door.post(headers=headers, json=ROWS).status_code == 401


def test_feed_without_a_token_is_closed(door: Door) -> None:
    answer = door.post("fire.unit", json=ROWS)
    assert (answer.status_code, answer.json()["error"]) == (403, "not_open")


@pytest.mark.parametrize("feed", ["weather.nothing", "..%2F..%2Fetc", "WEATHER.OBSERVATION", "x" * 5000])
def test_unknown_feed(door: Door, feed: str) -> None:
    assert door.post(feed, json=ROWS).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post(door: Door, method: str) -> None:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=door.transport, base_url="http://door") as client:
            return await client.request(method, f"/push/{FEED}", headers=GOOD)

    assert asyncio.run(send()).status_code == 405


@pytest.mark.parametrize("kind", ["text/csv", "text/plain", "", "application/x-www-form-urlencoded"])
def test_wrong_content_type(door: Door, kind: str) -> None:
    answer = door.post(headers={**GOOD, "Content-Type": kind}, content=b"[{}]")
    assert answer.status_code == 415
    assert "application/json" in answer.json()["message"]


def test_workbooks_are_fetched(door: Door) -> None:
    answer = door.post("market.elevator", {**GOOD, "Authorization": "Bearer m"}, content=b"PK")
    assert (answer.status_code, answer.json()["error"]) == (415, "not_pushable")


def test_compressed_body_is_refused_unopened(door: Door) -> None:
    answer = door.post(headers={**GOOD, "Content-Encoding": "gzip"}, content=b"\x1f\x8b")
    assert (answer.status_code, answer.json()["error"]) == (415, "compressed")


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"[1]", b"7", b'"text"', b"[]", b"null", b"[{}, null]", b"\xff\xfe", b"[" * 100_000],
)
def test_nonsense_costs_only_its_own_request(door: Door, body: bytes) -> None:
    assert door.post(content=body).status_code == 422
    assert not door.came
    assert door.post(json=ROWS).status_code == 202


def test_too_large_by_its_own_word_and_by_count(home: Home, contracts: dict[str, Contract]) -> None:
    door = Door(home, contracts, CITYRISK_PUSH_MAX_BYTES="1000")
    assert door.post(content=b"[" + b" " * 1000 + b"]").status_code == 413

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    assert door.post(content=parts()).status_code == 413
    assert door.post(content=b"[{}]" + b" " * 996).status_code == 202


def test_too_many_requests_of_one_feed_only(home: Home, contracts: dict[str, Contract]) -> None:
    door = Door(home, contracts, CITYRISK_PUSH_PER_MINUTE="3")
    assert [door.post(json=ROWS).status_code for _ in range(4)] == [202, 202, 202, 429]
    answer = door.post(json=ROWS)
    assert 1 <= int(answer.headers["Retry-After"]) <= 21
    csv_headers = {"Authorization": "Bearer csv-token", "Content-Type": "text/csv"}
    assert door.post(CSV_FEED, csv_headers, content=b"a\n1\n").status_code == 202
    door.now += timedelta(seconds=int(answer.headers["Retry-After"]))
    assert [door.post(json=ROWS).status_code for _ in range(2)] == [202, 429]


def test_wrong_tokens_do_not_use_up_the_rate(home: Home, contracts: dict[str, Contract]) -> None:
    door = Door(home, contracts, CITYRISK_PUSH_PER_MINUTE="1")
    for _ in range(5):
        door.post(headers={**GOOD, "Authorization": "Bearer guess"}, json=ROWS)
    assert door.post(json=ROWS).status_code == 202


@pytest.mark.parametrize(
    ("address", "status"), [("10.1.2.3", 202), ("192.168.7.9", 202), ("10.2.0.1", 403), ("?", 403)]
)
def test_only_from_named_addresses(home: Home, contracts: dict[str, Contract], address: str, status: int) -> None:
    door = Door(home, contracts, address, CITYRISK_PUSH_ALLOW="10.1.0.0/16, 192.168.7.9")
    assert door.post(json=ROWS).status_code == status


@pytest.mark.parametrize(
    ("name", "value"), [("CITYRISK_PUSH_ALLOW", "10.1.0.0/99"), ("CITYRISK_PUSH_MAX_BYTES", "many")]
)
def test_settings_that_cannot_be_used(home: Home, contracts: dict[str, Contract], name: str, value: str) -> None:
    with pytest.raises(SettingsError, match="CITYRISK_PUSH_"):
        Door(home, contracts, **{name: value})


@pytest.mark.parametrize("header", ["Idempotency-Key", "X-Request-Id"])
def test_one_key_for_one_content(door: Door, header: str) -> None:
    headers = {**GOOD, header: "k-1"}
    assert door.post(headers=headers, json=ROWS).status_code == 202
    assert door.post(headers=headers, json=ROWS).status_code == 202, "sent again after a lost answer"
    other = door.post(headers=headers, json=[{"stationId": "other"}])
    assert (other.status_code, other.json()["error"]) == (409, "key_used")
    door.now += timedelta(hours=25)
    assert door.post(headers=headers, json=[{"stationId": "other"}]).status_code == 202
    assert door.came[0].source_ref == "push:k-1"


def test_key_that_is_too_long(door: Door) -> None:
    assert door.post(headers={**GOOD, "X-Request-Id": "k" * 201}, json=ROWS).status_code == 422


def test_store_in_trouble_asks_to_come_again(door: Door) -> None:
    def broken() -> None:
        raise OSError("disk full")

    door.failing = broken
    answer = door.post(headers={**GOOD, "Idempotency-Key": "k"}, json=ROWS)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "disk full" not in answer.text
    door.failing = lambda: None
    assert door.post(headers={**GOOD, "Idempotency-Key": "k"}, json=[{"stationId": "2"}]).status_code == 202


def test_pushed_rows_land_once_and_are_archived(home: Home, contracts: dict[str, Contract]) -> None:
    engine = open_ops(home.ops_url)
    intake = open_intake(home, engine, "run-1", lambda: NOW)
    deliver = deliver_into(intake, contracts)
    row = {"stationId": "57461", "obsTime": "2026-11-20 11:00:00", "uploadTime": "2026-11-20 11:05:00"}
    body = json.dumps([row, {**row, "stationId": ""}]).encode()
    payload = Payload(FEED, body, "json", "push:k", NOW)
    first = deliver(payload)
    assert (first.result, first.rows_landed, first.rows_quarantined) == ("landed", 1, 1)
    assert first.reasons == {"missing_key": 1}
    again = deliver(payload)
    assert (again.result, again.batch_id, again.rows_landed) == ("ignored", first.batch_id, 0)
    assert len(live_files(engine, home, FEED)) == 1
    sha256 = Archive(home.archive, home.secret(ARCHIVE_KEY)).put(body)
    assert batch_id_of(FEED, sha256) == first.batch_id
    lost = deliver(Payload(CSV_FEED, b"\xc3\xfb\n", "csv", "push:k2", NOW))
    assert (lost.result, lost.reasons) == ("rejected", {"empty_file": 1})
    engine.dispose()
