"""An empty home builds, and a new feed is one contract file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
import yaml

from access.serving import newest
from core.boundaries import load_areas
from core.catalogue import contract_path
from core.settings import Home
from foreign_system import write_foreign_system
from ingest.conform import ConformContext, conform
from ingest.propose import propose
from ingest.pull import file_payload, read
from orchestration import build as building
from orchestration.project import PROJECT, write_derived
from orchestration.publish import publish
from orchestration.system_check import write_skeleton
from warehouse import synthetic
from warehouse.built import DAYS, NOW, Warehouse, copy_project, open_warehouse


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A home in which nothing has landed, built."""
    root = tmp_path_factory.mktemp("empty")
    made = open_warehouse(root / "home", copy_project(root / "project"))
    made.build(full_refresh=True)
    yield made
    made.engine.dispose()


@pytest.mark.case("security.held.H7")
@pytest.mark.parametrize("at", ["seed", "build"])
def test_what_a_build_that_died_had_begun_counts_as_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """A lost warehouse is made again; killed meanwhile, the next build must not take its half for the whole."""
    home = Home(tmp_path, {})
    home.build.mkdir(parents=True)
    for name in (building.SEEDED, building.BUILT):
        (home.build / name).write_text("of the warehouse that was lost", "utf-8")

    def run(_home: Home, _project: Path, arguments: list[str]) -> SimpleNamespace:
        if arguments[0] == at:
            raise KeyboardInterrupt
        return SimpleNamespace(success=True, result=None)

    monkeypatch.setattr(building, "_run", run)
    with pytest.raises(KeyboardInterrupt):
        building.build(home)
    assert (home.build / {"seed": building.SEEDED, "build": building.BUILT}[at]).read_text("utf-8") == ""


def test_an_empty_home_builds(empty: Warehouse) -> None:
    facts = [empty.ask(f"select count(*) from core.{name}")[0] for name in ("reading", "event", "inspection", "device")]
    assert facts == [(0,)] * 4
    assert empty.ask("select count(*) from core.area where level = 'county'")[0][0]


@pytest.mark.slow
@pytest.mark.case("engineer.15")
@pytest.mark.parametrize("has_home", [True, False])
def test_dbt_by_hand_needs_only_the_home_and_docs_not_even_that(
    empty: Warehouse, tmp_path: Path, has_home: bool
) -> None:
    dbt = Path(sys.executable).with_name("dbt")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CITYRISK_")}
    ours |= {"CITYRISK_HOME": str(empty.home.root)} if has_home else {}
    done = subprocess.run(
        [
            dbt,
            "docs",
            "generate",
            "--static",
            "--project-dir",
            empty.project,
            "--profiles-dir",
            empty.project,
            "--target-path",
            tmp_path / "docs",
        ],
        env=ours,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "docs/static_index.html").stat().st_size > 0


ROPEWAYS = """索道编码,索道名称,行政区划代码,经度,纬度,设计客运量(人/小时),建成年份
SD420500001,西陵峡索道,420502,111.29,30.72,1200,2012
SD420500002,车溪索道,420504,111.20,30.66,800,2016
SD420500003,三峡人家索道,420506,111.30,30.95,1500,2009
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The product with three contracts that nobody here wrote, and nothing else changed: built whole, published.

    A feed of readings, and registers of two new kinds of objects, one of a department that no list knows; a whole
    system with its place in the index. The only systems that know inspections and substances are taken away.
    """
    root = tmp_path_factory.mktemp("foreign")
    shutil.copytree(PROJECT.parent / "systems", root / "systems")
    for away in ("public_safety/fire_unit", "work_safety/major_hazard"):
        shutil.rmtree(root / "systems" / away)
    write_foreign_system(root / "systems")
    shutil.copytree(PROJECT, root / "dbt_project")
    sample = root / "ropeway.csv"
    sample.write_text(ROPEWAYS, "utf-8")
    agree(root, "water.level", river_levels())
    for feed_id in ("transport.ropeway", "scenic.slide"):
        department, _, kind = feed_id.partition(".")
        text = propose(sample, feed_id).yaml_text.replace(
            f"subdomain, value: {department}", f"subdomain, value: {kind}"
        )
        agree(root, feed_id, answered(text, domain="lifeline", status="active"))
    write_derived(root)
    made = open_warehouse(root / "home", root / "dbt_project", root / "systems")
    level = made.contracts["water.level"]
    synthetic.land_rows(made.home, made.engine, level, synthetic.rows_of(level, DAYS[0], 6), "levels")
    for feed_id in ("transport.ropeway", "scenic.slide"):
        contract = made.contracts[feed_id]
        (raw, _), *_ = read(file_payload(contract, sample, NOW), contract)
        shaped = conform(raw, contract, ConformContext(NOW, b"k" * 32, load_areas(), None))
        synthetic.land_rows(made.home, made.engine, contract, shaped.frame, feed_id)
    for feed_id in ("probing.probe_device", "probing.probe_reading"):
        contract = made.contracts[feed_id]
        for day in DAYS[:1] if contract.is_register else DAYS[:2]:
            frame = synthetic.rows_of(contract, day, 6)
            synthetic.land_rows(made.home, made.engine, contract, frame, f"{contract.slug}-{day}")
    made.build(full_refresh=True, select=None)
    publish(made.home, made.engine, "run-1", [], made.now)
    yield made
    made.engine.dispose()


