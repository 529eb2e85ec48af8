"""A second version of the method, in force from a day: it builds, and what was published before stays as it was."""

from __future__ import annotations

import csv
import shutil
from datetime import date
from pathlib import Path

import pytest

from orchestration.project import PROJECT, seed_folders
from warehouse import synthetic
from warehouse.built import DAYS, Warehouse, open_warehouse

SECOND = "cri-9.0.0"


def in_force() -> str:
    """The version that the days of the test are scored by before the second one begins."""
    with (PROJECT / "seeds" / "method_versions.csv").open(encoding="utf-8", newline="") as file:
        begun = [row for row in csv.DictReader(file) if row["valid_from"] <= DAYS[0].isoformat()]
    return max(begun, key=lambda row: (row["valid_from"], row["method_version"]))["method_version"]


def add_version(project: Path, valid_from: date) -> None:
    """Every seed row of today's version again for the second, with hazards that weigh more and one limit moved."""
    first = in_force()
    for path in (path for folder in seed_folders(project) for path in folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
        if not table or "method_version" not in table[0]:
            continue
        table = [row for row in table if row["method_version"] != SECOND]
        for row in [row | {"method_version": SECOND} for row in table if row["method_version"] == first]:
            if path.stem == "method_versions":
                row["valid_from"] = valid_from.isoformat()
            elif path.stem == "risk_factor_weights" and row["level"] == "component":
                row["weight"] = {"hazard": "0.7"}.get(row["factor"], "0.1")
            elif path.stem == "depth_limits":
                row["depth_from_m"] = row["depth_to_m"]
            table.append(row)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)


def index(city: Warehouse) -> dict[date, list[tuple[object, ...]]]:
    """By day: area, domain, index, and by which version."""
    rows = city.ask_mart(
        "select as_of_date, area_code, domain, index_value, method_version from mart.risk_index order by all"
    )
    days: dict[date, list[tuple[object, ...]]] = {}
    for day, *said in rows:
        assert isinstance(day, date)
        days.setdefault(day, []).append(tuple(said))
    return days


@pytest.mark.slow
@pytest.mark.case("engineer.3", "engineer.4")
def test_each_day_is_scored_by_the_version_that_was_in_force(tmp_path: Path) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    city = open_warehouse(tmp_path / "home", project)
    synthetic.land_city(city.home, city.engine, city.contracts, DAYS, n=6)
    add_version(project, DAYS[2])
    city.build(full_refresh=True, select=None)  # keys are tested in every build: none is doubled
    first = index(city)
    today = city.now.date()
    assert {day: {row[3] for row in rows} for day, rows in first.items()} == {
        DAYS[0]: {in_force()},
        DAYS[1]: {in_force()},
        DAYS[2]: {SECOND},
        today: {SECOND},
    }
    assert len({len(rows) for rows in first.values()}) == 1
    assert city.ask("select count(*) from risk.signal where signal_code = 'tp_phreatic'") > [(0,)]

    add_version(project, DAYS[0])  # dated back after the days were published
    city.build(full_refresh=True, select=None)
    assert {day: rows for day, rows in index(city).items() if day < today} == {
        day: rows for day, rows in first.items() if day < today
    }
    city.engine.dispose()
