"""Alerts told through the real life cycle, receivers on loopback, and workers under an injected clock."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alerting.engine.episode import Change, EpisodeChange, episode_id_of
from alerting.lifecycle.joining import Subject
from alerting.notify.channels.channel_config import ChannelConfig, load_channel_config
from alerting.notify.channels.retry_policy import RetryPolicy
from alerting.notify.channels.worker import work
from alerting.notify.notices import flush
from alerting.policy.notification_policies import NotificationPolicies, load_notification_policies
from alerting.workflow.changes import RULES, Origin, apply
from alerting.workflow.requests import Kind
from core.settings import Home
from core.severity import RANKS
from core.store import tables
from orchestration.project import PROJECT, seed_folders
from waiting import PATIENCE_S

SEEDS = seed_folders(PROJECT)
START = datetime(2026, 6, 1, 0, 0, tzinfo=UTC)
RETRY_POLICY = RetryPolicy(timeout=timedelta(seconds=5), poll=timedelta(seconds=0.01))


def gas_space(change: EpisodeChange) -> Subject:
    """A gas well in Xiling, Yichang; its name holds what markup would trip over."""
    return Subject(
        "lifeline",
        "gas",
        "gas_space",
        f"西陵燃气井<{change.object_id[-2:]}>&1",
        "420502001",
        111.29,
        30.70,
        "可燃气体浓度",
        "Combustible gas",
    )


@dataclass
class City:
    """A store with its desk and book, and a clock that only tests move."""

    engine: sa.Engine
    policies: NotificationPolicies
    channel_config: ChannelConfig
    home: Home
    at: datetime = START
    is_released: bool = False  # whether two people let out every alert as it comes
    _numbers: dict[str, int] = field(default_factory=dict)

    def now(self) -> datetime:
        return self.at

    def later(self, **span: float) -> None:
        self.at += timedelta(**span)

    def set(self, **environment: str) -> None:
        self.home = replace(self.home, environment={**self.home.environment, **environment})

    def happen(
        self, change: Change, colour: str = "red", object_id: str = "urban:w1", *, is_exercise: bool = False
    ) -> None:
        """A change of an object's only episode, told at once: notices and deliveries are written a minute later."""
        episode = episode_id_of("gas_methane_lel", object_id, "d1", START)
        self._numbers[episode] = self._numbers.get(episode, 0) + 1
        told = EpisodeChange(
            episode,
            self._numbers[episode],
            change,
            "gas_methane_lel",
            object_id,
            "d1",
            "methane_lel_pct",
            colour,
            RANKS[colour],
            20.0 + RANKS[colour],
            20.0,
            "%LEL",
            f"gas_{colour}",
            "GB/T 50493-2019",
            "5.5.2",
            "secondary",
            colour,
            self.at,
            self.at,
        )
        origin = Origin("rule", is_exercise) if is_exercise else RULES
        apply(self.engine, self.policies, [told], gas_space, self.at, origin=origin)
        if self.is_released:
            self._release()
        self.later(minutes=10)
        flush(self.engine, self.policies, self.at)

    def _release(self) -> None:
        """What two people leave behind who ask for the publication of every alert and release it."""
        asked = {"kind": Kind.CAP, "subject": "{}", "covers_zh": "", "covers_en": "", "reason": "", "actor": "li"}
        asked |= {"state": "approved", "decided_by": "wu", "decided_at": self.at}
        asked |= {"created_at": self.at, "expires_at": self.at}
        with self.engine.begin() as connection:
            known = set(connection.scalars(sa.select(tables.request.c.result)))
            for alert_id in set(connection.scalars(sa.select(tables.alert.c.alert_id))) - known:
                row = {**asked, "request_id": alert_id[:32], "result": alert_id}
                connection.execute(sa.insert(tables.request).values(row))

    def deliveries(self, channel_id: str) -> list[Any]:
        d = tables.alert_delivery.c
        query = sa.select(tables.alert_delivery).where(d.channel_id == channel_id).order_by(d.created_at, d.delivery_id)
        with self.engine.connect() as connection:
            return list(connection.execute(query))

    def deliveries_of_all(self) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(tables.alert_delivery)))

    def only(self, channel_id: str) -> Any:
        (row,) = self.deliveries(channel_id)
        return row

    def receipt(self, channel_id: str) -> dict[str, Any]:
        return dict(json.loads(self.only(channel_id).receipt or "{}"))

    def alert(self) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(tables.alert)).one()

    def with_row(self, channel_id: str, **columns: Any) -> None:
        """Change a row of the channels."""
        rows = {
            **self.channel_config.channels,
            channel_id: replace(self.channel_config.channels[channel_id], **columns),
        }
        self.channel_config = replace(self.channel_config, channels=rows)


def found_city(engine: sa.Engine, home: Home) -> City:
    quiet = replace(home, environment={**home.environment, "CITYRISK_CAP_PORT": "0"})
    return City(engine, load_notification_policies(*SEEDS), load_channel_config(*SEEDS), quiet)


@asynccontextmanager
async def working(city: City, retry_policy: RetryPolicy = RETRY_POLICY) -> AsyncIterator[None]:
    """A worker until the block ends."""
    stop = asyncio.Event()
    task = asyncio.create_task(work(city.engine, city.home, city.channel_config, city.now, stop, retry_policy))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(condition: Callable[[], Any], what: str = "it") -> None:
    """Wait for something that another task brings about."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


@dataclass
class Received:
    """One request that a receiver got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Receiver:
    """An HTTP server that answers as it is told, the last answer for ever; `before` runs before each answer."""

    answers: list[tuple[int, str]] = field(default_factory=lambda: [(200, "ok")])
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], Any] | None = None
    got: list[Received] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: Request) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.got.append(Received(request.method, path, dict(request.headers), await request.body()))
        if self.before is not None:
            found = self.before()
            if asyncio.iscoroutine(found):
                await found
        status, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Response(text, status, self.headers)


@asynccontextmanager
async def receiving(*receivers: Receiver) -> AsyncIterator[None]:
    """Serve each receiver on a port of its own."""
    servers = [
        Starlette(routes=[Route("/{rest:path}", receiver.answer, methods=["GET", "POST"])]) for receiver in receivers
    ]
    async with serving(servers) as urls:
        for receiver, url in zip(receivers, urls, strict=True):
            receiver.url = url
        yield


@asynccontextmanager
async def serving(apps: Sequence[Starlette]) -> AsyncIterator[list[str]]:
    """Serve ASGI apps on loopback; gives their addresses."""
    servers, tasks, urls = [], [], []
    for app in apps:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", ws="none", log_level="error", timeout_graceful_shutdown=1)
        servers.append(uvicorn.Server(config))
        tasks.append(asyncio.create_task(servers[-1]._serve([listener])))
        urls.append(f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        await until(lambda: all(server.started for server in servers))
        yield urls
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)
