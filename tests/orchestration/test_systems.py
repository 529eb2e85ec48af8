"""`cityrisk system list | check | new`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app
from core.catalogue import load_contracts
from core.system import SYSTEMS_ROOT
from orchestration.proofs import CONDITIONS

WANTED = Path("design/SYSTEMS.md")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with systems of one's own, in which one stands."""
    shutil.copytree(SYSTEMS_ROOT, tmp_path / "systems")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CITYRISK_SYSTEMS", str(tmp_path / "systems"))
    return tmp_path


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["system", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def rows() -> dict[str, dict[str, Any]]:
    code, text = run("list", "--json")
    assert code == 0
    listed = json.loads(text)
    by_id = {row["id"]: row for row in listed}
    assert len(by_id) == len(listed)  # a plan that has become a folder is listed once
    return by_id


def test_every_feed_belongs_to_one_system() -> None:
    feeds = [feed for row in rows().values() for feed in row["feeds"]]
    assert sorted(feeds) == sorted(load_contracts())


def test_a_row_says_what_is_there_and_never_that_it_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.proofs.recorded", dict)  # nobody has run the proofs on this commit
    listed = rows()
    assert set(listed["L02"]) == {
        "id",
        "name_zh",
        "name_en",
        "domain",
        "feeds",
        "object_types",
        "rules",
        "sizes",
        "conditions",
        "proof",
    }
    assert listed["L02"]["sizes"]["yichang"] == {"stated": 640, "source": "assumed", "built": 640}
    assert listed["L02"]["conditions"] == dict.fromkeys(CONDITIONS)
    assert listed["L05"]["conditions"] == dict.fromkeys(CONDITIONS, False)
    assert listed["L01"]["conditions"]["rule"] is False


def test_every_system_of_the_cities_is_listed(shared_dir: Path) -> None:
    wanted = set(re.findall(r"^\| \**([LPWNC]\d\d)\** \|", (shared_dir / WANTED).read_text("utf-8"), re.MULTILINE))
    assert len(wanted) >= 40
    assert wanted <= set(rows())


def test_a_new_system_passes_the_check(checkout: Path) -> None:
    code, text = run("new", "lifeline/drainage", "--id", "L05")
    assert code == 0, text
    made = (checkout / "systems/lifeline/drainage/system.yaml").read_text("utf-8")
    assert "排水、防洪排涝" in made  # the words of the plan
    assert run("check", "L05") == (0, "1 system is in order\n")
    code, text = run("new", "lifeline/drainage")
    assert code == 1
    assert "exists; choose another name" in text


def test_a_new_system_takes_no_id_of_a_planned_one(checkout: Path) -> None:
    assert run("new", "natural_hazard/hail")[0] == 0
    assert "id: N06\n" in (checkout / "systems/natural_hazard/hail/system.yaml").read_text("utf-8")


@pytest.mark.parametrize("place", ["bridge", "lifelines/bridge", "lifeline/Bridge!"])
def test_a_place_that_cannot_be(checkout: Path, place: str) -> None:
    code, text = run("new", place)
    assert code == 1
    assert "expected <domain>/<name>" in text


def test_check_says_every_fault(checkout: Path) -> None:
    gas = checkout / "systems/lifeline/gas"
    path = gas / "feeds/gas_device.odcs.yaml"
    path.write_text(path.read_text("utf-8").replace("value: gas}", "value: steam}"), encoding="utf-8")
    (gas / "simulation.yaml").write_text("counts: {gas_detector: {floor: 1}}\n", encoding="utf-8")
    tunnel = checkout / "systems/lifeline/utility_tunnel/system.yaml"
    tunnel.write_text(tunnel.read_text("utf-8") + "page: [summary, {trend: charm}, {part: crystal_ball}]\n", "utf-8")
    lift = checkout / "systems/lifeline/elevator/system.yaml"
    lift.write_text(lift.read_text("utf-8").replace("owner:", "owned:"), encoding="utf-8")
    code, text = run("check")
    assert code == 1
    assert "gas_device.odcs.yaml: subdomain is 'steam', system.yaml says 'gas'; agree on one" in text
    assert "simulation.yaml: counts/gas_detector: no city of system.yaml counts it; name one of " in text
    assert "elevator/system.yaml:2: the document: " in text
    assert "utility_tunnel/system.yaml: page: part 'crystal_ball' is no module of dashboards/parts; write it" in text
    assert "utility_tunnel/system.yaml: page: trend of 'charm', which no feed of it measures" in text


def test_one_is_checked_alone(checkout: Path) -> None:
    assert run("check", "L02") == (0, "1 system is in order\n")
    assert run("check", "L99")[0] == 1