def agree(root: Path, feed_id: str, text: str) -> None:
    """Put a contract in its place."""
    department, _, name = feed_id.partition(".")
    folder = write_skeleton(root / "systems", f"lifeline/{name}")
    system = folder / "system.yaml"
    system.write_text(answered(system.read_text("utf-8"), owner=department), "utf-8")
    (folder / f"feeds/{name}.odcs.yaml").write_text(text, "utf-8")


def answered(text: str, **answers: str) -> str:
    """A proposed contract after two people who know the data have looked: guesses replaced."""
    for name, value in answers.items():
        text, n = re.subn(rf"^{name}: .*$", f"{name}: {value}", text, flags=re.MULTILINE)
        assert n == 1, name
    return text


def river_levels() -> str:
    """A neighbour's contract of readings with one metric of its own."""
    document = yaml.safe_load(contract_path("weather.observation").read_text("utf-8"))
    document |= {"id": "water.level", "name": "River levels"}
    schema = document["schema"][0]
    schema["properties"] = [p for p in schema["properties"] if p["name"] in ("station_id", "observed_at", "rain_1h_mm")]
    schema["properties"].append(
        {
            "name": "river_level_m",
            "physicalName": "SW",
            "businessName": "水位",
            "description": "River level",
            "logicalType": "number",
            "classification": "internal",
            "customProperties": [{"property": "unit", "value": "m"}, {"property": "metric", "value": True}],
        }
    )
    schema["quality"] = [rule for rule in schema["quality"] if rule["id"] == "unique_key"]
    return str(yaml.safe_dump(document, allow_unicode=True))


@pytest.mark.slow
def test_a_new_feed_is_one_contract_file(foreign: Warehouse) -> None:
    project = foreign.project.parent
    for name in ("dbt_project/.build/models/staging/stg_water__level.sql", "docs/feeds/water.level.md"):
        assert (project / name).is_file()
    assert foreign.ask(
        "select metric, count(*) from core.reading where feed_id = 'water.level' group by 1 order by 1"
    ) == [("rain_1h_mm", 6), ("river_level_m", 6)]
    assert foreign.ask("select unit from core.metric where metric = 'river_level_m'") == [("m",)]
    n_feeds = sum(one.department_code == "water" for one in foreign.contracts.values())
    assert foreign.ask("select n_feeds from core.department where department_code = 'water'") == [(n_feeds,)]


@pytest.mark.slow
@pytest.mark.case("engineer.7")
def test_a_new_kind_of_object_needs_its_contract_and_no_row_anywhere(foreign: Warehouse) -> None:
    """Proposed from a sample, landed, built with every model and data test, published: objects with their reason."""
    with duckdb.connect(str(newest(foreign.home)), read_only=True) as mart:
        found = mart.execute(
            "select name_zh, subdomain, area_code, unscored_reason from mart.risk_object where subdomain <> 'probe'"
        ).fetchall()
    places = (("西陵峡索道", "420502"), ("车溪索道", "420504"), ("三峡人家索道", "420506"))
    kinds = ("ropeway", "slide")
    assert sorted(found) == sorted((name, kind, area, "kind_not_weighed") for name, area in places for kind in kinds)


@pytest.mark.slow
@pytest.mark.case("engineer.7")
@pytest.mark.parametrize(("kind", "unit"), [("ropeway", "420500:transport"), ("slide", "420500:emergency")])
def test_who_answers_for_a_new_kind_is_its_owner_by_rule(foreign: Warehouse, kind: str, unit: str) -> None:
    """Whoever leads, builds and commands does so for the whole domain; a department without an office: who commands."""
    found = foreign.ask(
        f"select role, organisation_id from core.responsibility where risk_type = '{kind}' and area_code = '420500'"
    )
    assert sorted(found) == sorted(
        {
            "lead": "420500:safety_committee",
            "build": "420500:data",
            "command": "420500:emergency",
            "responsible": unit,
            "monitor": unit,
            "dispose": unit,
        }.items()
    )


@pytest.mark.slow
def test_a_foreign_system_is_scored_and_answered_for(foreign: Warehouse) -> None:
    """One folder: objects with a score, its share of the domain, its vital sign, its department."""
    with duckdb.connect(str(newest(foreign.home)), read_only=True) as mart:
        scored = mart.execute(
            "select count(*), count(score) from mart.risk_object where object_type = 'probe_space'"
        ).fetchone()
        factors = mart.execute(
            "select distinct factor from mart.risk_contribution where domain = 'work_safety' and area_code = '420500'"
        ).fetchall()
        signs = mart.execute("select distinct sign_code from mart.vital_sign where sign_code like 'probe%'").fetchall()
    assert scored is not None
    assert scored[0] == scored[1] > 0
    assert {factor.partition(".")[0] for (factor,) in factors} == {"probe"}  # of tailings nothing has landed
    assert signs == [("probe_worst",)]
    disposing = foreign.ask(
        "select organisation_id from core.responsibility"
        " where risk_type = 'probe' and area_code = '420500' and role = 'dispose'"
    )
    assert disposing == [("420500:probing",)]
