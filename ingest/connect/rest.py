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
from datetime import datetime
from typing import Any

import httpx
import orjson

from core.contract import Contract
from core.settings import Home
from core.stages import Payload
from ingest.connect.fault import ConnectError, RequestPolicy, TransientError, Trouble, request_policy_of, retrying
from ingest.connect.hosts import UnansweringHosts
from ingest.connect.mark import read_mark
from ingest.connect.reach import Page, PageWatch, Reach
from ingest.parse.lenient_json import load_json
from ingest.parse.records import as_text

PAYLOAD_RECORDS = 50_000
PAGE_BYTES = 256 * 1024 * 1024
PAGE_TRIES = 3  # readings of pages that move before a pull says so and leaves its cursor where it was
_WORDS = ("message", "msg", "error", "errmsg", "info")  # where services say what went wrong


def pull_rest(
    contract: Contract, home: Home, cursor: str | None, now: Callable[[], datetime], hosts: UnansweringHosts
) -> Iterator[Payload]:
    """All pages beyond the cursor in payloads of some 50,000 records; a full snapshot is one payload.

    Asked for again from just before the cursor (by the contract's overlap further), because services differ in whether
    `sinceParam` includes its own value; what was handed over is left out here. Pages that moved while they were read
    are read again.
    """
    with _service(contract, home, hosts) as service:
        if contract.snapshot == "full" or contract.cursor_field is None:
            yield from _whole(contract, service, cursor, now)
        else:
            yield from _beyond(contract, service, Reach(contract, read_mark(cursor), now()), now)


def _whole(contract: Contract, service: _Service, cursor: str | None, now: Callable[[], datetime]) -> Iterator[Payload]:
    """Every page as one array, keys sorted so that equal content has an equal hash; nothing when it is what it was."""
    for _ in range(PAGE_TRIES):
        watch, pages = PageWatch(contract), list[Page]()
        for page in service.pages({}, watch):
            pages.append(page)
        totals = {page.total for page in pages}
        sign = watch.sign if len(totals) == 1 else f"the total changed: {', '.join(map(str, sorted(totals, key=str)))}"
        if not sign:
            break
    else:
        raise service.fault(f"{sign}, while pages were read", "a register that holds still", "try again later")
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


def _beyond(contract: Contract, service: _Service, reach: Reach, now: Callable[[], datetime]) -> Iterator[Payload]:
    """Records from the mark on, every page asked with the same `since` so that pages do not shift."""
    since_param, since = contract.server.options.get("sinceParam"), reach.floor_value
    given = {str(since_param): reach.progress.before(since)} if since_param and since is not None else {}
    waiting: list[bytes] = []
    for attempt in range(PAGE_TRIES):
        first, number, watch = 1, 0, PageWatch(contract)
        for number, page in enumerate(service.pages(given, watch), start=1):
            safe = reach.mark() if len(waiting) >= PAYLOAD_RECORDS and reach.is_ordered else None
            both = zip(page.records, page.values, strict=True)
            fresh = [record for record, value in both if reach.take(record, value)]
            if fresh and len(waiting) >= PAYLOAD_RECORDS:
                reference = service.reference(given, first, number - 1)
                yield Payload(contract.id, _array(waiting), "json", reference, now(), safe.text() if safe else None)
                waiting, first = [], number
            waiting += fresh
        is_still = not watch.sign or (attempt > 0 and not reach.n_skipped)
        if is_still:
            break
        reach.again()
    if waiting:
        cursor = reach.mark().text() if is_still else None
        yield Payload(contract.id, _array(waiting), "json", service.reference(given, first, number), now(), cursor)
    if not is_still:
        raise service.fault(
            f"rows moved from page to page in each of {PAGE_TRIES} readings, last: {watch.sign}",
            "pages that hold still while they are read",
            "ask the department to sort by a field that never changes",
        )


