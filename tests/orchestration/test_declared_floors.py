"""Floors that a signal states: what cannot be held against its data, or says nonsense, does not derive."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from core.declarations import DeclarationError
from core.system import SYSTEMS_ROOT, load_system
from orchestration.derive.index import tables

SLOPE = ("natural_hazard/geological", "{since: cri-1.1.0, rule: geo_displacement, mildest: orange}")
HAZARD = ("work_safety/major_hazard", '"1": {inherent: red, residual: orange,')


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of systems of one's own."""
    shutil.copytree(SYSTEMS_ROOT, tmp_path / "systems")
    return tmp_path / "systems"


def floors(root: Path, place: tuple[str, str], instead: str) -> list[dict[str, str]]:
    """Floors of one system whose declaration reads otherwise."""
    folder, written = place
    path = root / folder / "system.yaml"
    text = path.read_text(encoding="utf-8")
    assert written in text
    path.write_text(text.replace(written, instead), encoding="utf-8")
    found = csv.DictReader(io.StringIO(tables(root, [load_system(root / folder)])["score_floors.csv"]))
    return [row for row in found if not row["signal_code"].endswith("_alert")]


def test_a_floor_takes_colours_and_thresholds_from_its_rule(root: Path) -> None:
    found = floors(root, SLOPE, "{since: cri-1.0.0, rule: geo_displacement, mildest: yellow}")
    first = [row for row in found if row["method_version"] == "cri-1.0.0"]
    assert [(row["comparison"], row["value"], row["residual_colour"]) for row in first] == [
        ("gt", "2.0", "yellow"),
        ("ge", "11.343", "orange"),
        ("ge", "22.86", "red"),
    ]
    assert len(found) == 2 * len(first)  # it holds on in the version after


@pytest.mark.parametrize(
    ("place", "instead", "said"),
    [
        (
            SLOPE,
            "{since: cri-0.9.0, rule: geo_displacement, mildest: orange}",
            "since cri-0.9.0 found, expected one of",
        ),
        (SLOPE, "{since: cri-1.1.0, rule: geo_rain, mildest: orange}", "no rule geo_rain; expected one of geo_disp"),
        (HAZARD, '"1": {inherent: orange, residual: red,', "residual red is worse than inherent orange"),
    ],
)
def test_a_floor_that_cannot_hold_is_refused(root: Path, place: tuple[str, str], instead: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        floors(root, place, instead)


def test_a_rule_on_another_metric_is_no_floor(root: Path) -> None:
    rules = root / "natural_hazard" / "geological" / "rules.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("metric: displacement_mm", "metric: tilt_deg"), "utf-8")
    with pytest.raises(DeclarationError, match="geo_displacement has no condition on displacement_mm from orange on"):
        floors(root, SLOPE, SLOPE[1])
