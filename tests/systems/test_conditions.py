"""The conditions of every system on one small city: its feeds land, its things stand in the model, its rules ring.

The city is made of the samples that stand beside the contracts. Devices speak for a few simulated days from a city of
declarations, because a rule needs hours of readings. That the page draws is `tests/pages/test_system_pages.py`.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from alerting.engine.episode import Change, EpisodeChange
from alerting.engine.fold import Engine
from alerting.rules import RuleSet, load_rules
from city.live.history import history
from city.live.plan import make_plan
from core.catalogue import contract_path, load_contracts
from core.contract import Contract
from core.declarations import read_declaration
from core.settings import SECRET_NAMES, Home, open_home
from core.store import tables
from core.store.database import open_ops
from core.system import SYSTEMS_ROOT, System, load_systems
from ingest.pull import open_intake, pull_feed
from ingest.sample import payload_of, sample_of
from live_city import AS_OF, folded, landed_city
from orchestration.batch import Batch, BatchResult, build_and_publish, check
from quality.admit import release
from rule_parts import CITY, batch, rules_folder

pytestmark = pytest.mark.slow

CONTRACTS = load_contracts()
SYSTEMS = load_systems()
RECEIVED = datetime(2026, 11, 21, 8, tzinfo=UTC)
# Where most devices of a gateway are left out of the play, one silent device silences the gateway.
GATEWAYS = {"gas_gateway_silent", "tunnel_gateway_silent"}

Row = Mapping[str, Any]
Found = Mapping[tuple[str, str], str]  # rule and object → worst colour


def contracts_of(system: System) -> list[Contract]:
    return [c for c in CONTRACTS.values() if contract_path(c.id, SYSTEMS_ROOT).parent.parent == system.folder]


def rules_of(system: System) -> set[str]:
    path = system.folder / "rules.yaml" if system.folder else Path()
    return set(read_declaration(path, "rules")["rules"]) if path.is_file() else set()


WITH_RULES = [system.id for system in SYSTEMS.values() if rules_of(system)]
WITH_THINGS = [s.id for s in SYSTEMS.values() if any({"object", "device"} & set(c.entities) for c in contracts_of(s))]


# ── feeds and model: all samples landed, checked, built and published ─────────────────────────────────────────────────
@dataclass(frozen=True)
class SampleCity:
    """A home in which every sample landed, and what its published tables hold."""

    engine: sa.Engine
    objects: Sequence[Row]
    devices: Sequence[Row]

    def landed(self, contract: Contract) -> int:
        """How many rows of a feed are in the ledger."""
        b = tables.batch.c
        with self.engine.connect() as connection:
            return connection.execute(sa.select(sa.func.sum(b.rows_landed)).where(b.feed_id == contract.id)).scalar()

    def noted(self, contract: Contract) -> Counter[tuple[str, str, str | None]]:
        """What quarantine says of a feed: reason, outcome and column."""
        q = tables.quarantine.c
        query = sa.select(q.reason, q.outcome, q.column_name).where(q.feed_id == contract.id)
        with self.engine.connect() as connection:
            return Counter((r, o, c) for r, o, c in connection.execute(query))


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleCity]:
    """What one person releases of held batches is that a sample is too small for what a city sends."""
    home = _home(tmp_path_factory.mktemp("samples") / "var")
    engine = open_ops(home.ops_url)
    run = Batch(home, engine, CONTRACTS, "samples", lambda: RECEIVED + timedelta(minutes=1), "420500")
    intake = open_intake(home, engine, run.run_id, run.now)
    for contract in sorted(CONTRACTS.values(), key=lambda c: not c.is_register):
        sample = sample_of(contract, contract_path(contract.id, SYSTEMS_ROOT))
        assert pull_feed(intake, contract, [payload_of(sample, RECEIVED)]).result == "landed", contract.id
    result = BatchResult(run.run_id)
    check(run, result)
    b = tables.batch.c
    with engine.connect() as connection:
        held = connection.execute(sa.select(b.batch_id).where(b.state == "held")).scalars().all()
    for batch_id in held:
        release(engine, batch_id, "tester", "a sample is smaller than a city", run.now())
    assert build_and_publish(run, result)
    with duckdb.connect(str(result.generation), read_only=True) as connection:
        yield SampleCity(engine, _rows(connection, "risk_object"), _rows(connection, "device"))
    engine.dispose()


def _home(root: Path) -> Home:
    root.mkdir()
    keys = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in SECRET_NAMES}
    (root / "secrets.env").write_text("".join(f"{name}={key}\n" for name, key in keys.items()), encoding="utf-8")
    return open_home({"CITYRISK_CITY_CODE": "420500"}, root)


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> list[Row]:
    found = connection.execute(f"FROM mart.{table}")
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def expected_of(contract: Contract) -> Mapping[str, Sequence[Row]]:
    """What must come of a feed's sample."""
    path = sample_of(contract, contract_path(contract.id, SYSTEMS_ROOT)).expected
    return dict(json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("system_id", SYSTEMS)
def test_feed(city: SampleCity, system_id: str) -> None:
    contracts = contracts_of(SYSTEMS[system_id])
    assert contracts
    for contract in contracts:
        expected = expected_of(contract)
        assert city.landed(contract) == len(expected["rows"]) > 0
        wanted = Counter((n["reason"], n["outcome"], n.get("column")) for n in expected["notes"])
        assert city.noted(contract) == wanted, contract.id


@pytest.mark.parametrize("system_id", WITH_THINGS)
def test_model(city: SampleCity, system_id: str) -> None:
    system = SYSTEMS[system_id]
    for contract in contracts_of(system):
        for entity, table, concept in (("object", city.objects, "object_id"), ("device", city.devices, "device_id")):
            if entity not in contract.entities:
                continue
            column = contract.by_concept(concept)
            assert column is not None
            stands = {row[concept]: row for row in table}
            for sent in expected_of(contract)["rows"]:
                asset = stands[f"{contract.department_code}:{sent[column.name]}"]
                assert (asset["domain"], asset["department_code"]) == (system.domain, contract.department_code)
                if "_area_code" in sent:
                    assert asset["area_code"][:6] == sent["_area_code"]
                if "_lon" in sent:
                    assert (asset["lon"], asset["lat"]) == pytest.approx((sent["_lon"], sent["_lat"]), abs=1e-5)


# ── rules: incidents that the systems declare, a quiet day, and hours by hand where no device speaks ──────────────────
@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    return load_rules(rules_folder(tmp_path_factory.mktemp("rules")))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, rules: RuleSet) -> Iterator[tuple[Found, Found, Found]]:
    """What must ring, what rang, and what rang on a quiet day."""
    for live in landed_city(tmp_path_factory.mktemp("live") / "var", "yichang", 0.1):
        plan = make_plan(live.fleet, AS_OF, AS_OF + timedelta(hours=64))
        wanted = {
            (rule_id, f"{i.feed_id.partition('.')[0]}:{i.object_id}"): colour
            for i in plan.incidents
            if i.rule_id
            for rule_id, colour in ((i.rule_id, i.colour), *i.also)
        }
        found = worst(folded(live, rules, history(live.fleet, plan, thin=20.0, bystanders=0.02)))
        quiet = make_plan(live.fleet, AS_OF, AS_OF + timedelta(days=1), "quiet")
        silent = worst(folded(live, rules, history(live.fleet, quiet, thin=20.0, bystanders=0.1), tick_s=600))
        yield wanted, found, silent