@dataclass(frozen=True, slots=True)
class _Service:
    """One address of one department, with everything needed to ask it."""

    contract: Contract
    client: httpx.Client
    url: httpx.URL
    agreed: RequestPolicy
    hosts: UnansweringHosts

    @property
    def host(self) -> str:
        """What of the address says which machine and process answers."""
        return self.url.netloc.decode("ascii")

    def pages(self, given: dict[str, str], watch: PageWatch) -> Iterator[Page]:
        """Answer after answer until the stated total, an empty page, or (no total stated) a short one.

        `watch` sees every page, and the first once more at the end where nothing else can tell.
        """
        options = self.contract.server.options
        page_param, size = options.get("pageParam"), int(options.get("pageSize", 1000))
        got, before = 0, None
        first = number = int(options.get("firstPage", 1))

        def ask(number: int) -> Page:
            paging = {str(page_param): str(number)} if page_param else {}
            if page_param and "sizeParam" in options:
                paging[str(options["sizeParam"])] = str(size)
            return self._page({**given, **paging}, watch)

        while True:
            page = ask(number)
            if page.records and page.records == before:
                raise self.fault(f"page {number} repeats the page before", "a service that pages", "check pageParam")
            watch.see(page)
            yield page
            got, before, number = got + len(page.records), page.records, number + 1
            is_last = got >= page.total if page.total is not None else len(page.records) < size
            if not page_param or not page.records or is_last:
                break
        if watch.asks_first_page:
            watch.see_first_again(ask(first).records)

    def _page(self, query: dict[str, str], watch: PageWatch) -> Page:
        def passes(error: BaseException) -> bool:
            return isinstance(error, TransientError)

        # Asked for anew with each page: one answer, and the host is asked as patiently as agreed.
        request_policy = self.hosts.request_policy(self.host, self.agreed)
        try:
            for attempt in retrying(request_policy, passes):
                with attempt:
                    body = self._answer(query)
                    self.hosts.note(self.host, is_answering=True)
                    return self._read(body, watch)
        except TransientError as error:
            self.hosts.note(self.host, is_answering=error.trouble != "unreachable")
            raise self.fault(
                str(error),
                request_policy.patience,
                "check that the service runs",
                error.trouble,
            ) from error
        raise AssertionError("retrying ends with an answer or an error")

    def _answer(self, query: dict[str, str]) -> bytes:
        """One request. Raises TransientError for what may pass, ConnectError for what will not."""
        until = time.monotonic() + self.agreed.deadline_s
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
            raise self.fault(str(error), "an http or https address", "correct the address", "unreachable") from error
        except httpx.RequestError as error:
            raise TransientError(f"{type(error).__name__}: {error}") from error
        text = bytes(body).removeprefix(b"\xef\xbb\xbf")
        return text if charset.lower() in ("utf-8", "utf8") else text.decode(charset, "replace").encode()

    def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        found = f"HTTP {status} {response.reason_phrase}".strip()
        if status in (401, 403):
            token = self.contract.server.options.get("tokenEnv", "no token")
            raise self.fault(f"refused with {found}", "a token that is accepted", f"check {token}", "refused")
        if status in (408, 425, 429) or status >= 500:
            raise TransientError(found, _retry_after(response.headers.get("Retry-After")), "wrong_answer")
        if status != 200:
            raise self.fault(found, "HTTP 200", "check the address and its parameters")

    def _read(self, body: bytes, watch: PageWatch) -> Page:
        options = self.contract.server.options
        try:
            document = load_json(body)
        except ValueError as error:
            raise TransientError(f"an answer that is no whole JSON ({error})", trouble="wrong_answer") from error
        self._check_success(document)
        path = [part for part in str(options.get("recordsPath", "")).split(".") if part]
        records = _at(document, path)
        if not isinstance(records, list):
            raise self.fault(
                f"no list at {'.'.join(path) or 'the top'}", "the records there", "compare recordsPath with an answer"
            )
        total = _at(document, str(options["totalPath"]).split(".")) if "totalPath" in options else None
        field_path = (self.contract.cursor_field or "").split(".")
        values = [_at(record, field_path) for record in records]
        keys = [_key_of(record, watch.names) for record in records]
        told = int(str(total)) if str(total).isdecimal() else None
        return Page(_as_sent(body, path, records), values, keys, told)

    def _check_success(self, document: Any) -> None:
        """Hold an answer against the contract's `success`: services say no inside HTTP 200."""
        agreed = self.contract.server.options.get("success")
        if not agreed:
            return
        path, values = str(agreed["path"]), [as_text(value) for value in agreed["values"]]
        found = as_text(_at(document, path.split(".")))
        if found in values:
            return
        told = [str(agreed["wordsPath"])] if "wordsPath" in agreed else list(_WORDS)
        words = next((text for name in told if (text := as_text(_at(document, name.split("."))))), "")
        token = self.contract.server.options.get("tokenEnv", "the token")
        is_refusal = found in ("401", "403")
        said = f", {words[:200]!r}" if words else ""
        raise self.fault(
            f"{path} {found} in HTTP 200{said}",
            f"{path} {' or '.join(map(str, values))}",
            f"check {token}" if is_refusal else "ask the department what it means",
            "refused" if is_refusal else "wrong_answer",
        )

    def reference(self, given: dict[str, str], first: int, last: int) -> str:
        """The path and pages that a payload came from."""
        query = "".join(f"{name}={value}&" for name, value in given.items())
        return f"{self.url.path}?{query}page={first}..{last}"

    def fault(self, found: str, expected: str, next_step: str, trouble: Trouble = "wrong_answer") -> ConnectError:
        """An error about this service, by address without its query."""
        return ConnectError(self.contract.id, str(self.url.copy_with(query=None)), found, expected, next_step, trouble)


@contextmanager
def _service(contract: Contract, home: Home, hosts: UnansweringHosts) -> Iterator[_Service]:
    agreed = request_policy_of(home)
    address = home.expand(contract.server.location or "")
    headers = {"Accept": "application/json", "User-Agent": "cityrisk"}
    if "tokenEnv" in contract.server.options:
        headers["Authorization"] = f"Bearer {home.require(str(contract.server.options['tokenEnv']))}"
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise ConnectError(contract.id, address, str(error), "an http address", "correct the address") from error
    trusted = ssl.create_default_context(cafile=home.environment.get("SSL_CERT_FILE"))
    with httpx.Client(headers=headers, timeout=agreed.answer_s, trust_env=False, verify=trusted) as client:
        yield _Service(contract, client, url, agreed, hosts)


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


def _key_of(record: Any, names: list[list[str]]) -> tuple[str, ...] | None:
    """What tells a record apart by contract; None where a part of it is missing."""
    parts = [_at(record, name) for name in names]
    return None if not parts or None in parts else tuple(map(str, parts))


def _as_sent(body: bytes, path: list[str], records: list[Any]) -> list[bytes]:
    """Each record's own bytes: written again where that gives the same bytes, else cut out of the answer."""
    try:
        again = [orjson.dumps(record) for record in records]
    except TypeError:  # an integer beyond 64 bits
        again = [b"\0"]
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
    document = json.loads(record)
    try:
        return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a UTF-16 pair, which only an escape can hold
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _array(records: list[bytes]) -> bytes:
    return b"[" + b",".join(records) + b"]"
