"""A home of an earlier version goes on: every alert, batch, rule and user that it held is there after `up` and `run`.

`tests/data/homes/<commit>.tar.xz` is a home as that commit left it (a small simulated Zunyi that had been stopped with
open alerts). It is a fact of the past: no command of today writes it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chain.managed import page_ports
from benchmarks.chain.place import free_ports
from core.settings import open_home
from shell_user import is_now

pytestmark = pytest.mark.slow

HOMES = Path(__file__).resolve().parent.parent / "data" / "homes"
STEPS = "SELECT known_at, kind, to_state, reason FROM alert_event WHERE alert_id = '{}'"
CITYRISK = Path(sys.executable).with_name("cityrisk")


def held(root: Path, query: str) -> list[tuple[Any, ...]]:
    """What the ops store of a home answers, read without a line of the product."""
    with closing(sqlite3.connect(f"file:{root / 'ops.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(params=sorted(HOMES.glob("*.tar.xz")), ids=lambda path: path.name.split(".")[0])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path / "var", filter="data")
    is_now(open_home({}, tmp_path / "var"), "duty")
    return tmp_path / "var"


def test_an_earlier_home_goes_on_with_all_it_held(earlier: Path) -> None:
    given = {
        **os.environ,
        "CITYRISK_HOME": str(earlier),
        "CITYRISK_CAP_PORT": "0",
        "CITYRISK_CITY_CODE": "520300",
        "CITYRISK_CHANNELS_DRY_RUN": "1",
        **free_ports(),
        **page_ports(),
    }

    def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CITYRISK, *arguments], env=given, capture_output=True, text=True, check=False, timeout=300
        )

    alerts = held(earlier, "SELECT alert_id, rule_id, state, colour, opened_at FROM alert ORDER BY alert_id")
    unfinished = [alert_id for alert_id, _, state, _, _ in alerts if state in ("open", "acknowledged")]
    before = {alert_id: held(earlier, STEPS.format(alert_id)) for alert_id, *_ in alerts}
    batches = held(earlier, "SELECT batch_id, state FROM ledger_batch ORDER BY batch_id")
    users = held(earlier, "SELECT * FROM app_user ORDER BY 1")
    assert len(unfinished) >= 10
    assert batches
    assert users

    up = shell("up")
    try:
        assert up.returncode == 0, up.stderr
        listed = {one["alert_id"]: one for one in json.loads(shell("alerts", "list", "--limit", "0", "--json").stdout)}
        assert listed.keys() >= set(unfinished)
        acknowledged = next(alert_id for alert_id, _, state, colour, _ in alerts if (state, colour) == ("open", "red"))
        assert shell("alerts", "ack", acknowledged).returncode == 0
        status = shell("status", "--json")
        assert status.returncode == 0, status.stdout
    finally:
        assert shell("down").returncode == 0
    run = shell("run", "--json")
    ran = json.loads(run.stdout)
    # No department is configured for this home; what had landed is built and published all the same.
    assert {outcome["result"] for outcome in ran["outcomes"]} <= {"not_configured", "stream"}, run.stderr
    assert ran["generation"], run.stderr

    now_held = {row[0]: row for row in held(earlier, "SELECT alert_id, rule_id, state, colour, opened_at FROM alert")}
    for alert_id, rule_id, state, _, opened_at in alerts:
        assert (now_held[alert_id][1], now_held[alert_id][4]) == (rule_id, opened_at)
        steps = held(earlier, STEPS.format(alert_id))
        # An episode that rests may end meanwhile; whatever an alert has become, its history says so.
        assert now_held[alert_id][2] in (state, *(to_state for _, _, to_state, _ in steps)), steps
        assert len(steps) >= len(before[alert_id])
    assert now_held[acknowledged][2] == "acknowledged"
    batches_now = dict(held(earlier, "SELECT batch_id, state FROM ledger_batch"))
    judged = {"landed": {"landed", "admitted", "held"}}  # what waited for its checks has had them
    assert all(batches_now[batch_id] in judged.get(state, {state}) for batch_id, state in batches)
    assert held(earlier, "SELECT * FROM app_user ORDER BY 1") == users
    published = json.loads(shell("sql", "--json", "SELECT alert_id, rule_id FROM mart.alert").stdout)
    stood = {(alert_id, rule_id) for alert_id, rule_id, state, _, _ in alerts if state != "withdrawn"}
    assert {(row["alert_id"], row["rule_id"]) for row in published} >= stood
    rules = {row["rule_id"] for row in json.loads(shell("rules", "list", "--json").stdout)}
    assert rules >= {rule_id for _, rule_id, _, _, _ in alerts}
