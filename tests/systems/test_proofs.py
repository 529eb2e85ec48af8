"""A condition is proven by a recorded run of its tests on this very commit, by nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core.system import SYSTEMS_ROOT
from orchestration.proofs import commit_of, proofs_of, recorded, verdict
from orchestration.systems import system_rows
from proofs import Proofs

FEED, RULE = proofs_of("L02", ["urban.gas_device", "urban.gas_reading"])["feed"], proofs_of("L02", [])["rule"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit."""
    (tmp_path / ".gitignore").write_text("/.proofs/\n", encoding="ascii")
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t", *words], check=True)


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")


def report(test_id: str, outcome: str = "passed", when: str = "call") -> pytest.TestReport:
    return pytest.TestReport(test_id, ("", 0, ""), {}, outcome, None, when)  # type: ignore[arg-type]


def run(checkout: Path, *reports: pytest.TestReport) -> None:
    plugin = Proofs(checkout)
    for one in reports:
        plugin.pytest_runtest_logreport(one)
    plugin.pytest_sessionfinish()


def test_runs_on_one_commit_add_up(checkout: Path) -> None:
    run(checkout, *(report(test) for test in FEED))
    run(checkout, report(RULE[0], "failed"), report("tests/core/test_system.py::test_other"))
    assert recorded(checkout) == {**dict.fromkeys(FEED, True), RULE[0]: False}
    gas = next(row for row in system_rows(SYSTEMS_ROOT, recorded(checkout)) if row.system.id == "L02")
    assert gas.conditions == {"feed": True, "model": None, "rule": False, "page": None}
    assert set(FEED) < set(gas.proof)


def test_a_test_that_breaks_down_behind_its_call_has_not_passed(checkout: Path) -> None:
    run(checkout, report(RULE[0]), report(RULE[0], "failed", "teardown"), report(FEED[0], "skipped", "setup"))
    assert recorded(checkout) == {RULE[0]: False}


def test_edited_files_and_another_commit_are_not_proven(checkout: Path) -> None:
    run(checkout, report(RULE[0]))
    (checkout / "edited.py").touch()
    assert commit_of(checkout) is None
    assert recorded(checkout) == {}
    run(checkout, report(FEED[0]))
    commit(checkout)
    assert recorded(checkout) == {}
    run(checkout, report(FEED[1]))
    assert recorded(checkout) == {FEED[1]: True}


def test_what_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    assert (commit_of(tmp_path), recorded(tmp_path)) == (None, {})


def test_all_proofs_must_have_passed() -> None:
    assert verdict(FEED, dict.fromkeys(FEED, True)) is True
    assert verdict(FEED, {FEED[0]: True}) is None
    assert verdict(FEED, {FEED[0]: False}) is False
