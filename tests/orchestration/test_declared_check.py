"""What `cityrisk system check` says of a folder's index, vital signs, kinds, guide and departments; and who answers."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from datetime import date
from importlib import resources
from pathlib import Path

import duckdb
import pytest

from alerting.policy.labels import LABELS
from alerting.policy.routing import Routing
from core.declarations import DeclarationError, read_declaration
from core.system import SYSTEMS_ROOT, load_systems
from orchestration.derive import duties, guides
from orchestration.project import PROJECT, table_of
from orchestration.system_check import check_folders


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of systems of one's own."""
    shutil.copytree(SYSTEMS_ROOT, tmp_path / "systems")
    return tmp_path / "systems"


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text, (path, before)
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


WRONG = [
    (
        "natural_hazard/geological",
        "reading: displacement_mm",
        "reading: displacement_m",
        r"system.yaml:\d+: index/hazard/gp_displacement/reading: no feed of geological has metric 'displacement_m'",
    ),
    (
        "natural_hazard/geological",
        "register: stability",
        "register: stable",
        r"index/hazard/gp_stability/register: the register of geo_hazard_point has no column 'stable'; expected one of",
    ),
    ("work_safety/tailings", "bounds: [2, 1]", "bounds: [2, 2]", r"index/hazard/tp_dry_beach/bounds: both are 2"),
    ("work_safety/tailings", "owner: emergency", "owner: rescue", r"yaml:\d+: owner: 'rescue' is no department;"),
    (
        "natural_hazard/weather",
        "red: {to: 100}",
        "red: {to: 10}",
        r"vital_signs/rain_max_24h/red: red begins inside green; expected the wider bounds",
    ),
    (
        "lifeline/gas",
        "feed: urban.gas_device",
        "feed: urban.gas_reading",
        r"devices/gas_detector/feed: 'urban.gas_reading' registers no devices; expected one of urban.gas_device",
    ),
    (
        "lifeline/gas",
        "objects: {gas_space:",
        "objects: {gas_room:",
        r"system.yaml:1: objects: kind 'gas_space' of its feeds is not named",
    ),
    (
        "lifeline/utility_tunnel",
        "devices:\n",
        "devices:\n  pump: {name: {zh: 泵, en: Pump}, feed: urban.tunnel_device}\n",
        r"yaml:\d+: devices/tunnel_sensor/feed: 'urban.tunnel_device' registers 'pump' already; expected a register",
    ),
]


def test_every_wrong_declaration_is_told_with_its_place(root: Path) -> None:
    for system, before, after, _ in WRONG:
        edit(root / system / "system.yaml", before, after)
    edit(root / "public_safety/construction/system.yaml", "  people: [10, 200000]\n", "")
    guide = (root / "public_safety/fire_unit/guide.yaml").read_text("utf-8")
    (root / "public_safety/fire_device/guide.yaml").write_text(guide.replace("zh: 消防,", "zh: 火灾,"), "utf-8")
    faults = check_folders(root)[0]
    twice = r"fire_device/guide.yaml:\d+: category: .*fire_unit/guide.yaml says another guide of 'fire'"
    nobody = r"system.yaml:\d+: index: 0 folders say `people` of subdomain 'construction', expected one"
    wanted = [*(told for *_, told in WRONG), nobody, twice]
    assert [told for told in wanted if not any(re.search(told, fault) for fault in faults)] == []


NAMED = [
    (
        "natural_hazard/geological/rules.yaml",
        "hides: {subdomain: weather,",
        "hides: {subdomain: wether,",
        r"inhibits/landslide_red_over_rain_note/hides/subdomain: 'wether' is no subdomain; expected one of .*weather",
    ),
    (
        "work_safety/tailings/rules.yaml",
        "hides: {about: monitoring_item_rollup}",
        "hides: {about: monitoring_item}",
        r"over_points/hides/about: no alert of tailings is about 'monitoring_item'; expected one of .*item_rollup",
    ),
    (
        "natural_hazard/flood/rules.yaml",
        "N01.weather_rainstorm]",
        "N99.weather_rainstorm]",
        r"rules/flood_composite/members/2: 'N99.weather_rainstorm' is of a system N99 that has no folder and is not p",
    ),
    (
        "_kinds/natural_hazard/forest_fire.yaml",
        "owner: forestry",
        "owner: woods",
        r"forest_fire.yaml:\d+: owner: 'woods' is no department;",
    ),
    (
        "_city/zunyi.yaml",
        "build: data",
        "build: date",
        r"zunyi.yaml:\d+: responsibility/usual/build: '520300:date' is no organisation; expected an organisation_id of",
    ),
    (
        "_city/tongzhou.yaml",
        "system: N01",
        "system: N99",
        r"overrides/tongzhou_rain_red/system: N99 is a system that has no folder and is not planned; expected one of",
    ),
    (
        "_city/yichang.yaml",
        "simulation:",
        """\
  rows:
  - {kind: natural_hazard/floods, role: dispose, organisation: "420500:nobody", area_code: "430702",
     valid_from: "2025-01-01", basis_document: 值班安排}
overrides:
  far: {system: N01, condition: rain, scope: area, code: "430702", threshold: 1, standard: a, clause: b, grade: design,
        source: c, version: "1"}
simulation:""",
        r"rows/0/kind: 'natural_hazard/floods' is no kind of risk; expected one of .*natural_hazard/flood,",
    ),
    ("_city/yichang.yaml", "", "", r"rows/0/organisation: '420500:nobody' is no organisation;"),
    ("_city/yichang.yaml", "", "", r"rows/0/area_code: area 430702 is not in the city; expected 420500"),
    ("_city/yichang.yaml", "", "", r"yichang.yaml:\d+: overrides/far/condition: 'rain' is no condition of N01;"),
    ("_city/yichang.yaml", "", "", r"overrides/far/code: area 430702 is not in the city; expected 420500"),
]


