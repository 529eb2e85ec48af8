"""What `cityrisk system check` says of a folder's index, vital signs, kinds, guide and departments; and who answers."""

from __future__ import annotations

import csv
import io
import re
import shutil
from datetime import date
from pathlib import Path

import pytest

from alerting.routing import Routing
from core.declarations import DeclarationError, read_declaration
from core.system import SYSTEMS_ROOT, load_systems
from orchestration.derive import duties
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
    ("natural_hazard/geological", "reading: displacement_mm", "reading: displacement_m",
     r"system.yaml:\d+: index/hazard/gp_displacement/reading: no feed of geological has metric 'displacement_m'"),
    ("natural_hazard/geological", "register: stability", "register: stable",
     r"index/hazard/gp_stability/register: the register of geo_hazard_point has no column 'stable'; expected one of"),
    ("work_safety/tailings", "bounds: [2, 1]", "bounds: [2, 2]", r"index/hazard/tp_dry_beach/bounds: both are 2"),
    ("work_safety/tailings", "owner: emergency", "owner: rescue", r"yaml:\d+: owner: 'rescue' is no department;"),
    ("natural_hazard/weather", "red: {to: 100}", "red: {to: 10}",
     r"vital_signs/rain_max_24h/red: red begins inside green; expected the wider bounds"),
    ("lifeline/gas", "feed: urban.gas_device", "feed: urban.gas_reading",
     r"devices/gas_detector/feed: 'urban.gas_reading' registers no devices; expected one of urban.gas_device"),
    ("lifeline/gas", "objects: {gas_space:", "objects: {gas_room:",
     r"system.yaml:1: objects: kind 'gas_space' of its feeds is not named"),
]  # fmt: skip


def test_every_wrong_declaration_is_told_with_its_place(root: Path) -> None:
    for system, before, after, _ in WRONG:
        edit(root / system / "system.yaml", before, after)
    edit(root / "public_safety/construction/system.yaml", "  people: [10, 200000]\n", "")
    faults = check_folders(root)[0]
    nobody = r"system.yaml:\d+: index: 0 folders say `people` of subdomain 'construction', expected one"
    wanted = [*(told for *_, told in WRONG), nobody]
    assert [told for told in wanted if not any(re.search(told, fault) for fault in faults)] == []


@pytest.mark.parametrize(
    ("kind", "before", "after", "told"),
    [
        ("system", "    source: Order 38 Art. 8\n", "    because: Order 38 Art. 8\n", r"system.yaml:\d+: vital_signs/"),
        ("guide", "orange:", "amber:", r"guide.yaml:\d+: the document: .*orange"),
        ("rules", "worse: {about: pond_rollup, at_least: orange}", "worse: {at_least: purple}", r"inhibits/.*purple"),
    ],
)
def test_what_no_schema_knows_is_told(root: Path, kind: str, before: str, after: str, told: str) -> None:
    path = root / "work_safety/tailings" / f"{kind}.yaml"
    edit(path, before, after)
    with pytest.raises(DeclarationError, match=told):
        read_declaration(path, kind)


def test_a_city_says_otherwise_for_a_time_and_a_part(root: Path) -> None:
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
