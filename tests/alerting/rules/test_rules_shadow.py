"""A changed, added or removed rule runs in shadow, tells nobody, and is in force once a second person let it in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from access import requests, users
from access.rights import NotAllowedError, Reader
from alerting.engine import Engine
from alerting.engine.episode import Change
from alerting.rules.generations import generations, newest_generation
from alerting.rules.versions import live_versions
from alerting.runtime_config import ConfigWatch, RuntimeConfig, load_runtime_config
from alerting.shadow.evaluation import Compared
from alerting.shadow.process import ShadowProcess
from alerting.workflow.rule_proposals import ChangedMeanwhile, waiting_folder
from cli import app
from core.catalogue import load_contracts
from core.settings import Home
from core.store import tables
from core.store.database import open_ops
from core.stream.live import LiveBatch
from orchestration.project import PROJECT, table_of
from orchestration.rules import Proposed, propose_rules, publish_rules
from rule_parts import gas, rules_folder, set_cell
from shell_user import is_now

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
GAS, RULE = "urban.gas_reading", "gas_methane_lel"
LEAD = Reader("wu", "shift_lead")


@pytest.fixture
def store(home: Home) -> Iterator[sa.Engine]:
    """The ops store of a home that took the release's rules, with a lead who has a login."""
    publish_rules(home, NOW)
    users.add_user(home, "wu", "tide-turns-at-seven", "shift_lead", NOW)
    engine = open_ops(home.ops_url)
    yield engine
    engine.dispose()


def known(home: Home, store: sa.Engine) -> RuntimeConfig:
    return load_runtime_config(home, store, CONTRACTS)


CONTRACTS = {GAS: load_contracts()[GAS]}


def loosened(tmp_path: Path) -> Path:
    """Tables in which red methane begins at 80 %LEL instead of 50."""
    folder = rules_folder(tmp_path)
    set_cell(folder, "alert_conditions.csv", "gas_methane_lel_red", "threshold", "80")
    return folder


def propose(home: Home, store: sa.Engine, source: Path, at: datetime = LATER) -> Proposed:
    return propose_rules(home, store, at, "li", "too many false alarms", source)


def readings(number: int, methane: float) -> LiveBatch:
    return gas(NOW + timedelta(seconds=20 * number), methane, "GD001")


def opened(engine: Engine, values: list[float]) -> list[str]:
    changes = [change for n, value in enumerate(values) for change in engine.fold(readings(n, value))]
    return [one.colour for one in changes if one.change in (Change.OPENED, Change.UPGRADED) and one.rule_id == RULE]


@pytest.mark.case("live.F4")
def test_a_new_home_takes_the_release_and_a_change_waits_in_shadow(
    home: Home, store: sa.Engine, tmp_path: Path
) -> None:
    given = known(home, store)
    with store.connect() as connection:
        assert len(live_versions(connection)) == len(given.ruleset.rules)
    done = propose(home, store, loosened(tmp_path))
    assert (done.changes.changed, done.changes.added, done.changes.removed) == ((RULE,), (), ())
    assert newest_generation(home.root) == given.folder
    assert ConfigWatch(home, store, CONTRACTS).newer(given) is None, "alerting goes on by the old ones"

    policies = ShadowProcess(home, store, lambda: LATER)
    policies.look(given)
    assert policies.request_id == done.request_id
    for number in range(12):
        policies.fold(readings(number, 60.0))
    policies.look(given)
    with store.connect() as connection:
        (waiting,) = requests.waiting(connection, LEAD, LATER)
        (rule,) = requests.shadow_of(connection, waiting)
    assert rule == Compared(RULE, 1, 1, ("urban:GD001 red",), ("urban:GD001 yellow",))

    requests.approve(home, LEAD, str(done.request_id), "compared for a week", LATER + timedelta(minutes=1))
    newer = ConfigWatch(home, store, CONTRACTS).newer(given)
    assert newer is not None
    assert opened(Engine(given.ruleset, given.registry), [60.0] * 12)[-1] == "red"
    assert "red" not in opened(Engine(newer.ruleset, newer.registry), [60.0] * 12)
    policies.look(newer)
    assert (policies.request_id, policies.failure) == (None, "")


