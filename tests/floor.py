"""A floor under the number of tests of a full run: those of pytest, and the unit tests of dbt that one of them runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

FLOOR = Path(__file__).with_name("floor.txt")
DBT_UNIT_TESTS = "dbt_unit"  # property of the test that runs them: how many passed


class Floor:
    """Counts what passed in the process that reports it (with xdist: the controller, not the workers)."""

    def __init__(self, floor: Path = FLOOR) -> None:
        self._floor = floor
        self._passed = Counter({"pytest": 0, DBT_UNIT_TESTS: 0})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one passed test, and the tests of dbt that it ran."""
        if report.when == "call" and report.passed:
            self._passed["pytest"] += 1
            self._passed[DBT_UNIT_TESTS] += sum(n for name, n in report.user_properties if name == DBT_UNIT_TESTS)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a full run in CI that executed fewer tests than agreed."""
        least = {kind: int(n) for kind, n in map(str.split, self._floor.read_text(encoding="ascii").splitlines())}
        missing = [kind for kind, n in least.items() if self._passed[kind] < n]
        for kind in missing:
            print(f"\n{kind}: {self._passed[kind]} tests passed, the floor is {least[kind]} (tests/floor.txt)")
        if missing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
