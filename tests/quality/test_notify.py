"""Notifications: opened once, delivered until taken, cleared when it is over."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sqlalchemy as sa

from core.contract import Contract
from core.settings import Home
from ingest import ops
from ingest.telling import WEBHOOK, telling
from quality.notify import deliver, notify, update

NOW = datetime(2026, 7, 30, 4, 0, tzinfo=UTC)
FEED = "weather.observation"


@dataclass
class Receiver:
    """A webhook on loopback that answers as it is told, last answer for ever."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [200])
    got: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            told.keys.append(self.headers["Idempotency-Key"])
            self.send_response(told.answers.pop(0) if len(told.answers) > 1 else told.answers[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


IDS = {
    "freshness": "freshness", "distribution_drift": "drift_air_temperature_c", "pattern": "pattern_station_id",
    "range": "range_rain_1h_mm", "checks": "checks",
}  # fmt: skip


def say(
    engine: sa.Engine, kind: str, verdict: str, observed: float | None = None, *, at: datetime = NOW, check_id: str = ""
) -> None:
    with engine.begin() as connection:
        connection.execute(
            ops.check_verdict.insert().values(
                run_id="r", feed_id=FEED, check_id=check_id or IDS[kind], kind=kind, severity="warning",
                verdict=verdict, observed=observed, expected="≤ 2 h", message_zh="说明。", message_en="Told.",
                rows_checked=1, at=at,
            )
        )  # fmt: skip


def fetched(engine: sa.Engine, result: str, detail: str = "", quarantined: int = 0) -> None:
    with engine.begin() as connection:
        connection.execute(
            ops.fetch_outcome.insert().values(
                feed_id=FEED, run_id="r", started_at=NOW, ended_at=NOW, result=result, payloads=1, rows_landed=0,
                rows_quarantined=quarantined, detail=detail,
            )
        )  # fmt: skip


def rows(engine: sa.Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(ops.notification).order_by(ops.notification.c.id)))


def kinds(engine: sa.Engine) -> list[tuple[str, bool]]:
    """Kind and whether it is still open, oldest first."""
    return [(row.kind, row.cleared_at is None) for row in rows(engine)]


# ── opened once, cleared when over ────────────────────────────────────────────────────────────────────────────────────
def test_a_late_feed_is_said_once_and_its_recovery_once(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "freshness", "failed", 3.0)
    update(engine, contracts, NOW)
    update(engine, contracts, NOW + timedelta(hours=1))
    assert kinds(engine) == [("late", True)]
    (late,) = rows(engine)
    assert late.text_zh == "【数据迟到】气象局·气象观测：说明。"
    assert late.text_en.startswith("[late] ")
    say(engine, "freshness", "passed", 0.5)
    update(engine, contracts, NOW + timedelta(hours=2))
    update(engine, contracts, NOW + timedelta(hours=3))
    assert kinds(engine) == [("late", False), ("recovered", False)]
    assert rows(engine)[0].cleared_at == NOW + timedelta(hours=2)


def test_late_becomes_silent_without_a_recovery_between(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "freshness", "failed", 3.0)
    update(engine, contracts, NOW)
    say(engine, "freshness", "failed", 7.0)
    update(engine, contracts, NOW + timedelta(hours=4))
    assert kinds(engine) == [("late", False), ("silent", True)]


def test_a_feed_that_never_spoke_is_silent(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "freshness", "failed", None)
    update(engine, contracts, NOW)
    assert kinds(engine) == [("silent", True)]


def test_drift_and_a_raised_check_are_two_troubles(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "distribution_drift", "failed", 9.0)
    say(engine, "pattern", "raised")
    update(engine, contracts, NOW)
    assert kinds(engine) == [("broken", True), ("drifted", True)]
    say(engine, "pattern", "passed")
    update(engine, contracts, NOW)
    assert kinds(engine) == [("broken", False), ("drifted", True), ("recovered", False)]


def test_a_plain_failed_row_check_is_no_trouble_of_the_feed(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "range", "failed", 2.0)
    update(engine, contracts, NOW)
    assert kinds(engine) == []


@pytest.mark.parametrize(
    ("outcomes", "is_broken"),
    [
        (["unreachable"], True),
        (["failed"], True),
        (["unreachable", "nothing_new"], False),
        (["unreachable", "landed"], False),
        (["rejected"], True),
        (["rejected", "nothing_new"], True),
        (["rejected", "landed", "nothing_new"], False),
        (["nothing_new"], False),
        ([], False),
    ],
)
def test_what_the_last_pull_means(
    engine: sa.Engine, contracts: dict[str, Contract], outcomes: list[str], is_broken: bool
) -> None:
    for result in outcomes:
        fetched(engine, result, "connect timed out", quarantined=5)
    update(engine, contracts, NOW)
    assert kinds(engine) == ([("broken", True)] if is_broken else [])


def test_a_pull_with_nothing_but_repeats_is_no_trouble(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    fetched(engine, "rejected", quarantined=0)
    update(engine, contracts, NOW)
    assert kinds(engine) == []


def test_held_batches_are_a_trouble_until_they_are_admitted(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    with engine.begin() as connection:
        connection.execute(
            ops.batch.insert().values(
                batch_id="b", feed_id=FEED, contract_version="1", source_ref="s", media="json", archive_sha256="0",
                received_at=NOW, rows_in=1, rows_landed=1, rows_quarantined=0, rows_ignored=0, state="held", run_id="r",
            )
        )  # fmt: skip
    update(engine, contracts, NOW)
    assert "1 个批次未通过检查" in rows(engine)[0].text_zh
    with engine.begin() as connection:
        connection.execute(ops.batch.update().values(state="admitted"))
    update(engine, contracts, NOW)
    assert kinds(engine) == [("broken", False), ("recovered", False)]


def test_checks_that_could_not_begin_count_until_something_was_checked(
    engine: sa.Engine, contracts: dict[str, Contract]
) -> None:
    say(engine, "checks", "raised")
    update(engine, contracts, NOW)
    say(engine, "freshness", "passed", 1.0)
    update(engine, contracts, NOW)
    assert kinds(engine) == [("broken", False), ("recovered", False)]


def test_a_check_that_the_contract_gave_up_is_forgotten(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "pattern", "raised", check_id="pattern_of_a_column_that_is_gone")
    say(engine, "pattern", "raised", at=NOW - timedelta(days=40))
    update(engine, contracts, NOW)
    assert kinds(engine) == []


def test_notices_of_others_are_left_alone(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    with engine.begin() as connection:
        connection.execute(
            ops.notification.insert().values(
                feed_id="", kind="audit", text_zh="审计未过", text_en="audit failed", raised_at=NOW, attempts=0
            )
        )
    update(engine, contracts, NOW)
    assert kinds(engine) == [("audit", True)]


def test_a_feed_that_was_taken_out_is_cleared_quietly(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "freshness", "failed", 3.0)
    update(engine, contracts, NOW)
    update(engine, {k: v for k, v in contracts.items() if k != FEED}, NOW)
    assert kinds(engine) == [("late", False)]


# ── delivered until taken ─────────────────────────────────────────────────────────────────────────────────────────────
def test_the_webhook_of_the_home_gets_each_notification_once(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], receiver: Receiver
) -> None:
    told = replace(home, environment={**home.environment, WEBHOOK: receiver.url})
    say(engine, "freshness", "failed", 3.0)
    assert notify(told, engine, contracts, NOW) == 1
    assert notify(told, engine, contracts, NOW) == 0
    (got,) = receiver.got
    assert {k: got[k] for k in ("id", "feed_id", "kind", "raised_at", "cleared_at")} == {
        "id": 1, "feed_id": FEED, "kind": "late", "raised_at": "2026-07-30T04:00:00+00:00", "cleared_at": None,
    }  # fmt: skip
    assert "说明。" in got["text_zh"]
    assert receiver.keys == ["fault-1-data_desk"]
    assert (rows(engine)[0].delivered_at, rows(engine)[0].attempts) == (NOW, 1)


def test_a_receiver_in_trouble_is_asked_again_with_longer_waits(
    engine: sa.Engine, contracts: dict[str, Contract], receiver: Receiver
) -> None:
    waits: list[float] = []
    receiver.answers = [503, 429, 200]
    say(engine, "freshness", "failed", 3.0)
    update(engine, contracts, NOW)
    assert deliver(engine, receiver.url, NOW, sleep=waits.append) == 1
    assert len(receiver.got) == 3
    assert len(waits) == 2
    assert waits[1] > waits[0] > 0
    assert rows(engine)[0].attempts == 3


def test_what_a_dead_receiver_did_not_take_waits_for_the_next_run(
    engine: sa.Engine, contracts: dict[str, Contract], receiver: Receiver
) -> None:
    receiver.answers = [500]
    say(engine, "freshness", "failed", 3.0)
    say(engine, "distribution_drift", "failed", 9.0)
    update(engine, contracts, NOW)
    assert deliver(engine, receiver.url, NOW, sleep=lambda _s: None) == 0
    assert len(receiver.got) == 3, "the second one is not tried on a dead receiver"
    assert [row.attempts for row in rows(engine)] == [3, 0]
    receiver.answers = [200]
    later = NOW + timedelta(minutes=5)
    assert deliver(engine, receiver.url, later, sleep=lambda _s: None) == 2
    assert [row.delivered_at for row in rows(engine)] == [later, later]


def test_nobody_listening_is_survived(engine: sa.Engine, contracts: dict[str, Contract], receiver: Receiver) -> None:
    say(engine, "freshness", "failed", 3.0)
    update(engine, contracts, NOW)
    port_of_nobody = "http://127.0.0.1:1/hook"
    assert deliver(engine, port_of_nobody, NOW, sleep=lambda _s: None) == 0
    assert rows(engine)[0].attempts == 3


def test_a_refused_notification_does_not_keep_the_others_waiting(
    engine: sa.Engine, contracts: dict[str, Contract], receiver: Receiver
) -> None:
    receiver.answers = [400, 200]
    say(engine, "freshness", "failed", 3.0)
    say(engine, "distribution_drift", "failed", 9.0)
    update(engine, contracts, NOW)
    assert deliver(engine, receiver.url, NOW, sleep=lambda _s: None) == 1
    assert [row.delivered_at is None for row in rows(engine)] == [True, False]


def test_without_a_webhook_the_log_is_told(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], caplog: pytest.LogCaptureFixture
) -> None:
    say(engine, "freshness", "failed", 3.0)
    assert notify(home, engine, contracts, NOW) == 1
    assert [r.message for r in caplog.records if r.name == "quality.notify"] == [rows(engine)[0].text_en]
    caplog.clear()
    assert notify(home, engine, contracts, NOW) == 0
    assert not caplog.records


def test_while_a_channel_worker_lives_the_run_only_opens_and_clears(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], receiver: Receiver
) -> None:
    told = replace(home, environment={**home.environment, WEBHOOK: receiver.url})
    say(engine, "freshness", "failed", 3.0)
    with telling(told):
        assert notify(told, engine, contracts, NOW) == 0
    assert kinds(engine) == [("late", True)]
    assert receiver.got == []
    assert notify(told, engine, contracts, NOW) == 1, "the worker is gone: the run tells what waits"
    assert [got["kind"] for got in receiver.got] == ["late"]


def test_in_a_dry_run_only_the_log_is_told(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], receiver: Receiver
) -> None:
    told = replace(home, environment={**home.environment, WEBHOOK: receiver.url, "CITYRISK_CHANNELS_DRY_RUN": "1"})
    say(engine, "freshness", "failed", 3.0)
    assert notify(told, engine, contracts, NOW) == 1
    assert receiver.got == []
