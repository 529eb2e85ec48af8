"""Read a department's HTTP service: JSON records in pages, with a bearer token.

Not here: what the records mean. Bodies that are handed on are JSON arrays of the records as they were sent.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson

from ingest.connect.fault import ConnectError, Patience, TransientError, patience_of, retrying
from ingest.connect.mark import Mark, Value, digest, read_mark
from ingest.contract import Contract
from ingest.settings import Home
from ingest.stages import Payload

PAYLOAD_RECORDS = 50_000
PAGE_BYTES = 256 * 1024 * 1024
SNAPSHOT_TRIES = 3
CLOCK_SLACK = timedelta(minutes=10)  # a cursor value beyond this is a wrong clock and must not skip what follows

Rank = tuple[int, float, str]


def pull_rest(contract: Contract, home: Home, cursor: str | None, now: Callable[[], datetime]) -> Iterator[Payload]:
    """All pages beyond the cursor in payloads of some 50,000 records; a full snapshot is one payload.

    Asked for again from just before the cursor, because services differ in whether `sinceParam` includes its own
    value; what was handed over is left out here.
    """
    with _service(contract, home) as service:
        if contract.snapshot == "full" or contract.cursor_field is None:
            yield from _whole(contract, service, cursor, now)
        else:
            yield from _beyond(contract, service, read_mark(cursor), now)


def _whole(contract: Contract, service: _Service, cursor: str | None, now: Callable[[], datetime]) -> Iterator[Payload]:
    """Every page as one array, keys sorted so that equal content has an equal hash; nothing when it is what it was."""
    for _ in range(SNAPSHOT_TRIES):
        pages = list(service.pages({}))
        if len({page.total for page in pages}) == 1:
            break
    else:
        raise service.fault("the total changed while pages were read", "a register that holds still", "try again later")
    records = [_canonical(record) for page in pages for record in page.records]
    total = pages[0].total
    if total is not None and len(records) != total:
        raise service.fault(
            f"{len(records)} records in {len(pages)} pages", f"{total} as the answer says", "tell the department"
        )
    body = _array(records)
    sha256 = hashlib.sha256(body).hexdigest()
    if records and sha256 != cursor:
        yield Payload(contract.id, body, "json", service.reference({}, 1, len(pages)), now(), sha256)


def _beyond(contract: Contract, service: _Service, mark: Mark, now: Callable[[], datetime]) -> Iterator[Payload]:
    """Records from the mark on, every page asked with the same `since` so that pages do not shift."""
    reach = _Reach(contract, mark, now())
    since_param = contract.server.options.get("sinceParam")
    given = {str(since_param): before(mark.since)} if since_param and mark.since is not None else {}
    waiting: list[bytes] = []
    first, number = 1, 0
    for number, page in enumerate(service.pages(given), start=1):
        safe = reach.mark() if len(waiting) >= PAYLOAD_RECORDS and reach.is_ordered else None
        fresh = [record for record, value in zip(page.records, page.values, strict=True) if reach.take(record, value)]
        if fresh and len(waiting) >= PAYLOAD_RECORDS:
            reference = service.reference(given, first, number - 1)
            yield Payload(contract.id, _array(waiting), "json", reference, now(), safe.text() if safe else None)
            waiting, first = [], number
        waiting += fresh
    if waiting:
        reference = service.reference(given, first, number)
        yield Payload(contract.id, _array(waiting), "json", reference, now(), reach.mark().text())


class _Reach:
    """How far the records go that were taken so far, in whatever order they come."""

    def __init__(self, contract: Contract, mark: Mark, now: datetime) -> None:
        column = next((c for c in contract.columns if c.physical_name == contract.cursor_field), None)
        self._zone = column.source_time_zone if column else "Asia/Shanghai"
        self._unseen = mark.unseen()
        self._newest_allowed = (now + CLOCK_SLACK).timestamp()
        self._floor = rank_of(mark.since, self._zone)
        self._rank, self._value = self._floor, mark.since
        self._seen, self._without = list(mark.seen), list(mark.without)
        self.is_ordered = True  # a mark in the middle is safe only while values never step back

    def take(self, record: bytes, value: Any) -> bool:
        """Whether the record is new; takes it in."""
        rank = rank_of(value, self._zone)
        if rank is None or (rank[0] == 1 and rank[1] > self._newest_allowed):
            return self._take_aside(record)
        if self._floor is not None and rank < self._floor:
            return False
        if rank == self._floor and not self._unseen.is_new(record):
            return False
        if self._rank is None or rank > self._rank:
            self._rank, self._value, self._seen = rank, value, []
        if rank == self._rank:
            self._seen.append(digest(record))
        else:
            self.is_ordered = False
        return True

    def _take_aside(self, record: bytes) -> bool:
        """Records that no cursor can pass are remembered one by one."""
        if not self._unseen.is_new(record):
            return False
        self._without.append(digest(record))
        return True

    def mark(self) -> Mark:
        """Where a next read starts."""
        return Mark(self._value, tuple(self._seen), tuple(self._without))


@lru_cache(maxsize=8192)
def rank_of(value: Any, zone: str) -> Rank | None:
    """Where a cursor value stands among others: numbers, then instants, then other text; None has no place."""
    match value:
        case None | "" | bool():
            return None
        case int() | float():
            return (0, float(value), "")
        case str():
            try:
                instant = datetime.fromisoformat(value.strip())
            except ValueError:
                return (2, 0.0, value)
            return (1, instant.replace(tzinfo=instant.tzinfo or ZoneInfo(zone)).timestamp(), "")
    return None


def before(value: Value) -> str:
    """A cursor value as text, one second (or one) earlier where it can be read, in the form it was sent in."""
    if not isinstance(value, str):
        return str(value - 1)
    try:
        instant = datetime.fromisoformat(value.strip())
    except ValueError:
        return value
    return (instant - timedelta(seconds=1)).isoformat(sep="T" if "T" in value else " ")


@dataclass(frozen=True, slots=True)
class _Page:
    """One answer: records as they were sent, their cursor values, and the total that the answer states."""

    records: list[bytes]
    values: list[Any]
    total: int | None


@dataclass(frozen=True, slots=True)
class _Service:
    """One address of one department, with everything needed to ask it."""

    contract: Contract
    client: httpx.Client
    url: httpx.URL
    patience: Patience

    def pages(self, given: dict[str, str]) -> Iterator[_Page]:
        """Answer after answer until the stated total, an empty page, or (no total stated) a short one."""
        options = self.contract.server.options
        page_param, size = options.get("pageParam"), int(options.get("pageSize", 1000))
        got, before = 0, None
        number = int(options.get("firstPage", 1))
        while True:
            paging = {str(page_param): str(number)} if page_param else {}
            if page_param and "sizeParam" in options:
                paging[str(options["sizeParam"])] = str(size)
            page = self._page({**given, **paging})
            if page.records and page.records == before:
                raise self.fault(f"page {number} repeats the page before", "a service that pages", "check pageParam")
            yield page
            got, before, number = got + len(page.records), page.records, number + 1
            is_last = got >= page.total if page.total is not None else len(page.records) < size
            if not page_param or not page.records or is_last:
                return

    def _page(self, query: dict[str, str]) -> _Page:
        def passes(error: BaseException) -> bool:
            return isinstance(error, TransientError)

        try:
            for attempt in retrying(self.patience, passes):
                with attempt:
                    return self._read(self._answer(query))
        except TransientError as error:
            raise self.fault(
                str(error), f"an answer within {self.patience.deadline_s:g} s", "check that the service runs"
            ) from error
        raise AssertionError("retrying ends with an answer or an error")

    def _answer(self, query: dict[str, str]) -> bytes:
        """One request. Raises TransientError for what may pass, ConnectError for what will not."""
        until = time.monotonic() + self.patience.deadline_s
        body = bytearray()
        try:
            with self.client.stream("GET", self.url.copy_merge_params(query)) as response:
                self._check_status(response)
                for part in response.iter_bytes():
                    body += part
                    if len(body) > PAGE_BYTES:
                        raise self.fault(f"a page above {PAGE_BYTES} bytes", "smaller pages", "lower pageSize")
                    if time.monotonic() > until:
                        raise TransientError("the answer drips in too slowly")
                charset = response.charset_encoding or "utf-8"
        except httpx.UnsupportedProtocol as error:
            raise self.fault(str(error), "an http or https address", "correct the address") from error
        except httpx.RequestError as error:
            raise TransientError(f"{type(error).__name__}: {error}") from error
        text = bytes(body).removeprefix(b"\xef\xbb\xbf")
        return text if charset.lower() in ("utf-8", "utf8") else text.decode(charset, "replace").encode()

    def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        found = f"HTTP {status} {response.reason_phrase}".strip()
        if status in (401, 403):
            token = self.contract.server.options.get("tokenEnv", "no token")
            raise self.fault(f"refused with {found}", "a token that is accepted", f"check {token}")
        if status in (408, 425, 429) or status >= 500:
            raise TransientError(found, _retry_after(response.headers.get("Retry-After")))
        if status != 200:
            raise self.fault(found, "HTTP 200", "check the address and its parameters")

    def _read(self, body: bytes) -> _Page:
        options = self.contract.server.options
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise TransientError(f"an answer that is no whole JSON ({error})") from error
        path = [part for part in str(options.get("recordsPath", "")).split(".") if part]
        records = _at(document, path)
        if not isinstance(records, list):
            raise self.fault(
                f"no list at {'.'.join(path) or 'the top'}", "the records there", "compare recordsPath with an answer"
            )
        total = _at(document, str(options["totalPath"]).split(".")) if "totalPath" in options else None
        field_path = (self.contract.cursor_field or "").split(".")
        values = [_at(record, field_path) for record in records]
        return _Page(_as_sent(body, path, records), values, int(total) if isinstance(total, int | str) else None)

    def reference(self, given: dict[str, str], first: int, last: int) -> str:
        """The path and pages that a payload came from."""
        query = "".join(f"{name}={value}&" for name, value in given.items())
        return f"{self.url.path}?{query}page={first}..{last}"

    def fault(self, found: str, expected: str, next_step: str) -> ConnectError:
        """An error about this service, by address without its query."""
        return ConnectError(self.contract.id, str(self.url.copy_with(query=None)), found, expected, next_step)


@contextmanager
def _service(contract: Contract, home: Home) -> Iterator[_Service]:
    patience = patience_of(home)
    address = home.expand(contract.server.location or "")
    headers = {"Accept": "application/json", "User-Agent": "cityrisk"}
    if "tokenEnv" in contract.server.options:
        headers["Authorization"] = f"Bearer {home.require(str(contract.server.options['tokenEnv']))}"
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise ConnectError(contract.id, address, str(error), "an http address", "correct the address") from error
    trusted = ssl.create_default_context(cafile=home.environment.get("SSL_CERT_FILE"))
    with httpx.Client(headers=headers, timeout=patience.answer_s, trust_env=False, verify=trusted) as client:
        yield _Service(contract, client, url, patience)


def _retry_after(text: str | None) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or a date against this machine's clock."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, until.timestamp() - time.time())


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _as_sent(body: bytes, path: list[str], records: list[Any]) -> list[bytes]:
    """Each record's own bytes: written again where that gives the same bytes, else cut out of the answer."""
    again = [orjson.dumps(record) for record in records]
    return again if b",".join(again) in body else _cut_out(body.decode("utf-8"), path)


def _cut_out(text: str, path: list[str]) -> list[bytes]:
    """The elements of the array at `path`, digits and spaces untouched (`10.50` stays)."""
    scan = json.JSONDecoder().raw_decode
    at = _skip(text, 0)
    for name in path:
        at = _skip(text, at + 1)
        while True:
            found, at = scan(text, at)
            at = _skip(text, _skip(text, at) + 1)
            if found == name:
                break
            _, at = scan(text, at)
            at = _skip(text, _skip(text, at) + 1)
    elements: list[bytes] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        _, end = scan(text, at)
        elements.append(text[at:end].encode())
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return elements


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\n\r":
        at += 1
    return at


def _canonical(record: bytes) -> bytes:
    """The record with sorted keys; numbers keep their digits as far as Python's own reading does."""
    return json.dumps(json.loads(record), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _array(records: list[bytes]) -> bytes:
    return b"[" + b",".join(records) + b"]"
