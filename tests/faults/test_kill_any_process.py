"""Every process is killed under load, its manager too: nothing acknowledged is lost, no alert, nothing stands twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chain.killing import HURRIED, faults_of, under_fire
from benchmarks.chain.managed import MANAGER, ManagedChain
from benchmarks.chain.place import new_home
from benchmarks.chain.programs import NAMES, running
from benchmarks.chain.webhook import open_receiver

VICTIMS = (MANAGER, *NAMES)


@pytest.mark.slow
def test_nothing_is_lost_whoever_is_killed(tmp_path: Path) -> None:
    with open_receiver() as receiver:
        settings = {**HURRIED, **receiver.settings}
        home, fleet = new_home(tmp_path / "var", (300, 200, 20), settings)
        with running(home, VICTIMS, ManagedChain) as chain:
            report = under_fire(chain, fleet, VICTIMS, kills=1, rate=2000, most_pause_s=2.5, seed=3)
    assert report["kills"] == dict.fromkeys(VICTIMS, 1)
    assert report["landed"]["acknowledged"] > 2000
    assert report["episodes"] > 5
    assert faults_of(report) == []