@pytest.mark.case("live.F4")
def test_a_removed_rule_goes_on_and_the_shadow_says_what_would_be_lost(
    home: Home, store: sa.Engine, tmp_path: Path
) -> None:
    given, folder = known(home, store), rules_folder(tmp_path)
    for name in ("alert_rules.csv", "alert_conditions.csv"):
        lines = (folder / name).read_text("utf-8").splitlines(keepends=True)
        (folder / name).write_text("".join(one for one in lines if RULE not in one), encoding="utf-8")
    done = propose(home, store, folder)
    assert RULE in done.changes.removed
    policies = ShadowProcess(home, store, lambda: LATER)
    policies.look(given)
    for number in range(12):
        policies.fold(readings(number, 60.0))
    policies.look(given)
    with store.connect() as connection:
        (waiting,) = requests.waiting(connection, LEAD, LATER)
        found = {one.rule_id: one for one in requests.shadow_of(connection, waiting)}
    assert found[RULE] == Compared(RULE, 1, 0, ("urban:GD001 red",), ())
    requests.reject(home, LEAD, str(done.request_id), "the rule stays", LATER)
    policies.look(given)
    assert policies.request_id is None
    assert known(home, store).folder == given.folder


@pytest.mark.case("live.F4")
def test_rules_that_came_by_another_way_are_not_taken_up(home: Home, store: sa.Engine, tmp_path: Path) -> None:
    given = known(home, store)
    done = propose(home, store, loosened(tmp_path))
    with pytest.raises(NotAllowedError):
        requests.approve(home, Reader("li", "shift_lead"), str(done.request_id), "", LATER)
    shutil.copytree(done.folder, given.folder.with_name("20260701T000000000000"))
    watch = ConfigWatch(home, store, CONTRACTS)
    assert watch.newer(given) is None
    assert "was not approved (changed: gas_methane_lel)" in watch.failure
    planned = {
        "window_id": "w1",
        "target_kind": "feed",
        "target": GAS,
        "starts_at": LATER,
        "reason": "calibration",
        "ends_at": LATER + timedelta(hours=1),
        "actor": "li",
        "created_at": LATER,
    }
    with store.begin() as connection:
        connection.execute(sa.insert(tables.maintenance_window).values(planned))
    renewed = watch.newer(given)
    assert renewed is not None, "maintenance is announced and cancelled meanwhile as ever"
    assert renewed.folder == given.folder
    assert [one.code for one in renewed.ruleset.windows if one.scope == "feed"] == [GAS]
    assert known(home, store).folder == given.folder, "nor at the next start"
    shutil.rmtree(given.folder.with_name("20260701T000000000000"))
    watch.newer(given)
    assert watch.failure == ""
    waits = waiting_folder(home.root, done.folder.name)
    set_cell(waits, "alert_conditions.csv", "gas_methane_lel_red", "threshold", "99")
    with pytest.raises(ChangedMeanwhile, match="gone or were changed"):
        requests.approve(home, LEAD, str(done.request_id), "", LATER)
    assert generations(home.root) == [given.folder]


@pytest.mark.case("live.F4")
def test_a_proposal_expires_and_a_newer_one_replaces_it(home: Home, store: sa.Engine, tmp_path: Path) -> None:
    first = propose(home, store, loosened(tmp_path))
    shutil.rmtree(tmp_path / "rules")
    stricter = rules_folder(tmp_path)
    set_cell(stricter, "alert_conditions.csv", "gas_methane_lel_red", "threshold", "48")
    second = propose(home, store, stricter, LATER + timedelta(minutes=1))
    with store.connect() as connection:
        assert [one.request_id for one in requests.waiting(connection, LEAD, LATER)] == [second.request_id]
        assert requests.waiting(connection, LEAD, LATER + timedelta(days=15)) == []
    with pytest.raises(requests.NotWaiting, match="is replaced"):
        requests.approve(home, LEAD, str(first.request_id), "", LATER)


