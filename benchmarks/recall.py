"""Incidents found, and false alerts of a quiet week: `python benchmarks/recall.py [--city C] [--scale 1.0] [OPTIONS]`.

A city of full size, its registers through the real pull, and what its devices say as bytes through parse, conform and
the rule engine, without sockets: first a span with every incident that the city plans, then a quiet week with
maintenance, calibration, late, swapped and doubled reports. Every alert is compared with the plan by rule, object and
worst colour. Devices without an incident report as rarely as they may (`--thin`), and only a share of them is there
(`--bystanders`); where most devices of a gateway are left out, one silent device silences the gateway, so silent
gateways count as false alerts only with all of them. Prints one JSON line a city.
"""

from __future__ import annotations

import argparse
import base64
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from alerting.engine import Engine
from alerting.engine.episode import Change, EpisodeChange
from alerting.registry import load_registry
from alerting.rules import RULE_FILES, RuleSet, load_rules
from city.build import build_city
from city.live.fleet import Fleet
from city.live.history import Arrival, history
from city.live.plan import Plan, make_plan
from city.profiles import CITIES
from cli.demo import departments
from core.boundaries import load_areas
from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import SECRET_NAMES, Home, open_home
from core.store.database import open_ops
from core.stream.bundle import StoredMessage
from core.stream.live import LiveBatch, instant, of_frame
from core.stream.raw import RawEntry, pack
from ingest.conform import ConformContext, conform
from ingest.parse.frames import tables_of
from ingest.pull import open_intake, pull_feed
from orchestration.project import PROJECT, table_of

AS_OF = datetime(2026, 6, 15, 3, tzinfo=UTC)
SEED = 5
GATEWAYS = {"gas_gateway_silent", "tunnel_gateway_silent"}
# Objects of live devices that stand in registers of their own.
OBJECTS = ("emergency.tailings_pond", "emergency.tailings_point", "fire.unit", "housing.site")


@dataclass
class City:
    """A home with landed registers, its devices, and the rules as committed."""

    home: Home
    store: sa.Engine
    contracts: Mapping[str, Contract]
    fleet: Fleet
    rules: RuleSet


@dataclass
class Heard:
    """What a fold of a history told."""

    changes: list[EpisodeChange] = field(default_factory=list)
    messages: int = 0
    rows: int = 0
    refused: int = 0

    def worst(self) -> dict[tuple[str, str], str]:
        """The worst colour of each rule and object that an alert was opened for."""
        told = [c for c in self.changes if c.change in (Change.OPENED, Change.UPGRADED)]
        return {(c.rule_id, c.object_id): c.colour for c in sorted(told, key=lambda c: c.severity_rank)}


def main() -> None:
    """Build, fold, compare, print; the exit code is 1 when anything was missed or told for nothing."""
    options = _options()
    is_well = True
    for name in options.city or CITIES:
        with tempfile.TemporaryDirectory() as folder:
            figures = recall(a_city(Path(folder) / "var", name, options.scale), options)
        print(json.dumps({"city": name, "scale": options.scale, **figures}, ensure_ascii=False), flush=True)
        is_well = is_well and not (figures["missed"] or figures["unexpected"] or figures["quiet_alerts"])
    raise SystemExit(0 if is_well else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--city", action="append", choices=CITIES)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--hours", type=float, default=64.0, help="span of the incidents; a short one has fewer")
    parser.add_argument("--quiet-days", type=float, default=7.0)
    parser.add_argument("--thin", type=float, default=20.0)
    parser.add_argument("--bystanders", type=float, default=0.1)
    parser.add_argument("--tick", type=float, default=240.0, help="seconds of history a fold; intake's are 0.05")
    return parser.parse_args()


def a_city(root: Path, name: str, scale: float) -> City:
    """Build a city in files and pull the registers of its devices."""
    root.mkdir(parents=True)
    keys = {key: base64.b64encode(secrets.token_bytes(32)).decode() for key in SECRET_NAMES}
    (root / "secrets.env").write_text("".join(f"{key}={value}\n" for key, value in keys.items()), encoding="utf-8")
    build_city(root, name, 1, SEED, scale, AS_OF)
    with departments(open_home({}, root)):
        home, contracts = open_home({}, root), load_contracts()
        store = open_ops(home.ops_url)
        intake = open_intake(home, store, "recall", lambda: AS_OF + timedelta(minutes=5))
        registers = {c.server.options["register"].rpartition(".")[0] for c in contracts.values() if c.is_stream}
        for feed_id in sorted({*registers, *OBJECTS}):
            pull_feed(intake, contracts[feed_id])
    rules = root / "committed"
    rules.mkdir()
    for file in RULE_FILES:
        shutil.copy(table_of(PROJECT, file), rules)
    return City(home, store, contracts, Fleet.load(root), load_rules(rules))