def test_every_name_that_nothing_has_is_told_with_its_place(root: Path) -> None:
    for file, before, after, _ in NAMED:
        edit(root / file, before, after)
    found = check_folders(root)[0]
    assert [told for *_, told in NAMED if not any(re.search(told, fault) for fault in found)] == [], found
    assert len(found) == len(NAMED), found


def test_a_kind_without_a_guide_is_told(root: Path) -> None:
    (root / "_kinds/lifeline/heating.yaml").write_text('version: "1"\nowner: urban\n', "utf-8")
    with pytest.raises(DeclarationError, match=r"heating.yaml:1: no category found, expected a guide"):
        guides.unwatched(root)


def test_what_two_alerts_can_share_is_what_the_engine_reads() -> None:
    schema = json.loads(resources.files("core").joinpath("schemas/rules.schema.json").read_text("utf-8"))
    assert schema["$defs"]["label"]["enum"] == list(LABELS)


@pytest.mark.parametrize(
    ("kind", "before", "after", "told"),
    [
        ("system", "    source: Order 38 Art. 8\n", "    because: Order 38 Art. 8\n", r"system.yaml:\d+: vital_signs/"),
        ("guide", "orange:", "amber:", r"guide.yaml:\d+: the document: .*orange"),
        ("rules", "worse: {about: pond_rollup, at_least: orange}", "worse: {at_least: purple}", r"inhibits/.*purple"),
        ("rules", "same: [object_id]", "same: [object]", r"rules.yaml:\d+: inhibits/.*/same/0: "),
    ],
)
def test_what_no_schema_knows_is_told(root: Path, kind: str, before: str, after: str, told: str) -> None:
    path = root / "work_safety/tailings" / f"{kind}.yaml"
    edit(path, before, after)
    with pytest.raises(DeclarationError, match=told):
        read_declaration(path, kind)


@pytest.mark.parametrize("word", ["issuer: fire", "cap: {category: [Fire], basis: {source: a test, grade: design}}"])
def test_what_only_a_guide_can_say_needs_one(root: Path, word: str) -> None:
    path = root / "public_safety/fire_device/guide.yaml"
    path.write_text(f'version: "1"\n{word}\n', "utf-8")
    with pytest.raises(DeclarationError, match=r'guide.yaml:1: the document: "category" is a required property'):
        read_declaration(path, "guide")


def undisposed(texts: dict[str, str], folder: Path) -> list[tuple[str, str, int | None]]:
    """What the warehouse's test of disposing organisations finds in these tables; the kinds are flood and gas."""
    sql = (PROJECT / "tests/one_disposing_organisation.sql").read_text("utf-8")
    with duckdb.connect() as base:
        for name in ("responsibilities", "organisations"):
            (folder / f"{name}.csv").write_text(texts[f"{name}.csv"], "utf-8")
            base.execute(f"create table {name} as from read_csv('{folder}/{name}.csv', all_varchar = true)")
        base.execute("create view responsibility as from responsibilities")
        base.execute("create table risk_factor_weights as select 'flood' as factor, 'subdomain' as level")
        base.execute("create table kinds as select 'gas' as subdomain")
        return base.execute(re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r"\1", sql)).fetchall()


def test_a_city_says_otherwise_for_a_time_and_a_part(root: Path, tmp_path: Path) -> None:
    """The rows that the warehouse lists are those that alerts go by: dated, of that place alone."""
    edit(
        root / "_city/yichang.yaml",
        "simulation:",
        """  rows:
  - {kind: natural_hazard/flood, role: dispose, organisation: "420500:emergency", valid_from: "2025-01-01",
     valid_to: "2025-12-31", basis_document: 值班安排}
  - {kind: natural_hazard/flood, role: dispose, organisation: "420502", area_code: "420502", valid_from: "2026-01-01",
     basis_document: 值班安排}
simulation:""",
    )
    texts = duties.tables(root, load_systems(root).values(), "condition_id\n")

    def rows(text: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(text)))

    areas, contacts = (rows(table_of(PROJECT, f"{name}.csv").read_text("utf-8")) for name in ("areas", "contacts"))
    listed = rows(texts["responsibilities.csv"])
    routing = Routing(areas, rows(texts["organisations.csv"]), listed, contacts)
    for area, on, unit in (
        ("420503", date(2024, 6, 1), "420500:water"),
        ("420503", date(2025, 6, 1), "420500:emergency"),
        ("420503", date(2026, 6, 1), "420500:water"),
        ("420502", date(2025, 6, 1), "420500:emergency"),
        ("420502", date(2026, 6, 1), "420502"),
    ):
        assert routing.disposing(area, "natural_hazard", "flood", on).organisation_id == unit, (area, on)
    assert [row["risk_type"] for row in listed if row["area_code"] == "420502"] == ["flood"], (
        "no other kind of that part"
    )
    assert undisposed(texts, tmp_path) == []
    nobody = re.sub(r"(?m)^420500,lifeline,gas,dispose,.*\n", "", texts["responsibilities.csv"])
    assert undisposed({**texts, "responsibilities.csv": nobody}, tmp_path) == [("420500", "gas", None)]
