"""Fifty reports of the same danger at the same moment are one alert, in threads and in processes, on both engines."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa

from alerting.engine.episode import Change
from alerting.lifecycle.steps import IllegalStep, Verb
from alerting.policy.notification_policies import NotificationPolicies
from alerting.workflow import commands
from alerting.workflow.changes import apply
from core.store import tables
from told_episodes import START, Engineer, river_station

N = 50
CHILD = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from conftest import SEEDS
from told_episodes import START, Engineer, river_station
from alerting.policy.notification_policies import load_notification_policies
from alerting.engine.episode import Change
from alerting.workflow.changes import apply
from core.store.database import open_ops
engine, policies, first = open_ops(sys.argv[1]), load_notification_policies(*SEEDS), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for n in range(first, first + 10):
    apply(engine, policies, [Engineer()(Change.OPENED, device=f"d{n}")], river_station, START)
"""


def only_alert(engine: sa.Engine) -> sa.RowMapping:
    with engine.connect() as connection:
        (row,) = connection.execute(sa.select(tables.alert)).mappings()
        return row


def test_fifty_threads_make_one_alert(store: sa.Engine, policies: NotificationPolicies) -> None:
    barrier = threading.Barrier(N)

    def report(number: int) -> None:
        change = Engineer()(Change.OPENED, device=f"d{number}")
        barrier.wait()
        apply(store, policies, [change], river_station, START)

    with ThreadPoolExecutor(N) as pool:
        list(pool.map(report, range(N)))
    alert = only_alert(store)
    assert (alert["n_reports"], alert["n_holding"]) == (N, N)


def test_five_processes_make_one_alert(store_url: str, store: sa.Engine) -> None:
    here = Path(__file__).parent
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, store_url, str(first), str(here), str(here.parents[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in range(0, N, 10)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=120)
        assert child.returncode == 0
    assert only_alert(store)["n_reports"] == N


def test_of_many_who_acknowledge_one_does(store: sa.Engine, policies: NotificationPolicies) -> None:
    apply(store, policies, [Engineer()(Change.OPENED)], river_station, START)
    alert_id = only_alert(store)["alert_id"]
    barrier = threading.Barrier(8)

    def acknowledge(number: int) -> bool:
        barrier.wait()
        try:
            commands.act(store, policies, alert_id, Verb.ACKNOWLEDGED, f"officer {number}", "", START)
        except IllegalStep:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(acknowledge, range(8)))
    assert sum(done) == 1
    assert only_alert(store)["acknowledged_by"] == f"officer {done.index(True)}"
