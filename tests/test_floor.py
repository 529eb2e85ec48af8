"""A suite that quietly lost its tests fails, those of dbt as well."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from floor import DBT_UNIT_TESTS, FLOOR, Floor


def passed(*properties: tuple[str, object], when: str = "call", outcome: Any = "passed") -> pytest.TestReport:
    return pytest.TestReport("t.py::t", ("t.py", 1, "t"), {}, outcome, None, when, user_properties=properties)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("floor", "exit_code", "said"),
    [
        ("pytest 2\ndbt_unit 16\n", pytest.ExitCode.OK, ""),
        ("pytest 3\ndbt_unit 16\n", pytest.ExitCode.TESTS_FAILED, "pytest: 2 tests passed, the floor is 3"),
        ("pytest 2\ndbt_unit 17\n", pytest.ExitCode.TESTS_FAILED, "dbt_unit: 16 tests passed, the floor is 17"),
    ],
)
def test_both_kinds_have_a_floor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], floor: str, exit_code: int, said: str
) -> None:
    (tmp_path / "floor.txt").write_text(floor, "ascii")
    session: Any = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    counting = Floor(tmp_path / "floor.txt")
    for report in (
        passed(),
        passed((DBT_UNIT_TESTS, 16)),
        passed((DBT_UNIT_TESTS, 16), when="teardown"),
        passed(outcome="failed"),
    ):
        counting.pytest_runtest_logreport(report)
    counting.pytest_sessionfinish(session)
    assert session.exitstatus == exit_code
    assert said in capsys.readouterr().out


def test_what_failed_stays_failed() -> None:
    session: Any = SimpleNamespace(exitstatus=pytest.ExitCode.INTERRUPTED)
    Floor().pytest_sessionfinish(session)
    assert session.exitstatus == pytest.ExitCode.INTERRUPTED
    assert {line.split()[0] for line in FLOOR.read_text("ascii").splitlines()} == {"pytest", DBT_UNIT_TESTS}
