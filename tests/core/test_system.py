"""Folders of systems: what they must hold, and what is said where they do not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.declarations import DeclarationError, read_declaration
from core.system import SYSTEMS_ROOT, Count, Scaling, load_planned, load_system, load_systems, systems_root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of systems of one's own."""
    shutil.copytree(SYSTEMS_ROOT, tmp_path / "systems")
    return tmp_path / "systems"


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_a_system_is_read_from_its_folder() -> None:
    gas = load_system(SYSTEMS_ROOT / "lifeline" / "gas")
    assert (gas.id, gas.domain, gas.subdomain, gas.owner) == ("L02", "lifeline", "gas", "urban")
    assert gas.sizes["yichang"] == {"gas_detectors": Count(640, "assumed")}
    assert gas.scalings == {"gas_detectors": Scaling(floor=12)}
    assert [path.name for path in gas.contract_paths] == ["gas_device.odcs.yaml", "gas_reading.odcs.yaml"]


def test_a_city_that_states_another_count() -> None:
    gas = load_system(SYSTEMS_ROOT / "lifeline" / "gas")
    assert gas.stated("tongzhou") == Count(155, "given")
    assert gas.stated("pudong") is None
    assert (gas.built("yichang"), gas.built("tongzhou")) == (640, 0)


def test_planned_systems_have_no_folder_to_read() -> None:
    built, planned = load_systems(), load_planned()
    assert len(built) >= 15
    assert planned
    assert all(system.folder is None for system in planned.values())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("id: L02", "id: gas", r'system.yaml:2: id: "gas" does not match'),
        ("owner: urban", "owners: urban", r"owner"),
        ("{n: 520, source: assumed}", "{n: 520, source: guessed}", r"yaml:14: size/cities/zunyi/gas_detectors"),
        ("    zunyi:", "    zunji:", r"system.yaml:\d+: size/cities"),
        ("size:", "size: [", r"not YAML"),
    ],
)
def test_a_slip_is_said_with_file_and_line(root: Path, before: str, after: str, said: str) -> None:
    edit(root / "lifeline/gas/system.yaml", before, after)
    with pytest.raises(DeclarationError, match=said):
        load_systems(root)


def test_an_id_is_used_once(root: Path) -> None:
    edit(root / "lifeline/gas/system.yaml", "id: L02", "id: L01")
    with pytest.raises(DeclarationError, match=r"id L01 is that of .*lifeline/gas; choose a free one"):
        load_systems(root)


def test_a_folder_with_feeds_must_say_what_it_is(root: Path) -> None:
    (root / "lifeline/gas/system.yaml").unlink()
    with pytest.raises(DeclarationError, match=r"lifeline/gas/system.yaml: cannot be read"):
        load_systems(root)


def test_any_folder_may_go(root: Path) -> None:
    shutil.rmtree(root / "lifeline/gas")
    assert "L02" not in load_systems(root)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id: L02\nid: L03\n", r"system.yaml:2: 'id' stands a second time, first in line 1"),
        ("size: {of: a, cities: {yichang: {a: {n: 1, n: 2}}}}\n", r"system.yaml:1: 'n' stands a second time"),
    ],
)
def test_a_name_that_stands_twice_is_refused(root: Path, text: str, said: str) -> None:
    """YAML keeps the last of two: a rule that was copied would take the place of the first."""
    (root / "lifeline/gas/system.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError, match=said):
        load_systems(root)


def test_values_are_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "planned.yaml"
    path.write_text("L90: {domain: lifeline, zh: 010, en: 2026-12-01}\n", encoding="utf-8")
    assert read_declaration(path, "planned")["L90"] == {"domain": "lifeline", "zh": "010", "en": "2026-12-01"}


def test_a_process_never_runs_without_a_system(tmp_path: Path) -> None:
    assert systems_root({}) == SYSTEMS_ROOT
    with pytest.raises(DeclarationError, match=r"no <domain>/<system>/feeds/\*.odcs.yaml there"):
        systems_root({"CITYRISK_SYSTEMS": str(tmp_path)})
    with pytest.raises(DeclarationError, match="CITYRISK_CONTRACTS is set, which nothing reads any more"):
        systems_root({"CITYRISK_CONTRACTS": str(tmp_path)})