def worst(changes: Sequence[EpisodeChange]) -> Found:
    """The worst colour of each rule and object that an alert was opened for."""
    told = [c for c in changes if c.change in (Change.OPENED, Change.UPGRADED)]
    return {(c.rule_id, c.object_id): c.colour for c in sorted(told, key=lambda c: c.severity_rank)}


@pytest.mark.parametrize("system_id", WITH_RULES)
def test_rule(request: pytest.FixtureRequest, rules: RuleSet, system_id: str) -> None:
    own = rules_of(SYSTEMS[system_id])
    ways = by_hand(rules, system_id) if system_id in BY_HAND else request.getfixturevalue("played")
    wanted, found, silent = ({key: c for key, c in one.items() if key[0] in own} for one in ways)
    assert wanted
    assert {key: found.get(key) for key in wanted} == wanted
    assert {key for key in found if key not in wanted and key[0] not in GATEWAYS} == set()
    assert {key for key in silent if key[0] not in GATEWAYS} == set()


def hours(feed_id: str, name: str, values: Sequence[float], **cells: Any) -> list[Any]:
    """One device's value of every hour, each received a minute later."""
    moments = [RECEIVED + timedelta(hours=n) for n in range(len(values))]
    return [
        batch(feed_id, at + timedelta(minutes=1), [{"observed_at": at, name: value, "quality_flag": "normal", **cells}])
        for at, value in zip(moments, values, strict=True)
    ]


# Feeds that are fetched by the hour: a rainstorm of 105 mm in three hours, a slope that creeps faster and faster.
BY_HAND: Mapping[str, tuple[str, str, Row, Sequence[float], Sequence[float], Mapping[str, str]]] = {
    "N01": (
        "weather.observation",
        "rain_1h_mm",
        {"station_id": "57461"},
        [0, 5, 40, 40, 25, 1],
        [0, 5, 9, 8, 5, 1],
        {"weather_rainstorm": "red"},
    ),
    "N04": (
        "resources.geo_reading",
        "displacement_mm",
        {"device_id": "ZD000012"},
        [n * 1.1 for n in range(30)],
        [n * 0.02 for n in range(30)],
        {"geo_displacement": "red"},
    ),
}


def by_hand(rules: RuleSet, system_id: str) -> tuple[Found, Found, Found]:
    """The same three for hours by hand."""
    feed_id, name, cells, storm, calm, wanted = BY_HAND[system_id]
    object_id = f"{feed_id.partition('.')[0]}:{next(iter(cells.values()))}"

    def rung(values: Sequence[float]) -> Found:
        engine = Engine(rules, CITY)
        return worst([change for one in hours(feed_id, name, values, **cells) for change in engine.fold(one)])

    return {(rule_id, object_id): colour for rule_id, colour in wanted.items()}, rung(storm), rung(calm)
