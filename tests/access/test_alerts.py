"""Deeds on alerts by role and branch, from functions and from the shell; and the login that gives each its actor."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from access import alerts, alerts_view, logins, maintenance, users
from access.live import ops_reader
from access.rights import NotAllowedError, Reader
from cli import app
from cli.shell import os_user
from core.settings import Home
from core.store import tables
from core.store.database import open_ops
from orchestration.rules import publish_rules
from shell_user import is_now

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DUTY = Reader("li", "duty_officer")
LEAD = Reader("wu", "shift_lead")
PASSWORD = "tide-turns-at-seven"


@pytest.fixture
def ruled(home: Home) -> Home:
    """A home with a rules generation."""
    publish_rules(home, NOW)
    return home


def report(number: int = 1, area: str = "420502001", **more: Any) -> alerts.Report:
    return alerts.Report(f"call-{number}", "lifeline", "gas", "red", area, "云集路", "闻到燃气味", **more)


def test_the_whole_way_under_the_actors_names(ruled: Home) -> None:
    alert_id = alerts.enter(ruled, DUTY, report(), NOW)
    for minute, (reader, step) in enumerate(
        [(DUTY, "acknowledged"), (DUTY, "dispatched"), (DUTY, "resolved"), (DUTY, "closed"), (LEAD, "archived")], 1
    ):
        done = alerts.act(ruled, reader, alert_id[:8], step, "as seen", NOW + timedelta(minutes=minute))
        assert done.state == step
    with ops_reader(ruled) as live:
        assert live is not None
        history = alerts_view.history(live, alert_id)
    assert [(one.kind, one.actor) for one in reversed(history)] == [
        ("opened", "li"),
        ("acknowledged", "li"),
        ("dispatched", "li"),
        ("resolved", "li"),
        ("closed", "li"),
        ("archived", "wu"),
    ]


@pytest.mark.case("security.held.H3")
@pytest.mark.parametrize(
    ("role", "act"),
    [
        ("viewer", lambda home, reader, one: alerts.act(home, reader, one, "acknowledged", "", NOW)),
        ("department_head", lambda home, reader, one: alerts.act(home, reader, one, "resolved", "seen", NOW)),
        ("duty_officer", lambda home, reader, one: alerts.act(home, reader, one, "archived", "", NOW)),
        ("viewer", lambda home, reader, one: alerts.enter(home, reader, report(2), NOW)),
        ("viewer", lambda home, reader, one: alerts.silence(home, reader, {"rule_id": "r"}, "x", NOW, NOW)),
        ("viewer", lambda home, reader, one: alerts.end_silence(home, reader, "x", NOW)),
        ("viewer", lambda home, reader, one: maintenance.announce(home, reader, "feed", "x", "y", NOW, NOW, NOW)),
        ("viewer", lambda home, reader, one: maintenance.cancel(home, reader, "x", NOW)),
    ],
)
def test_a_role_that_may_not_is_refused(ruled: Home, role: str, act: Callable[[Home, Reader, str], object]) -> None:
    alert_id = alerts.enter(ruled, DUTY, report(), NOW)
    with pytest.raises(NotAllowedError, match=f"role '{role}' may not .*needs one of"):
        act(ruled, Reader("x", role), alert_id)


@pytest.mark.case("pages.6")
def test_a_branch_sees_and_silences_only_itself(ruled: Home) -> None:
    alert_id = alerts.enter(ruled, DUTY, report(), NOW)
    elsewhere = Reader("sun", "duty_officer", "420503")
    with pytest.raises(NotAllowedError, match=f"alert {alert_id} is outside sun's branch 420503") as refused:
        alerts.act(ruled, elsewhere, alert_id, "acknowledged", "", NOW)
    assert not any(word in str(refused.value) for word in ("red", "云集路", "420502"))
    with pytest.raises(alerts.NoSuchAlert):  # who guesses learns nothing
        alerts.act(ruled, elsewhere, alert_id[:8], "acknowledged", "", NOW)
    with pytest.raises(NotAllowedError, match="outside sun's branch"):
        alerts.enter(ruled, elsewhere, report(2), NOW)
    alerts.silence(ruled, elsewhere, {"object_id": "reported:call-1"}, "exercise", NOW + timedelta(hours=1), NOW)
    (found,) = alerts.silences(ruled, NOW)
    assert json.loads(found.matchers) == {"object_id": "reported:call-1", "area_code": "420503"}
    with ops_reader(ruled) as live:
        assert live is not None
        found_alert = alerts_view.alert(live, DUTY, alert_id)
    assert found_alert is not None
    assert found_alert.state == "open"


@pytest.mark.case("pages.5", "pages.10")
def test_what_must_be_dealt_with_stands_above_what_is_over_and_above_exercises(ruled: Home) -> None:
    played = alerts.enter(ruled, DUTY, report(1, is_exercise=True), NOW)
    over = alerts.enter(ruled, DUTY, report(2), NOW)
    for step in ("acknowledged", "resolved"):
        alerts.act(ruled, DUTY, over, step, "put right", NOW + timedelta(minutes=1))
    orange = alerts.Report("call-3", "lifeline", "gas", "orange", "420502001", "云集路", "闻到燃气味")
    waiting = alerts.enter(ruled, DUTY, orange, NOW)
    with ops_reader(ruled) as live:
        assert live is not None
        board = alerts_view.board(live, DUTY, alerts_view.AlertFilter(states=alerts_view.STATES))
    assert [row.alert_id for row in board.rows] == [waiting, over, played]
    assert {key: n for key, n in board.counts.items() if n} == {("orange", "open"): 1, ("red", "resolved"): 1}
    assert board.n_exercises == 1


@pytest.mark.case("live.F4")
@pytest.mark.parametrize(
    ("wanted", "length", "reason"),
    [
        ({"object_id": ""}, timedelta(hours=1), "label object_id has no value"),
        ({"object_id": "urban:w1"}, timedelta(days=3650), "expected at most 720 h .* covers 0 open alerts"),
        ({"domain": "lifeline"}, timedelta(days=3650), r"covers 1 open alerts \(1 red\), 1 of the last 30 days"),
    ],
)
def test_a_silence_that_nobody_may_ask_for_is_refused(
    ruled: Home, wanted: dict[str, str], length: timedelta, reason: str
) -> None:
    alerts.enter(ruled, DUTY, report(), NOW)
    with pytest.raises(ValueError, match=reason):
        alerts.silence(ruled, DUTY, wanted, "x", NOW + length, NOW)
    assert alerts.silences(ruled, NOW) == []


@pytest.mark.case("live.F4")
@pytest.mark.parametrize("command", [["silence", "object_id=urban:w1"], ["maintenance", "area=420502"]])
def test_minutes_beyond_any_work_are_refused(ruled: Home, command: list[str]) -> None:
    environment = {"CITYRISK_HOME": str(ruled.root)}
    done = CliRunner().invoke(app, ["alerts", *command, "--minutes", "999999999", "--reason", "x"], env=environment)
    assert done.exit_code != 0
    assert "expected more than 0 and at most" in done.output


def test_what_cannot_be_done_says_why(ruled: Home) -> None:
    alert_id = alerts.enter(ruled, DUTY, report(), NOW)
    with pytest.raises(alerts.IllegalStep, match="acknowledge it first"):
        alerts.act(ruled, DUTY, alert_id, "dispatched", "", NOW)
    with pytest.raises(ValueError, match="expected one of acknowledged"):
        alerts.act(ruled, DUTY, alert_id, "opened", "", NOW)
    with pytest.raises(alerts.NoSuchAlert, match="no alert"):
        alerts.act(ruled, DUTY, "0000", "closed", "", NOW)
    with pytest.raises(alerts.Conflict, match="look again"):
        alerts.act(ruled, DUTY, alert_id, "acknowledged", "", NOW, version=9)


def test_a_home_without_rules_says_what_to_run(home: Home) -> None:
    with pytest.raises(alerts.NoRulesError, match="cityrisk rules publish"):
        alerts.enter(home, DUTY, report(), NOW)


# ── login ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_login_is_a_session_until_it_ends(home: Home) -> None:
    users.add_user(home, "li", PASSWORD, "duty_officer", NOW, area_code="420502", language="en")
    token, user = users.log_in(home, "li", PASSWORD, NOW)
    assert user.reader == Reader("li", "duty_officer", "420502")
    for minutes in range(0, 12 * 60, 45):  # in use all the time
        assert users.user_of(home, token, NOW + timedelta(minutes=minutes)) == user
    assert users.user_of(home, token, NOW + timedelta(hours=users.SESSION_HOURS)) is None
    assert users.user_of(home, "guessed", NOW) is None
    users.log_out(home, token, NOW)
    assert users.user_of(home, token, NOW) is None


def test_nothing_of_password_or_token_is_stored(home: Home) -> None:
    users.add_user(home, "li", PASSWORD, "viewer", NOW)
    token, _ = users.log_in(home, "li", PASSWORD, NOW)
    engine = open_ops(home.ops_url)
    with engine.connect() as connection:
        rows = [*connection.execute(sa.select(tables.app_user)), *connection.execute(sa.select(tables.app_session))]
    engine.dispose()
    assert len(rows) == 2
    assert PASSWORD not in str(rows)
    assert token not in str(rows)
    assert "$argon2id$" in str(rows)


@pytest.mark.case("security.H8")
def test_wrong_passwords_slow_their_source_and_never_lock_the_person(home: Home) -> None:
    users.add_user(home, "li", PASSWORD, "viewer", NOW)
    users.log_in(home, "li", PASSWORD, NOW - timedelta(days=3), "10.0.0.7")
    for second in range(200):
        with pytest.raises(users.LoginRefused):
            users.log_in(home, "li", "guess", NOW + timedelta(seconds=second), "10.9.9.9")
    later = NOW + timedelta(seconds=200)
    with pytest.raises(users.LoginRefused):
        users.log_in(home, "li", PASSWORD, later, "10.9.9.9")
    for source in ("10.0.0.7", "10.0.0.8"):  # known, and never seen before
        assert users.log_in(home, "li", PASSWORD, later, source)[1].name == "li"
    tries = logins.tries(home, Reader("root", "administrator"), 1000)
    assert [(one.name, one.result, one.source) for one in tries[:3]] == [
        ("li", "login", "10.0.0.8"),
        ("li", "login", "10.0.0.7"),
        ("li", "login refused", "10.9.9.9"),
    ]
    n_looked_at = sum(one.result == "login refused" for one in tries)
    assert logins.FREE_TRIES < n_looked_at <= 20, "guesses of a source are few"
    with pytest.raises(NotAllowedError):
        logins.tries(home, DUTY, 10)


@pytest.mark.case("security.H8")
def test_a_source_that_is_known_is_slowed_too(home: Home) -> None:
    users.add_user(home, "li", PASSWORD, "viewer", NOW)
    users.log_in(home, "li", PASSWORD, NOW, "127.0.0.1")
    for second in range(1, 201):
        with pytest.raises(users.LoginRefused):
            users.log_in(home, "li", "guess", NOW + timedelta(seconds=second), "127.0.0.1")
    refused = [one for one in logins.tries(home, Reader("root", "administrator"), 1000) if one.result != "login"]
    assert logins.FREE_TRIES < len(refused) <= 25
    at = NOW + timedelta(seconds=200) + logins.LONGEST_WAIT_KNOWN
    assert users.log_in(home, "li", PASSWORD, at, "127.0.0.1")[1].name == "li"


@pytest.mark.case("security.M9")
def test_a_session_that_nobody_uses_ends(home: Home) -> None:
    users.add_user(home, "li", PASSWORD, "viewer", NOW)
    token, user = users.log_in(home, "li", PASSWORD, NOW)
    for minutes in (50, 100, 150):  # in use
        assert users.user_of(home, token, NOW + timedelta(minutes=minutes)) == user
    assert users.user_of(home, token, NOW + timedelta(minutes=150 + users.IDLE_MINUTES)) is None


def test_a_person_changes_the_own_password(home: Home) -> None:
    users.add_user(home, "li", PASSWORD, "viewer", NOW)
    token, _ = users.log_in(home, "li", PASSWORD, NOW)
    with pytest.raises(users.LoginRefused):
        users.change_password(home, "li", "guess", "another long one", NOW)
    users.change_password(home, "li", PASSWORD, "another long one", NOW)
    assert users.user_of(home, token, NOW) is None
    assert users.log_in(home, "li", "another long one", NOW)[1].name == "li"


def test_a_closed_user_is_out_at_once(home: Home) -> None:
    users.add_user(home, "li", PASSWORD, "viewer", NOW)
    token, _ = users.log_in(home, "li", PASSWORD, NOW)
    users.close_user(home, "li", NOW, "admin")
    assert users.user_of(home, token, NOW) is None
    for name in ("li", "nobody"):
        with pytest.raises(users.LoginRefused, match="do not belong together"):
            users.log_in(home, name, PASSWORD, NOW)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"role": "king"}, "role 'king' found"), ({"password": "short"}, "at least 12"), ({"language": "fr"}, "'fr'")],
)
def test_a_user_that_cannot_be_is_refused(home: Home, given: dict[str, str], said: str) -> None:
    wanted = {"password": PASSWORD, "role": "viewer", "language": "zh"} | given
    with pytest.raises(ValueError, match=said):
        users.add_user(home, "li", wanted["password"], wanted["role"], NOW, language=wanted["language"])


def test_demo_users_may_log_in_with_their_passwords(home: Home) -> None:
    passwords = users.add_demo_users(home, "420500", "420502", NOW)
    roles = {users.log_in(home, name, password, NOW)[1].role for name, password in passwords.items()}
    assert roles == set(users.ROLES)


# ── shell ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def shell(ruled: Home) -> Callable[..., tuple[int, str]]:
    """Run `cityrisk …`; gives exit code and what was printed."""

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, list(words))
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done.exit_code, done.output

    return run


def test_the_shell_takes_an_alert_through_its_life(shell: Callable[..., tuple[int, str]], ruled: Home) -> None:
    words = ("--kind", "lifeline/gas", "--colour", "red", "--area", "420502001", "--name", "云集路", "--text", "漏气")
    code, out = shell("alerts", "enter", *words, "--json")
    assert code == 0, out
    alert_id = json.loads(out)["alert_id"]
    assert [row["alert_id"] for row in json.loads(shell("alerts", "list", "--json")[1])] == [alert_id]
    assert shell("alerts", "ack", alert_id[:6])[1] == f"{alert_id}: acknowledged\n"
    code, out = shell("alerts", "close", alert_id)
    assert (code, "possible from: resolved" in out) == (1, True)
    assert shell("alerts", "resolve", alert_id, "--comment", "阀门已关")[0] == 0
    code, out = shell("alerts", "show", alert_id, "--json")
    shown = json.loads(out)
    assert [one["kind"] for one in shown["history"]] == ["resolved", "acknowledged", "opened"]
    assert shown["history"][-1]["actor"] == os_user()
    assert "阀门已关" in shell("alerts", "show", alert_id)[1]


def test_the_shell_marks_an_exercise_and_silences(shell: Callable[..., tuple[int, str]]) -> None:
    words = ("--kind", "lifeline/gas", "--colour", "red", "--area", "420502001", "--name", "云集路", "--text", "演练")
    assert "exercise red" in shell("alerts", "exercise", *words)[1]
    (row,) = json.loads(shell("alerts", "list", "--json")[1])
    label = f"object_id={row['object_id']}"
    code, out = shell("alerts", "silence", "county=420502", label, "--minutes", "30", "--reason", "drill", "--json")
    assert code == 0, out
    (row,) = json.loads(shell("alerts", "list", "--json")[1])
    assert (row["state"], row["is_exercise"]) == ("suppressed", True)
    assert shell("alerts", "end-silence", json.loads(out)["id"])[0] == 0
    assert shell("alerts", "silences")[1] == "nothing is silenced\n"
    assert shell("alerts", "windows")[1] == "no work is announced\n"
    code, out = shell("alerts", "maintenance", "area=420502001", "--minutes", "5", "--reason", "works", "--json")
    assert code == 0, out
    (window,) = json.loads(shell("alerts", "windows", "--json")[1])
    assert (window["window_id"], window["target"], window["reason"]) == (json.loads(out)["id"], "420502001", "works")
    assert shell("alerts", "end-maintenance", window["window_id"])[0] == 0
    code, out = shell("alerts", "maintenance", "feed=urban.gas", "--minutes", "5", "--reason", "x")
    assert (code, "has no contract" in out) == (1, True)


@pytest.mark.case("engineer.15")
def test_a_list_says_how_many_more_there_are(shell: Callable[..., tuple[int, str]]) -> None:
    for name in ("云集路", "沿江大道"):
        words = ("--kind", "lifeline/gas", "--colour", "red", "--area", "420502001", "--name", name, "--text", "气味")
        assert shell("alerts", "enter", *words)[0] == 0
    first = shell("alerts", "list", "--limit", "1")[1]
    assert "1 more alerts; --page 1 shows the next, --limit 0 all" in first
    assert "more alerts" not in shell("alerts", "list", "--limit", "1", "--page", "1")[1]
    assert len(json.loads(shell("alerts", "list", "--limit", "0", "--json")[1])) == 2
    code, out = shell("alerts", "list", "--page", str(10**30))
    assert (code, f"page {10**30} found, expected 0 to 0: 2 alerts match" in out) == (1, True)


@pytest.mark.case("security.M1")
def test_who_acts_in_a_shell_is_the_user_of_the_machine(
    shell: Callable[..., tuple[int, str]], ruled: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "lead")
    monkeypatch.setenv("LOGNAME", "lead")
    users.add_user(ruled, "sun", PASSWORD, "viewer", NOW)
    silence = ("alerts", "silence", "object_id=o-1", "--minutes", "5", "--reason", "x")
    code, out = shell(*silence)
    assert (code, "role 'nobody' may not silence alerts" in out) == (1, True)
    code, out = shell(*silence, "--actor", "sun")
    assert (code, "may not act as 'sun'" in out) == (1, True)
    users.add_user(ruled, "chief", PASSWORD, "administrator", NOW)
    monkeypatch.setenv("CITYRISK_OS_USERS", f"{os_user()}=chief")
    assert "role 'nobody'" in shell(*silence)[1], "what the caller's environment says makes nobody a chief"
    is_now(ruled, "chief")
    code, out = shell(*silence, "--actor", "sun")
    assert (code, "role 'viewer' may not silence alerts" in out) == (1, True)
    code, out = shell(*silence, "--json")
    assert code == 0, out
    assert shell("users", "close", "sun")[0] == 0


@pytest.mark.case("security.M1")
def test_only_an_administrator_lets_people_in(shell: Callable[..., tuple[int, str]], ruled: Home) -> None:
    code, out = shell("users", "add", "sun", "--role", "viewer")
    assert (code, "expected administrator: the first user" in out) == (1, True)
    code, out = shell("users", "add", "chief", "--role", "administrator")
    assert (code, len(out.split()[1]) >= 12) == (0, True)
    for words in (("add", "lead", "--role", "shift_lead"), ("close", "chief")):
        code, out = shell("users", *words)
        assert (code, "role 'nobody' may not" in out) == (1, True)
    is_now(ruled, "chief")
    assert shell("users", "add", "lead", "--role", "shift_lead")[0] == 0
    assert shell("users", "add", "lead", "--role", "shift_lead")[0] == 0
    code, out = shell("users", "close", "chief")
    assert (code, "the only administrator" in out) == (1, True)
    action = tables.operator_action.c
    with ops_reader(ruled) as live:
        assert live is not None
        noted = live.execute(sa.select(action.actor, action.action).where(action.target == "lead").order_by(action.id))
        assert noted.all() == [("chief", "add user"), ("chief", "reset password")]
    assert all(role in " ".join(shell("users", "add", "--help")[1].split()) for role in users.ROLES)
