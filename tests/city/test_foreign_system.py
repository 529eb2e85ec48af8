"""A system that nobody of us wrote is simulated from its folder alone: register, devices, defects and incidents."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from sample_city import AS_OF

from city.build import CityBuild, build_city
from city.check import simulation_faults
from city.declared import declared
from city.live.fleet import Fleet
from city.live.history import history
from city.live.plan import make_plan
from city.onward import Onward
from core.catalogue import load_contracts
from core.system import SYSTEMS_ROOT
from foreign_system import write_foreign_system

RULES = """\
version: "1"
rules:
  probe_high:
    name: {zh: 高, en: High}
    about: probe
    feeds: [probing.probe_reading]
    basis: {standard: test, clause: "1", grade: design, source: test}
    conditions: [{colour: red, metric: methane_pct_lel, at_least: 50, unit: "%LEL", why: a test}]
"""


@pytest.fixture
def systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of systems with one system."""
    write_foreign_system(tmp_path / "systems")
    monkeypatch.setenv("CITYRISK_SYSTEMS", str(tmp_path / "systems"))
    return tmp_path / "systems"


def test_a_foreign_folder_is_a_city(systems: Path, tmp_path: Path) -> None:
    build = build_city(tmp_path, "yichang", 1, 7, 0.5, AS_OF)
    assert CityBuild.load(tmp_path) == build
    assert build.env() == {"CITYRISK_PROBING_DROP": str(build.root / "drop" / "probing")}
    (file,) = (build.root / "drop" / "probing" / "probe_device").iterdir()
    register = pl.read_csv(file, encoding="gb18030", infer_schema=False)
    planted = pl.read_parquet(build.root / "truth.parquet").filter(pl.col("kind") == "defect")
    assert set(planted["reason"]) == {
        *("missing_key", "wrong_type", "out_of_range", "unknown_area_code", "retired_area_code"),
        *("swapped_lat_lon", "duplicate"),
    }
    assert {ref.partition(":")[0] for ref in planted["source_ref"]} == {file.name}
    extra = planted.filter(~pl.col("reason").is_in(["retired_area_code", "swapped_lat_lon"])).height
    assert register.height == 20 + extra

    fleet, contracts = Fleet.load(tmp_path), load_contracts(systems)
    plan = make_plan(fleet, AS_OF, AS_OF + timedelta(hours=1))
    (incident,) = plan.incidents
    documents = [(one.device_id, json.loads(one.body)) for one in history(fleet, plan)]
    assert len({device for device, _ in documents}) == 20
    known = {column.physical_name for column in contracts["probing.probe_reading"].columns}
    assert set().union(*(document for _, document in documents)) < known
    worst = {
        device: max(d["ch4Lel"] for who, d in documents if who == device and d["st"] == "0" and "ch4Lel" in d)
        for device, d in documents
        if "ch4Lel" in d
    }
    assert [device for device, value in worst.items() if value > 10] == [incident.device_id]
    assert worst[incident.device_id] == 60


HOURLY = """\
  probing.probe_hourly:
    rows: {each: probing.probe_device, where: {部位类型: [阀门井]}, every: 1 h}
    goes_on: {repeats: 1 d}
    defects: [{reason: missing_key, n: 4, empty: deviceId}, {reason: late, n: 4, earlier: [ts, sent]}]
    columns:
      deviceId: {parent: 设备编码}
      ts: {moment: [0 s, 0 s]}
      sent: {moment: [5 s, 90 s]}
      ch4Lel: {signal: {base: 3, daily: [2, 15], noise: [0, 1], decimals: 2}}
"""


