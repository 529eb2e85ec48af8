"""Departments are read side by side, a department's feeds two at a time, registers before what refers to them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import Home
from core.system import SYSTEMS_ROOT
from ingest.pull import Intake, Outcome
from orchestration import batch as batches

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Contract], None]], list[Outcome]]:
    """Fetch all feeds, each pull replaced by what a test does instead."""

    def fetch(pulling: Callable[[Contract], None]) -> list[Outcome]:
        def pull_feed(_: Intake, contract: Contract, since: datetime | None) -> Outcome:
            assert since is None
            pulling(contract)
            return Outcome(contract.id, "nothing_new", 0, 0, 0, "")

        monkeypatch.setattr(batches, "pull_feed", pull_feed)
        engine = sa.create_engine("sqlite://")
        batch = batches.Batch(Home(tmp_path, {}), engine, load_contracts(SYSTEMS_ROOT), "r1", lambda: NOW, "420500")
        return batches.fetch(batch, cast("Intake", None))

    return fetch


def test_one_that_waits_keeps_no_other_department_from_being_read(
    fetched: Callable[[Callable[[Contract], None]], list[Outcome]],
) -> None:
    others = threading.Event()

    def pulling(contract: Contract) -> None:
        if contract.id == "ecology.outfall":  # the first in line: its host is down
            assert others.wait(20), "another department waits for it"
        elif contract.id == "weather.station":  # the last register
            others.set()

    assert {one.result for one in fetched(pulling)} == {"nothing_new"}


def test_a_department_serves_two_at_a_time_and_registers_come_first(
    fetched: Callable[[Callable[[Contract], None]], list[Outcome]],
) -> None:
    lock, running, order = threading.Lock(), dict[str, int](), list[Contract]()
    most = dict[str, int]()

    def pulling(contract: Contract) -> None:
        code = contract.department_code
        with lock:
            order.append(contract)
            running[code] = running.get(code, 0) + 1
            most[code] = max(most.get(code, 0), running[code])
        threading.Event().wait(0.02)  # long enough for a third one to join, if it could
        with lock:
            running[code] -= 1

    outcomes = fetched(pulling)
    assert max(most.values()) == batches.PER_DEPARTMENT
    assert [c.is_register for c in order] == sorted((c.is_register for c in order), reverse=True)
    assert len(outcomes) == len({one.feed_id for one in outcomes}) == len(order)
