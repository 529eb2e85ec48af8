"""A built city whose registers went through the real pull, and its history through parse, conform and rule engine."""

from __future__ import annotations

import base64
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from alerting.engine.episode import EpisodeChange
from alerting.engine.fold import Engine
from alerting.registry import load_registry
from alerting.rules import RuleSet
from city.build import build_city
from city.declared import declared
from city.live.fleet import Fleet
from city.live.history import Arrival
from cli.demo import departments
from core.boundaries import load_areas
from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import SECRET_NAMES, Home, open_home
from core.store.database import open_ops
from core.stream.bundle import StoredMessage
from core.stream.live import instant, of_frame
from core.stream.raw import RawEntry, pack
from ingest.conform import ConformContext, DeviceClocks, conform
from ingest.devices.known import KnownDevices
from ingest.intake.identity import rightful
from ingest.parse.frames import tables_of
from ingest.pull import Intake, Outcome, open_intake, pull_feed

AS_OF = datetime(2026, 6, 15, 3, tzinfo=UTC)  # 11:00 in Beijing
# Registers of devices, and those that rules look up beside them.
REGISTERS = tuple(sorted({*declared().registers, "fire.unit", "housing.site", "emergency.tailings_pond"}))
TICK_S = 240


@dataclass
class LiveCity:
    """A home with landed registers."""

    home: Home
    engine: sa.Engine
    contracts: Mapping[str, Contract]
    intake: Intake
    outcomes: Mapping[str, Outcome]
    fleet: Fleet

    @property
    def truth(self) -> pl.DataFrame:
        """What was planted."""
        return pl.read_parquet(self.home.root / "city" / "truth.parquet")


def landed_city(root: Path, city: str, scale: float) -> Iterator[LiveCity]:
    """Build a city in files, pull the registers of its devices, give it."""
    root.mkdir(parents=True)
    keys = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in SECRET_NAMES}
    (root / "secrets.env").write_text("".join(f"{name}={key}\n" for name, key in keys.items()), encoding="utf-8")
    build_city(root, city, 1, 5, scale, AS_OF)
    with departments(open_home({}, root)):
        home, contracts = open_home({}, root), load_contracts()
        engine = open_ops(home.ops_url)
        intake = open_intake(home, engine, "live", lambda: AS_OF + timedelta(minutes=5))
        outcomes = {feed_id: pull_feed(intake, contracts[feed_id]) for feed_id in REGISTERS}
    yield LiveCity(home, engine, contracts, intake, outcomes, Fleet.load(root))
    engine.dispose()


MARKS = {"duplicate", "superseded", "late", "clock_wrong"}


def folded(city: LiveCity, rules: RuleSet, arrivals: Iterable[Arrival], tick_s: int = TICK_S) -> list[EpisodeChange]:
    """What the rule engine says of a history, taken in ticks that stand in for intake's far shorter ones."""
    tick_us = tick_s * 1_000_000
    engine = Engine(rules, load_registry(city.home, city.engine, city.contracts.values()))
    areas, found = load_areas(), list[EpisodeChange]()
    known = KnownDevices(city.home, city.engine, city.contracts)
    known.refresh()
    streams: dict[str, list[Contract]] = {}
    clocks: defaultdict[str, DeviceClocks] = defaultdict(DeviceClocks)
    for contract in city.contracts.values():
        if contract.is_stream:
            streams.setdefault(contract.raw_feed, []).append(contract)
    for tick, group in groupby(arrivals, key=lambda a: a.received_at_us // tick_us):
        received_at = instant((tick + 1) * tick_us)
        by_feed: dict[str, list[RawEntry]] = {}
        for one in group:
            by_feed.setdefault(one.raw_feed, []).append(RawEntry(one.device_id, one.received_at_us, one.body))
        for raw_feed, entries in sorted(by_feed.items()):
            tables = tables_of([StoredMessage(1, pack(entries), (tick + 1) * tick_us)], streams[raw_feed])
            for feed_id, table in sorted(tables.items()):
                assert not table.notes, table.notes[:3]
                if not table.frame.height:
                    continue
                contract = city.contracts[feed_id]
                assert rightful(table, contract, known).notes == (), "a device of the registers may speak"
                context = ConformContext(received_at, b"k" * 32, areas, clocks=clocks[feed_id])
                shaped = conform(table, contract, context)
                # Late reports that no protocol marks and no silence explains are of their receipt.
                assert {note.reason for note in shaped.notes} <= MARKS, shaped.notes[:3]
                found += engine.fold(of_frame(feed_id, shaped.frame, received_at, "raw:1-1"))
    return found