def test_words_need_no_second_name_and_who_is_told_does(home: Home, store: sa.Engine, tmp_path: Path) -> None:
    folder = rules_folder(tmp_path)
    for name in ("wordings.csv", "routes.csv"):
        shutil.copy(table_of(PROJECT, name), folder / name)
    words = (folder / "wordings.csv").read_text("utf-8").splitlines(keepends=True)
    (folder / "wordings.csv").write_text("".join(words[:-1]), encoding="utf-8")
    done = propose(home, store, folder)
    assert (done.request_id, newest_generation(home.root)) == (None, done.folder)
    routes = (folder / "routes.csv").read_text("utf-8").splitlines(keepends=True)
    (folder / "routes.csv").write_text("".join(routes[:-1]), encoding="utf-8")
    done = propose(home, store, folder, LATER + timedelta(minutes=1))
    assert (done.changes.tables, done.changes.rules, done.request_id is None) == (("routes",), frozenset(), False)


@pytest.mark.case("live.F4")
@pytest.mark.parametrize("table", ["contacts", "responsibilities", "organisations"])
def test_who_disposes_and_whose_number_rings_need_a_second_name(
    home: Home, store: sa.Engine, tmp_path: Path, table: str
) -> None:
    folder, name = rules_folder(tmp_path), f"{table}.csv"
    text = table_of(PROJECT, name).read_text("utf-8")
    (folder / name).write_text(text + "\n", encoding="utf-8")
    done = propose(home, store, folder)
    assert (done.changes.tables, done.request_id is None) == ((table,), False)


@pytest.mark.case("live.F4")
def test_tables_that_came_by_another_way_are_not_taken_up(home: Home, store: sa.Engine, tmp_path: Path) -> None:
    given, folder = known(home, store), rules_folder(tmp_path)
    (folder / "routes.csv").write_text(table_of(PROJECT, "routes.csv").read_text("utf-8") + "\n", encoding="utf-8")
    stranger, _ = publish_rules(home, LATER, folder)  # beside the request, as a crash within an approval leaves it
    watch = ConfigWatch(home, store, CONTRACTS)
    assert watch.newer(given) is None
    assert "was not approved (tables: who is told)" in watch.failure
    assert known(home, store).folder == given.folder, "nor at the next start"
    shutil.rmtree(stranger)
    done = propose(home, store, folder)
    requests.approve(home, LEAD, str(done.request_id), "seen", LATER + timedelta(minutes=1))
    newer = ConfigWatch(home, store, CONTRACTS).newer(given)
    assert newer is not None
    assert known(home, store).folder == newer.folder


def test_the_verbs_propose_and_compare(home: Home, store: sa.Engine, tmp_path: Path) -> None:
    run = CliRunner().invoke
    users.add_user(home, "li", "tide-turns-at-seven", "duty_officer", NOW)
    is_now(home, "li")
    assert run(app, ["rules", "shadow"]).output == "no rules wait\n"
    silent = run(app, ["rules", "publish", "--from", str(loosened(tmp_path))])
    assert (silent.exit_code, "needs a comment" in silent.output) == (1, True)
    shutil.rmtree(tmp_path / "rules")
    asked = run(app, ["rules", "publish", "--from", str(loosened(tmp_path)), "-m", "false alarms"])
    assert asked.exit_code == 0, asked.output
    assert "not in force, runs in shadow until" in asked.output
    assert "(changed: gas_methane_lel)" in asked.output
    (row,) = json.loads(run(app, ["rules", "shadow", "--json"]).output)
    assert (row["rule_id"], row["opened_now"], row["opened_in_shadow"]) == (RULE, 0, 0)
    is_now(home, "wu")
    approved = run(app, ["requests", "approve", row["request_id"]])
    assert approved.exit_code == 0, approved.output
    assert run(app, ["rules", "publish", "--from", str(tmp_path / "rules")]).output.startswith("nothing new")