def test_a_department_may_serve_readings_of_its_own(systems: Path, tmp_path: Path) -> None:
    """A fetched feed of readings is made, spoilt and goes on like any other."""
    folder = systems / "work_safety" / "probe"
    document = yaml.safe_load((folder / "feeds/probe_reading.odcs.yaml").read_text(encoding="utf-8"))
    (schema,), urls = document["schema"], [{"property": "urlEnv", "value": "CITYRISK_PROBING_DB_URL"}]
    document |= {"id": "probing.probe_hourly", "servers": [{"server": "p", "type": "custom", "customProperties": urls}]}
    device, moment, metric, *_ = schema["properties"]
    form = {"property": "sourceFormats", "value": ["%Y-%m-%d %H:%M:%S"]}
    moment["customProperties"] = [form, {"property": "concept", "value": "observed_at"}]
    sent = {**moment, "name": "sent_at", "physicalName": "sent"}
    del sent["primaryKey"], sent["primaryKeyPosition"]
    sent["customProperties"] = [form, {"property": "concept", "value": "transmitted_at"}]
    schema |= {"physicalName": "probe_hourly", "properties": [device, moment, sent, metric]}
    schema["customProperties"].append({"property": "cursorField", "value": "sent"})
    (folder / "feeds/probe_hourly.odcs.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    path = folder / "simulation.yaml"
    path.write_text(path.read_text("utf-8").replace("devices:\n  probing", HOURLY + "devices:\n  probing"), "utf-8")
    build = build_city(tmp_path, "yichang", 2, 7, 0.5, AS_OF)
    wells = [row for row in Fleet.load(tmp_path).registers["probing.probe_device"] if row["部位类型"] == "阀门井"]
    with sqlite3.connect(build.root / "db" / "probing.db") as connection:
        rows = connection.execute("SELECT deviceId, ts, sent, ch4Lel FROM probe_hourly").fetchall()
        assert len(rows) == len(wells) * 48
        assert sum(device is None for device, *_ in rows) == 2
        assert all(1 <= value <= 6 for *_, value in rows)
        assert [sent for _, _, sent, _ in rows] == sorted(sent for _, _, sent, _ in rows)
        Onward(build, declared()).advance(AS_OF + timedelta(hours=3))
        (later,) = connection.execute("SELECT count(*) FROM probe_hourly").fetchone()
    connection.close()
    assert later == len(rows) + len(wells) * 3
    truth = pl.read_parquet(build.root / "truth.parquet").filter(pl.col("feed_id") == "probing.probe_hourly")
    assert sorted(truth["reason"]) == ["late", "late", "missing_key", "missing_key"]


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("rows: probes", "rows: nobodies", "4: departments/probing.probe_device/rows: 'nobodies' does not stand under"),
        ("设备编码: {text", "设备号: {text", "7: departments/probing.probe_device/columns/设备号: no such column"),
        (
            '      设备编码: {text: "PD{city}{n:06}"}\n',
            "",
            "'设备编码' is required by the contract and has no generator",
        ),
        (
            "{county_name}{部位类型}{n}",
            "{nowhere}{n}",
            "columns/部位名称: text '{nowhere}{n}': nothing is called 'nowhere'",
        ),
        ("air_temperature_c: {base: 15", "air: {base: 15", "devices/probing.probe_reading/values/air: no column of"),
        ("base: 15", "base: [影响, 1, 0]", "column '影响' is not in the register of the device"),
        (
            "curves: {methane_pct_lel",
            "curves: {methane",
            "incidents/0/curves/methane: no column of probing.probe_reading",
        ),
        ("rule: probe_high", "rule: probe_low", "incidents/0/rule: no rule 'probe_low' in any rules.yaml"),
        ("colour: red", "colour: blue", "incidents/0/colour: probe_high has no blue; it has red"),
    ],
)
def test_what_cannot_be_simulated_is_told(systems: Path, right: str, wrong: str, told: str) -> None:
    folder = systems / "work_safety" / "probe"
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    assert simulation_faults(systems) == []
    text = (folder / "simulation.yaml").read_text(encoding="utf-8")
    assert right in text
    (folder / "simulation.yaml").write_text(text.replace(right, wrong), encoding="utf-8")
    faults = simulation_faults(systems)
    assert any(told in fault and str(folder / "simulation.yaml") in fault for fault in faults), faults


def test_only_what_is_there_is_simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A city without weather, slopes and ponds; a register that hangs on one that is away is not there either."""
    for kept in ("lifeline/gas", "lifeline/utility_tunnel", "public_safety/construction", "public_safety/fire_device"):
        shutil.copytree(SYSTEMS_ROOT / kept, tmp_path / "systems" / kept)
    monkeypatch.setenv("CITYRISK_SYSTEMS", str(tmp_path / "systems"))
    build = build_city(tmp_path, "yichang", 1, 7, 0.02, AS_OF)
    assert {feed_id.partition(".")[0] for feed_id in build.doors} == {"urban", "housing"}
    assert {one.raw_feed for one in Fleet.load(tmp_path).speakers()} == {
        *("urban.gas_reading", "urban.tunnel_reading", "housing.dust_reading")
    }
