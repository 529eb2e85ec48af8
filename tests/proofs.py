"""Plugin of the test run: how the tests that prove a system's conditions ended is written down beside the commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.proofs import CHECKOUT, commit_of, is_proof, record


class Proofs:
    """Gathers outcomes in the process that reports them; nothing is written where files were edited meanwhile."""

    def __init__(self, checkout: Path = CHECKOUT) -> None:
        self._checkout = checkout
        self._commit = commit_of(checkout)
        self._outcomes: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in one phase of a test: it passed when its call did and no other phase failed."""
        if not is_proof(report.nodeid):
            return
        if report.failed:
            self._outcomes[report.nodeid] = False
        elif report.when == "call" and report.passed:
            self._outcomes.setdefault(report.nodeid, True)

    def pytest_sessionfinish(self) -> None:
        """Write down what was found, on the commit that the run began with."""
        if self._outcomes and self._commit is not None and commit_of(self._checkout) == self._commit:
            record(self._outcomes, self._commit, self._checkout)