def recall(city: City, options: argparse.Namespace) -> dict[str, Any]:
    """What of a plan was found, and what a quiet week told."""
    began = time.perf_counter()
    plan = make_plan(city.fleet, AS_OF, AS_OF + timedelta(hours=options.hours))
    busy = heard(city, history(city.fleet, plan, options.thin, bystanders=options.bystanders), options.tick)
    quiet_plan = make_plan(city.fleet, AS_OF, AS_OF + timedelta(days=options.quiet_days), "quiet")
    quiet = heard(city, history(city.fleet, quiet_plan, options.thin, bystanders=options.bystanders), options.tick)
    city.store.dispose()
    left_out = GATEWAYS if options.bystanders < 1 else set()
    wanted, found = expected(plan), busy.worst()
    false = {key: colour for key, colour in found.items() if key not in wanted and key[0] not in left_out}
    missed = {"/".join(key): [colour, found.get(key)] for key, colour in wanted.items() if found.get(key) != colour}
    return {
        "expected_alerts": len(wanted),
        "rules_with_an_incident": len({rule_id for rule_id, _ in wanted}),
        "recall": round(1 - len(missed) / len(wanted), 4) if wanted else None,
        "missed": missed,
        "unexpected": {"/".join(key): colour for key, colour in false.items()},
        "quiet_days": options.quiet_days,
        "quiet_alerts": Counter(rule_id for rule_id, _ in quiet.worst() if rule_id not in left_out),
        "messages": busy.messages + quiet.messages,
        "rows": busy.rows + quiet.rows,
        "rows_refused": busy.refused + quiet.refused,
        "took_s": round(time.perf_counter() - began),
    }


def expected(plan: Plan) -> dict[tuple[str, str], str]:
    """Rule and object of every expected alert, as the unified model names them, with its colour."""
    return {
        (rule_id, f"{i.feed_id.partition('.')[0]}:{i.object_id}"): colour
        for i in plan.incidents
        if i.rule_id
        for rule_id, colour in ((i.rule_id, i.colour), *i.also)
    }


def heard(city: City, arrivals: Iterable[Arrival], tick_s: float) -> Heard:
    """Fold a history in ticks that stand in for intake's far shorter ones; the tick's end is the receive instant."""
    engine = Engine(city.rules, load_registry(city.home, city.store, city.contracts.values()))
    told = Heard()
    for batch in batches(city, arrivals, tick_s, told):
        told.rows += batch.height
        told.changes += engine.fold(batch)
    return told


def batches(city: City, arrivals: Iterable[Arrival], tick_s: float, told: Heard) -> Iterator[LiveBatch]:
    """Bytes through parse and conform, tick by tick, feeds in the order of their ids."""
    tick_us, areas = round(tick_s * 1e6), load_areas()
    streams: dict[str, list[Contract]] = {}
    for contract in city.contracts.values():
        if contract.is_stream:
            streams.setdefault(contract.raw_feed, []).append(contract)
    for tick, group in groupby(arrivals, key=lambda a: a.received_at_us // tick_us):
        received_at = instant((tick + 1) * tick_us)
        by_feed: dict[str, list[RawEntry]] = {}
        for one in group:
            by_feed.setdefault(one.raw_feed, []).append(RawEntry(one.device_id, one.received_at_us, one.body))
        found = []
        for raw_feed, entries in by_feed.items():
            told.messages += len(entries)
            tables = tables_of([StoredMessage(1, pack(entries), (tick + 1) * tick_us)], streams[raw_feed])
            for feed_id, table in tables.items():
                shaped = conform(table, city.contracts[feed_id], ConformContext(received_at, b"k" * 32, areas))
                told.refused += sum(n.n_rows for n in (*table.notes, *shaped.notes) if n.outcome == "quarantined")
                if shaped.frame.height:
                    found.append(of_frame(feed_id, shaped.frame, received_at, "raw:1-1"))
        yield from sorted(found, key=lambda batch: batch.feed_id)


if __name__ == "__main__":
    main()
