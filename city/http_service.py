"""The HTTP departments with tokens, paging, `since`, a rate limit and now and then a fault."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from city.build import CityBuild
from city.declared import declared
from city.door_http import parse_since
from city.onward import Onward

log = logging.getLogger(__name__)

_MAX_SIZE = 5000
GO_ON_EVERY_S = 30.0


@dataclass
class Limits:
    """How the service behaves under load: a token bucket per caller, a fault every so many answers, a slow one too."""

    per_second: float = 25.0
    burst: int = 40
    error_every: int = 29
    slow_every: int = 19
    slow_s: float = 0.3


class _Bucket:
    """Tokens of one caller, refilled with time."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits, self._tokens, self._then = limits, float(limits.burst), now

    def take(self, now: float) -> bool:
        """Whether one more request is within the limit at `now` seconds."""
        self._tokens = min(self._limits.burst, self._tokens + (now - self._then) * self._limits.per_second)
        self._then = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class _Feed:
    """One feed in memory: cursors (epoch seconds, or null) and record texts in sending order."""

    cursor: pl.Series
    body: pl.Series

    def page(self, since: int | None, page: int, size: int) -> tuple[int, list[str]]:
        """Records after `since`: their total, and those of one page (numbered from 1)."""
        skip = 0
        if since is not None and self.cursor.null_count() == 0:
            skip = int(self.cursor.search_sorted(since, side="right"))
        total = len(self.body) - skip
        return total, self.body.slice(skip + (page - 1) * size, size).to_list()


class _Service:
    """State of one running service; counts answers so that faults come at the same requests every time."""

    def __init__(self, build: CityBuild, limits: Limits, clock: Callable[[], float]) -> None:
        self._tokens, self._limits, self._clock = build.tokens, limits, clock
        self._feeds = {
            f"/{door.department}{door.path}": _load(build.root / "http" / f"{feed_id}.parquet")
            for feed_id, door in build.doors.items()
            if door.kind == "http"
        }
        self._build, self._onward = build, Onward(build, declared())
        self._buckets: dict[str, _Bucket] = {}
        self._answers = 0

    def go_on(self, now: datetime) -> None:
        """Let the departments live up to an instant: rows, files, and what is served here."""
        for feed_id, records in self._onward.advance(now).items():
            door = self._build.doors[feed_id]
            path = f"/{door.department}{door.path}"
            old = self._feeds[path]
            self._feeds[path] = _Feed(
                pl.concat([old.cursor, records["cursor"]]), pl.concat([old.body, records["body"]])
            )

    @property
    def paths(self) -> list[str]:
        """The paths of its feeds."""
        return list(self._feeds)

    async def answer(self, request: Request) -> Response:
        """One page of one feed, or 401, 429, 500, 400 as the case may be."""
        path = request.url.path
        department = path.split("/")[1]
        if request.headers.get("authorization") != f"Bearer {self._tokens[department]}":
            return _refusal(401, "token missing or wrong", {"WWW-Authenticate": "Bearer"})
        now = self._clock()
        if not self._buckets.setdefault(department, _Bucket(self._limits, now)).take(now):
            return _refusal(429, "too many requests", {"Retry-After": "1"})
        self._answers += 1
        if self._answers % self._limits.error_every == 0:
            return _refusal(500, "internal error")
        if self._answers % self._limits.slow_every == 0:
            await asyncio.sleep(self._limits.slow_s)
        try:
            page, size = int(request.query_params.get("page", 1)), int(request.query_params.get("size", 100))
            since = parse_since(text) if (text := request.query_params.get("since")) else None
        except ValueError as error:
            return _refusal(400, str(error))
        if page < 1 or not 1 <= size <= _MAX_SIZE:
            return _refusal(400, f"page from 1, size from 1 to {_MAX_SIZE}")
        total, bodies = self._feeds[path].page(since, page, size)
        head = f'{{"code":0,"message":"ok","data":{{"total":{total},"page":{page},"size":{size},"records":['
        return Response(head + ",".join(bodies) + "]}}", media_type="application/json")


def _load(path: Path) -> _Feed:
    frame = pl.read_parquet(path)
    return _Feed(frame["cursor"], frame["body"])


def _refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"code": status, "message": message}, status_code=status, headers=headers)


def make_app(
    build: CityBuild,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] | None = None,
) -> Starlette:
    """The service of a built city; `clock` gives seconds for the rate limit.

    With `now` the departments go on; what happened while nobody served is there before the first answer.
    """
    service = _Service(build, limits or Limits(), clock)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if now is None:
            yield
            return
        await _go_on(service, now())
        task = asyncio.create_task(_keep_going(service, now))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    routes = [Route(path, service.answer, methods=["GET"]) for path in service.paths]
    return Starlette(routes=routes, lifespan=lifespan)


async def _keep_going(service: _Service, now: Callable[[], datetime]) -> None:
    while True:
        await asyncio.sleep(GO_ON_EVERY_S)
        await _go_on(service, now())


async def _go_on(service: _Service, now: datetime) -> None:
    try:
        await asyncio.to_thread(service.go_on, now)
    except (OSError, SQLAlchemyError):  # a database that is away for a while; its rows come with the next round
        log.exception("departments stand still for a moment")
