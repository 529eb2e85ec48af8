"""An empty home builds, and a new feed is one contract file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestration.derive import write_derived
from warehouse import synthetic
from warehouse.built import DAYS, PROJECT, copy_project, open_warehouse


def test_an_empty_home_builds(tmp_path: Path) -> None:
    made = open_warehouse(tmp_path / "home", copy_project(tmp_path / "project"))
    made.build(full_refresh=True)
    facts = [made.ask(f"select count(*) from core.{name}")[0] for name in ("reading", "event", "inspection", "device")]
    assert facts == [(0,)] * 4
    assert made.ask("select count(*) from core.area where level = 'county'")[0][0]
    made.engine.dispose()


@pytest.mark.slow
@pytest.mark.case("engineer.15")
def test_dbt_by_hand_needs_only_the_home(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    made = open_warehouse(tmp_path / "home", project)
    made.build(full_refresh=True)
    made.engine.dispose()
    dbt = Path(sys.executable).with_name("dbt")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CITYRISK_")}
    done = subprocess.run(
        [dbt, "docs", "generate", "--static", "--project-dir", project, "--profiles-dir", project,
         "--target-path", tmp_path / "docs"],
        env={**ours, "CITYRISK_HOME": str(tmp_path / "home")}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "docs/static_index.html").stat().st_size > 0


def test_a_new_feed_is_one_contract_file(tmp_path: Path) -> None:
    root = tmp_path / "project"
    project = copy_project(root)
    document = yaml.safe_load((PROJECT.parent / "ingest/contracts/weather/observation.odcs.yaml").read_text("utf-8"))
    document |= {"id": "water.level", "name": "River levels"}
    schema = document["schema"][0]
    schema["properties"] = [p for p in schema["properties"] if p["name"] in ("station_id", "observed_at", "rain_1h_mm")]
    schema["properties"].append(
        {
            "name": "river_level_m", "physicalName": "SW", "businessName": "水位", "description": "River level",
            "logicalType": "number", "classification": "internal",
            "customProperties": [{"property": "unit", "value": "m"}, {"property": "metric", "value": True}],
        }
    )  # fmt: skip
    schema["quality"] = [rule for rule in schema["quality"] if rule["id"] == "unique_key"]
    path = root / "ingest/contracts/water/level.odcs.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    written = {item.name for item in write_derived(root)}
    assert {"stg_water__level.sql", "water.level.md", "all_reading.sql", "feeds.csv", "metrics.csv"} <= written
    made = open_warehouse(tmp_path / "home", project, root / "ingest/contracts")
    contract = made.contracts["water.level"]
    synthetic.land_rows(made.home, made.engine, contract, synthetic.rows_of(contract, DAYS[0], 6), "first")
    made.build(full_refresh=True)
    assert made.ask("select metric, count(*) from core.reading group by 1 order by 1") == [
        ("rain_1h_mm", 6),
        ("river_level_m", 6),
    ]
    assert made.ask("select unit from core.metric where metric = 'river_level_m'") == [("m",)]
    n_feeds = sum(one.department_code == "water" for one in made.contracts.values())
    assert made.ask("select n_feeds from core.department where department_code = 'water'") == [(n_feeds,)]
    made.engine.dispose()
