"""The HTTP door for departments that push: `POST /push/<feed_id>` with the feed's own bearer token.

A request is judged from the cheapest question to the dearest; whatever is wrong with it costs that request only.
Not here: what rows mean (`ingest.conform`), the processes of a home (`orchestration`).
"""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import hmac
import ipaddress
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.contract import Contract
from core.runtime.http import Guesses
from core.settings import Home, SettingsError
from core.stages import Payload
from ingest.devices.receipt import Receipt
from ingest.parse.lenient_json import load_json

log = logging.getLogger(__name__)

CONTENT_TYPES: Mapping[str, tuple[str, ...]] = {
    "json": ("application/json",),
    "csv": ("text/csv",),
    "geojson": ("application/geo+json", "application/json"),
}
KEY_LENGTH = 200
KEYS_KEPT = 10_000
BODY_WITHIN_S = 30.0

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class PushLimits:
    """What one door allows."""

    body_bytes: int
    per_minute: int
    replay_window: timedelta
    networks: tuple[Network, ...]  # empty: every address


class Refusal(Exception):
    """A request that is answered with an error and nothing else."""

    def __init__(self, status: int, reason: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.headers = dict(headers or {})


def push_app(
    home: Home,
    contracts: Mapping[str, Contract],
    deliver: Callable[[Payload], Receipt],
    now: Callable[[], datetime],
) -> Starlette:
    """The door as an ASGI app. `deliver` archives and lands; it runs in a thread, one payload at a time.

    Settings: CITYRISK_PUSH_TOKEN_<DEPARTMENT>_<FEED> opens a feed, CITYRISK_PUSH_MAX_BYTES, CITYRISK_PUSH_PER_MINUTE,
    CITYRISK_PUSH_ALLOW (addresses or networks, comma-separated). Raises SettingsError for values that cannot be used.
    """
    door = _Door(home, contracts, deliver, now, limits_of(home))
    return Starlette(routes=[Route("/push/{feed_id}", door.answer, methods=["POST"])])


def limits_of(home: Home) -> PushLimits:
    """The limits that a home's environment sets. Raises SettingsError."""
    try:
        allowed = [part.strip() for part in home.environment.get("CITYRISK_PUSH_ALLOW", "").split(",")]
        return PushLimits(
            body_bytes=int(home.environment.get("CITYRISK_PUSH_MAX_BYTES") or 16 * 1024 * 1024),
            per_minute=int(home.environment.get("CITYRISK_PUSH_PER_MINUTE") or 120),
            replay_window=timedelta(hours=24),
            networks=tuple(ipaddress.ip_network(part) for part in allowed if part),
        )
    except ValueError as error:
        raise SettingsError(f"CITYRISK_PUSH_… cannot be used: {error}") from error


def token_name(feed_id: str) -> str:
    """The environment variable that holds a feed's push token."""
    return "CITYRISK_PUSH_TOKEN_" + feed_id.replace(".", "_").upper()


class _Door:
    """The state of one running door: buckets and remembered request keys."""

    def __init__(
        self,
        home: Home,
        contracts: Mapping[str, Contract],
        deliver: Callable[[Payload], Receipt],
        now: Callable[[], datetime],
        limits: PushLimits,
    ) -> None:
        self._home, self._contracts, self._deliver, self._now, self._limits = home, contracts, deliver, now, limits
        self._buckets: dict[str, tuple[float, datetime]] = {}
        self._keys: OrderedDict[tuple[str, str], tuple[str, datetime]] = OrderedDict()
        self._turn = asyncio.Lock()
        self._guesses = Guesses()

    async def answer(self, request: Request) -> Response:
        """202 with what became of the rows, or the reason why not."""
        try:
            return await self._take(request)
        except Refusal as refusal:
            body = {"error": refusal.reason, "message": str(refusal)}
            return JSONResponse(body, refusal.status, headers=refusal.headers)
        except ClientDisconnect:
            return Response(status_code=499)

    async def _take(self, request: Request) -> Response:
        self._check_address(request)
        contract = self._contracts.get(request.path_params["feed_id"])
        if contract is None:
            raise Refusal(404, "unknown_feed", "no feed with this id")
        self._check_token(request, contract)
        self._check_rate(contract)
        media = _media(request, contract)
        body = _as_media(await self._body(request), media)
        sha256 = hashlib.sha256(body).hexdigest()
        key = self._check_key(request, contract, sha256)
        payload = Payload(contract.id, body, media, f"push:{key or sha256[:12]}", self._now())
        async with self._turn:
            try:
                receipt = await run_in_threadpool(self._deliver, payload)
            except Exception as error:  # the store is in trouble: the department keeps its data and comes again
                log.exception("%s: pushed payload could not be taken", contract.id)
                raise Refusal(503, "try_again", "could not be stored; send it again", {"Retry-After": "30"}) from error
        if key:
            self._remember(contract, key, sha256)
        answer = {
            "batch_id": receipt.batch_id,
            "result": receipt.result,
            "rows_landed": receipt.rows_landed,
            "rows_quarantined": receipt.rows_quarantined,
            "reasons": dict(receipt.reasons),
        }
        return JSONResponse(answer, 202)

    def _check_address(self, request: Request) -> None:
        if not self._limits.networks:
            return
        host = request.client.host if request.client else ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise Refusal(403, "address_not_allowed", "this address may not push") from None
        if not any(address in network for network in self._limits.networks):
            raise Refusal(403, "address_not_allowed", "this address may not push")

    def _check_token(self, request: Request, contract: Contract) -> None:
        expected = self._home.environment.get(token_name(contract.id), "")
        if not expected:
            raise Refusal(403, "not_open", f"{contract.id} is pulled, not pushed; {token_name(contract.id)} opens it")
        address = request.client.host if request.client else ""
        if self._guesses.is_blocked(address, self._now()):
            raise Refusal(429, "too_many_guesses", "too many wrong tokens from this address", {"Retry-After": "60"})
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode(), expected.encode())
        if scheme.lower() != "bearer" or not is_right:
            self._guesses.note(address, self._now())
            raise Refusal(401, "wrong_token", "bearer token missing or wrong", {"WWW-Authenticate": "Bearer"})

    def _check_rate(self, contract: Contract) -> None:
        """A bucket per feed that fills evenly; refused requests take nothing out of it."""
        now, size = self._now(), float(self._limits.per_minute)
        left, since = self._buckets.get(contract.id, (size, now))
        left = min(size, left + (now - since).total_seconds() * size / 60)
        if left < 1:
            wait_s = max(1, round((1 - left) * 60 / size + 0.5))
            self._buckets[contract.id] = (left, now)
            raise Refusal(429, "too_many_requests", f"{size:g} a minute", {"Retry-After": str(wait_s)})
        self._buckets[contract.id] = (left - 1, now)

    async def _body(self, request: Request) -> bytes:
        limit = self._limits.body_bytes
        too_large = Refusal(413, "too_large", f"at most {limit} bytes; send less at a time")
        stated = request.headers.get("content-length", "")
        if stated.isascii() and stated.isdigit() and int(stated[:20]) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                async for part in request.stream():
                    body += part
                    if len(body) > limit:
                        raise too_large
        except TimeoutError:
            raise Refusal(408, "too_slow", f"the body took more than {BODY_WITHIN_S:g} s") from None
        if not body:
            raise Refusal(422, "empty", "the body is empty")
        return bytes(body)

    def _check_key(self, request: Request, contract: Contract, sha256: str) -> str:
        """The request's own key, '' when it has none; one key must not stand for two contents."""
        key = request.headers.get("idempotency-key") or request.headers.get("x-request-id") or ""
        if len(key) > KEY_LENGTH or not key.isprintable():
            raise Refusal(422, "bad_key", f"a request key has at most {KEY_LENGTH} printable characters")
        known = self._keys.get((contract.id, key)) if key else None
        if known and known[0] != sha256 and self._now() - known[1] < self._limits.replay_window:
            raise Refusal(409, "key_used", "this request key came with another content before; use a new one")
        return key

    def _remember(self, contract: Contract, key: str, sha256: str) -> None:
        self._keys[(contract.id, key)] = (sha256, self._now())
        self._keys.move_to_end((contract.id, key))
        while len(self._keys) > KEYS_KEPT:
            self._keys.popitem(last=False)


def _media(request: Request, contract: Contract) -> str:
    """How the body is to be read, by contract; the request must say the same."""
    media = contract.server.file_format or "json"
    expected = CONTENT_TYPES.get(media)
    if expected is None:
        raise Refusal(415, "not_pushable", f"{contract.id} comes as {media}, which is fetched, not pushed")
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in expected:
        raise Refusal(415, "wrong_content_type", f"expected {' or '.join(expected)}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "compressed", "send the body uncompressed")
    return media


def _as_media(body: bytes, media: str) -> bytes:
    """The body as landing reads it: JSON is an array of objects (one object is an array of one), bytes untouched."""
    if media == "csv":
        return body
    try:
        document = load_json(body)
    except ValueError as error:
        raise Refusal(422, "not_json", f"not JSON to its end: {error}") from error
    if media == "geojson":
        return body
    if isinstance(document, dict):
        return b"[" + body.removeprefix(codecs.BOM_UTF8).strip() + b"]"
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise Refusal(422, "not_records", "expected an object or an array of objects")
    if not document:
        raise Refusal(422, "empty", "the array is empty")
    return body
