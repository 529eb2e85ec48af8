"""The alerting process beside a real broker: killed at random under load, every episode is an alert, none is two."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from alerting.engine import Engine
from alerting.engine.episode import Change
from alerting.registry import load_registry
from alerting.rules.generations import generation_named, load_newest
from alerting.workflow import requests
from alerting.workflow.rule_proposals import enact
from broker_server import BrokerServer, running_broker
from core.catalogue import load_contracts
from core.running import read_running
from core.secrets import create_secrets
from core.settings import Home, open_home
from core.store import tables
from core.store.database import open_ops
from core.stream import live
from core.stream.client import connected
from core.stream.live import LiveBatch
from core.stream.streams import ensure_streams
from moving_slope import FAST_MM_PER_H, land_slope, register_slope
from orchestration.project import PROJECT, table_of
from orchestration.rules import propose_rules, publish_rules
from waiting import until

ROOT = Path(__file__).resolve().parents[3]
GAS = "urban.gas_reading"
START = datetime(2026, 6, 1, tzinfo=UTC)
DEVICES = 30
MESSAGES = 240
KILLS = 6


class AlertingServer:
    """`python -m alerting` of a home; it can be killed and started again."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns once it has left its note."""
        (self.home.run / "alerting.json").unlink(missing_ok=True)
        environment = {**os.environ, **self.home.environment, "CITYRISK_HOME": str(self.home.root)}
        self.home.run.mkdir(parents=True, exist_ok=True)
        with (self.home.run / "alerting.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "alerting"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )
        until(self._is_up, what=f"alerting's start\n{self.log_text()[-2000:]}")

    def kill(self) -> None:
        """End it as a crash does (SIGKILL)."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it as its manager does (SIGTERM); gives its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def health(self) -> tuple[int, dict[str, object]]:
        """What it says of itself."""
        answer = httpx.get(f"{self._address()}/health")
        return answer.status_code, answer.json()

    def metrics(self) -> str:
        """What it counts."""
        return httpx.get(f"{self._address()}/metrics").text

    def log_text(self) -> str:
        """What it said."""
        path = self.home.run / "alerting.log"
        return path.read_text("utf-8", "replace") if path.is_file() else ""

    def _address(self) -> str:
        running = read_running(self.home, "alerting")
        assert running is not None
        return f"http://127.0.0.1:{running.ports['metrics']}"

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log_text()[-3000:]
        return read_running(self.home, "alerting") is not None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerServer]:
    """A broker with streams, in a home that has rules and secrets."""
    root = tmp_path / "var"
    root.mkdir()
    create_secrets(root, {}, ("urban",))
    home = open_home({"CITYRISK_CHANNELS_DRY_RUN": "1"}, root)
    publish_rules(home, datetime.now(UTC))
    with running_broker(home) as server:
        asyncio.run(_make_streams(server.home))
        yield server


async def _make_streams(home: Home) -> None:
    async with connected(home, "test") as client:
        await ensure_streams(client, home, datetime.now(UTC))


@contextmanager
def alerting(home: Home) -> Iterator[AlertingServer]:
    """An alerting process until the block ends."""
    server = AlertingServer(home)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def readings(number: int) -> LiveBatch:
    """One message: every detector once, 20 s after the last; each rises and falls in its own rhythm."""
    at = START + timedelta(seconds=20 * number)
    values = [
        60.0 if (number // (5 + d % 7)) % 3 == 1 else 30.0 if (number + d) % 11 < 4 else 1.0 for d in range(DEVICES)
    ]
    columns: dict[str, list[object]] = {
        "device_id": [f"GD{d:03d}" for d in range(DEVICES)],
        "observed_at": [live.micros(at)] * DEVICES,
        "methane_pct_lel": list(values),
        "methane_pct_vol": [0.1] * DEVICES,
        "gas_pressure_kpa": [210.0] * DEVICES,
        "air_temperature_c": [18.0] * DEVICES,
        "quality_flag": ["normal"] * DEVICES,
        **{name: [None] * DEVICES for name in ("_lon", "_lat", "_area_code", "_flags")},
    }
    return LiveBatch(GAS, at, f"raw:{number}-{number}", columns)


async def publish(home: Home, numbers: range, pace_s: float = 0.0) -> int:
    """Messages into LIVE; gives the sequence of the last."""
    async with connected(home, "intake") as client:
        sequence = 0
        for number in numbers:
            body = live.pack(readings(number))
            headers = {"Nats-Msg-Id": f"raw:{number}"}
            sequence = (await client.jetstream().publish(f"live.{GAS}", body, headers=headers)).seq
            await asyncio.sleep(pace_s)
        return sequence


def applied_to(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.max(tables.alert_position.c.sequence))) or 0)


def expected(home: Home, engine: sa.Engine) -> dict[str, tuple[str, int]]:
    """Episode → last change and its number, by an engine that nobody killed."""
    engine_state = Engine(load_newest(home.root), load_registry(home, engine, load_contracts().values()))
    found: dict[str, tuple[str, int]] = {}
    for number in range(MESSAGES):
        for change in engine_state.fold(readings(number)):
            state = {Change.PENDING: "pending", Change.WITHDRAWN: "withdrawn", Change.CLEARED: "cleared"}
            found[change.episode_id] = (state.get(change.change, "holding"), change.number)
    return found


def stored(engine: sa.Engine) -> dict[str, tuple[str, int]]:
    with engine.connect() as connection:
        return {row.episode_id: (row.state, row.last_number) for row in connection.execute(sa.select(tables.member))}


def repeated(engine: sa.Engine) -> list[object]:
    """Changes that left two rows of history."""
    e = tables.alert_event.c
    query = sa.select(e.episode_id, e.number, sa.func.count()).where(e.episode_id.is_not(None))
    with engine.connect() as connection:
        return list(connection.execute(query.group_by(e.episode_id, e.number, e.kind).having(sa.func.count() > 1)))


@pytest.mark.slow
def test_killed_under_load_it_loses_and_repeats_nothing(broker: BrokerServer) -> None:
    home, chance = broker.home, random.Random(7)
    with alerting(home) as server:
        engine = open_ops(home.ops_url)
        for kill in range(KILLS):
            asyncio.run(publish(home, range(kill * MESSAGES // KILLS, (kill + 1) * MESSAGES // KILLS), 0.01))
            time.sleep(chance.uniform(0, 0.4))  # anywhere between two steps
            server.kill()
            if kill == KILLS // 2:
                broker.kill()
                broker.start()
            server.start()
        last = asyncio.run(publish(home, range(MESSAGES - 1, MESSAGES)))
        until(lambda: applied_to(engine) >= last, what="catching up")
        wanted = expected(home, engine)
        assert len(wanted) > 300
        assert stored(engine) == wanted
        assert repeated(engine) == []
        assert server.health()[0] == 200
        engine.dispose()


def test_a_breach_is_durable_and_told_and_the_process_says_so(broker: BrokerServer) -> None:
    home = broker.home
    with alerting(home) as server:
        engine = open_ops(home.ops_url)
        last = asyncio.run(publish(home, range(40)))
        until(lambda: applied_to(engine) >= last, what="applying")
        until(lambda: _told(engine), what="a red's notice")
        status, health = server.health()
        assert status == 200, health
        assert health["rules"] == load_newest(home.root).generation
        assert "cityrisk_alerting_durable_seconds_count" in server.metrics()
        assert server.stop() == 0
        names = [path.name for path in (home.root / "alerting").iterdir()]
        assert any(name.endswith(f"{last:020d}.json") for name in names)
        engine.dispose()


@pytest.mark.case("live.F4")
def test_it_beats_outside_while_it_judges(broker: BrokerServer) -> None:
    beats: list[dict[str, object]] = []

    class Watcher(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            beats.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Watcher) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = {
            "CITYRISK_CHANNELS_DRY_RUN": "",
            "CITYRISK_CAP_PORT": "0",
            "CITYRISK_HEARTBEAT_EVERY_S": "1",
            "CITYRISK_HEARTBEAT_URL": f"http://127.0.0.1:{server.server_port}/",
        }
        home = replace(broker.home, environment={**broker.home.environment, **settings})
        with alerting(home) as running:
            asyncio.run(publish(home, range(2)))
            until(lambda: beats, what="a beat")
            assert beats[0]["last_judged_at"]
            until(lambda: running.health()[1]["heartbeat"] == "beating", what="saying so")
        server.shutdown()


def _told(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        return (
            connection.scalar(sa.select(tables.alert_notice.c.notice_id).where(tables.alert_notice.c.colour == "red"))
            is not None
        )


def test_newer_rules_are_taken_up_and_ones_that_do_not_load_are_not(broker: BrokerServer, tmp_path: Path) -> None:
    home = broker.home
    with alerting(home) as server:
        engine = open_ops(home.ops_url)
        asyncio.run(publish(home, range(2)))
        milder = tmp_path / "milder"
        milder.mkdir()
        source = table_of(PROJECT, "alert_rules.csv")
        text = source.read_text("utf-8").replace("可燃气体浓度（爆炸下限百分比）", "可燃气体浓度")
        (milder / "alert_rules.csv").write_text(text, encoding="utf-8")
        done = propose_rules(home, engine, datetime.now(UTC), "li", "a shorter name", milder)
        until(_runs_in_shadow(server, home, str(done.request_id)), what="running in shadow")
        approve = partial(enact, root=home.root, approver="wu", now=datetime.now(UTC))
        approved = requests.approve(
            engine, str(done.request_id), "wu", "", datetime.now(UTC), lambda c, request: approve(c, request=request)
        )
        folder = generation_named(home.root, str(approved.result))
        assert folder is not None
        until(_has_rules(server, home, folder.name), what="taking up the rules")
        broken = folder.with_name("99991231T235959999999")
        broken.mkdir()
        asyncio.run(publish(home, range(2, 4)))
        until(lambda: "newer rules do not load" in str(server.health()[1]["failure"]), what="saying so")
        last = asyncio.run(publish(home, range(4, 30)))
        until(lambda: applied_to(engine) >= last, what="going on")
        engine.dispose()


def _runs_in_shadow(server: AlertingServer, home: Home, request_id: str) -> Callable[[], bool]:
    numbers = iter(range(2000, 3000))

    def has() -> bool:
        asyncio.run(_clock(home, next(numbers)))
        return server.health()[1]["shadow"] == request_id

    return has


def _has_rules(server: AlertingServer, home: Home, generation: str) -> Callable[[], bool]:
    numbers = iter(range(1000, 2000))

    def has() -> bool:
        asyncio.run(_clock(home, next(numbers)))
        return server.health()[1]["rules"] == generation

    return has


async def _clock(home: Home, number: int) -> None:
    async with connected(home, "intake") as client:
        batch = LiveBatch(live.CLOCK_FEED, START + timedelta(minutes=2), "clock", {})
        await client.jetstream().publish("live.clock", live.pack(batch), headers={"Nats-Msg-Id": f"clock:{number}"})


def test_a_second_process_is_refused(broker: BrokerServer) -> None:
    with alerting(broker.home) as server:
        environment = {**os.environ, **broker.home.environment, "CITYRISK_HOME": str(broker.home.root)}
        second = subprocess.run(
            [sys.executable, "-m", "alerting"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )
        assert second.returncode != 0
        assert "another alerting process is running" in second.stderr
        assert json.dumps(server.health()[1])


def test_it_ends_when_another_release_has_migrated_its_store(broker: BrokerServer) -> None:
    with alerting(broker.home) as server:
        engine = open_ops(broker.home.ops_url)
        with engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE notification_queue RENAME TO of_the_next_release"))
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        engine.dispose()
        asyncio.run(publish(broker.home, range(60)))
        until(lambda: server.process is not None and server.process.poll() is not None, what="the end of the process")
        assert server.process is not None
        assert server.process.returncode == 1
    assert "revision 9999, expected" in server.log_text()
    assert "`cityrisk up`" in server.log_text()


@pytest.mark.slow
@pytest.mark.case("pages.13")
def test_what_landed_before_the_first_start_is_told_once(broker: BrokerServer) -> None:
    store = open_ops(broker.home.ops_url)
    register_slope(broker.home, store)
    land_slope(broker.home, store, datetime.now(UTC) - timedelta(minutes=5), FAST_MM_PER_H)

    def told() -> list[tuple[object, ...]]:
        with store.connect() as connection:
            said = sa.select(
                tables.alert.c.rule_id, tables.alert.c.colour, tables.alert.c.marks, tables.alert.c.n_reports
            )
            return [tuple(row) for row in connection.execute(said)]

    slope = [("geo_displacement", "red", "last_known", 1)]
    with alerting(broker.home) as server:
        until(lambda: told() == slope, what=f"the alert of the slope\n{server.log_text()[-2000:]}")
    for _ in range(2):  # killed, and begun again from what it kept
        with alerting(broker.home) as server:
            until(lambda: server.health()[0] == 200, what=f"health\n{server.log_text()[-2000:]}")
    assert told() == slope
    store.dispose()
