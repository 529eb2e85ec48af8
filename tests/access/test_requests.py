"""What one person may not do alone waits for a second name; until then nothing of it holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from access import alerts, maintenance, requests, users
from access.live import ops_reader
from access.rights import NotAllowedError, Reader
from alerting.runtime_config import windows_known
from alerting.timers import Timers
from alerting.workflow.requests import BorrowedName
from cli import app
from core.settings import Home
from core.store import database, tables
from orchestration.rules import publish_rules
from shell_user import is_now

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DUTY = Reader("li", "duty_officer")
LEAD = Reader("wu", "shift_lead")
FEED = "water.river_reading"


@pytest.fixture
def staffed(home: Home) -> Home:
    """A home with rules, one red gas alert, and a lead who has a login."""
    publish_rules(home, NOW)
    users.add_user(home, "wu", "tide-turns-at-seven", "shift_lead", NOW)
    report = alerts.Report("call-1", "lifeline", "gas", "red", "420502001", "云集路", "闻到燃气味")
    alerts.enter(home, DUTY, report, NOW)
    return home


def rows(home: Home, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
    with ops_reader(home) as live:
        assert live is not None
        return live.execute(query).all()


def states(home: Home) -> list[str]:
    return [row.state for row in rows(home, sa.select(tables.alert.c.state))]


def audited(home: Home) -> list[tuple[str, str]]:
    action = tables.operator_action.c
    return [
        (row.actor, row.action)
        for row in rows(home, sa.select(action.actor, action.action).order_by(action.id))
        if row.action != "add user"
    ]


@pytest.mark.case("live.F4", "security.M2")
@pytest.mark.parametrize(
    ("wanted", "hours"),
    [
        ({"domain": "lifeline", "county": "420502"}, 1),
        ({"area_code": "420500"}, 1),
        ({"object_id": "reported:call-1"}, 25),
    ],
)
def test_a_silence_beyond_the_limit_waits_for_a_second_name(staffed: Home, wanted: dict[str, str], hours: int) -> None:
    asked = alerts.silence(staffed, DUTY, wanted, "drill", NOW + hours * HOUR, NOW)
    assert asked.waits
    assert asked.covers[1].startswith("covers 1 open alerts (1 red), 1 of the last 30 days, 1 objects")
    assert (alerts.silences(staffed, NOW), states(staffed)) == ([], ["open"])
    done = requests.approve(staffed, LEAD, asked.id, "seen", NOW + timedelta(minutes=5))
    (standing,) = alerts.silences(staffed, NOW + timedelta(minutes=5))
    assert (done.result, standing.actor, json.loads(standing.matchers)) == (
        standing.silence_id,
        "li, wu",
        wanted,
    )
    assert states(staffed) == ["suppressed"]
    assert audited(staffed) == [("li", "ask silence"), ("wu", "approved silence")]
    with pytest.raises(requests.NotWaiting, match="is approved"):
        requests.approve(staffed, LEAD, asked.id, "again", NOW + timedelta(minutes=6))


@pytest.mark.case("live.F4", "security.M2")
def test_only_another_lead_with_a_login_approves(staffed: Home) -> None:
    asked = alerts.silence(staffed, LEAD, {"domain": "lifeline"}, "drill", NOW + HOUR, NOW)
    with pytest.raises(NotAllowedError, match=r"wu asked for .*; a second person must approve it"):
        requests.approve(staffed, LEAD, asked.id, "", NOW)
    with pytest.raises(NotAllowedError, match="role 'duty_officer' may not answer a request"):
        requests.approve(staffed, DUTY, asked.id, "", NOW)
    with pytest.raises(NotAllowedError, match="somebody is no user of this home"):
        requests.approve(staffed, Reader("somebody", "administrator"), asked.id, "", NOW)
    users.add_user(staffed, "sun", "tide-turns-at-seven", "shift_lead", NOW, area_code="420503")
    with pytest.raises(NotAllowedError, match="outside sun's branch 420503"):
        requests.approve(staffed, Reader("sun", "shift_lead", "420503"), asked.id, "", NOW)
    assert states(staffed) == ["open"]
    refused = requests.reject(staffed, LEAD, asked.id, "not needed", NOW)
    assert (refused.state, refused.decided_by, alerts.silences(staffed, NOW)) == ("rejected", "wu", [])


@pytest.mark.case("live.F4", "security.M2")
def test_one_person_under_two_names_is_one_person(staffed: Home) -> None:
    wanted, ends_at = {"domain": "lifeline"}, NOW + HOUR
    users.add_user(staffed, "chief", "tide-turns-at-seven", "administrator", NOW)
    borrowed, chief = Reader("chief as li", "duty_officer"), Reader("chief", "administrator")
    with pytest.raises(BorrowedName, match="chief as li may not ask for a silence under another's name"):
        alerts.silence(staffed, borrowed, wanted, "drill", ends_at, NOW)
    asked = alerts.silence(staffed, DUTY, wanted, "drill", ends_at, NOW)
    with pytest.raises(BorrowedName, match="may not approve a request under another's name"):
        requests.approve(staffed, Reader("chief as wu", "shift_lead"), asked.id, "", NOW)
    with database.opened(staffed.ops_url) as engine, engine.begin() as connection:  # as older homes hold them
        connection.execute(sa.update(tables.request).values(actor="chief as li"))
    with pytest.raises(NotAllowedError, match="a second person must approve it"):
        requests.approve(staffed, chief, asked.id, "", NOW)
    assert states(staffed) == ["open"]


@pytest.mark.case("security.M2")
def test_who_sees_what_waits(staffed: Home) -> None:
    asked = alerts.silence(staffed, DUTY, {"area_code": "420502"}, "drill", NOW + HOUR, NOW)
    seen = {
        "li": DUTY,
        "sun": Reader("sun", "shift_lead", "420502"),
        "elsewhere": Reader("qi", "shift_lead", "420503"),
        "viewer": Reader("v", "viewer"),
        "nobody": Reader("li", "nobody"),
    }
    with ops_reader(staffed) as live:
        assert live is not None
        found = {name: [one.request_id for one in requests.waiting(live, who, NOW)] for name, who in seen.items()}
    assert found == {"li": [asked.id], "sun": [asked.id], "elsewhere": [], "viewer": [], "nobody": []}


@pytest.mark.case("live.F4", "security.M2")
def test_silences_back_to_back_are_one(staffed: Home) -> None:
    wanted, day = {"object_id": "urban:w1"}, 20 * HOUR
    assert not alerts.silence(staffed, DUTY, wanted, "drill", NOW + day, NOW).waits
    later = NOW + day + timedelta(minutes=5)
    assert alerts.covered(staffed, DUTY, wanted, day, later).needs_second
    assert alerts.silence(staffed, DUTY, wanted, "drill", later + day, later).waits
    assert not alerts.silence(staffed, LEAD, wanted, "drill", later + HOUR, later).waits
    much_later = later + day
    assert not alerts.silence(staffed, DUTY, wanted, "drill", much_later + HOUR, much_later).waits


@pytest.mark.case("security.M2")
def test_who_set_a_leads_password_cannot_ask_that_lead(staffed: Home) -> None:
    users.add_user(staffed, "wu", "tide-turns-at-eight", "shift_lead", NOW, actor="chief")
    chief = Reader("chief", "administrator")
    asked = alerts.silence(staffed, chief, {"domain": "lifeline"}, "drill", NOW + HOUR, NOW)
    with pytest.raises(NotAllowedError, match="chief set wu's password and asked for"):
        requests.approve(staffed, LEAD, asked.id, "", NOW)
    users.change_password(staffed, "wu", "tide-turns-at-eight", "tide-turns-at-nine", NOW)
    assert requests.approve(staffed, LEAD, asked.id, "", NOW).state == "approved"


@pytest.mark.case("live.F4", "security.M2")
def test_a_request_that_nobody_answers_expires_and_says_so(staffed: Home) -> None:
    asked = alerts.silence(staffed, DUTY, {"domain": "lifeline"}, "drill", NOW + 3 * HOUR, NOW)
    late = NOW + HOUR
    with pytest.raises(requests.NotWaiting, match="expired at 2026-06-01 01:00Z"):
        requests.approve(staffed, LEAD, asked.id, "", late)
    with database.opened(staffed.ops_url) as engine:
        Timers(engine).tick(alerts.policies_of(staffed), late)
    with ops_reader(staffed) as live:
        assert live is not None
        assert requests.waiting(live, LEAD, late) == []
        (gone,) = requests.answered(live, LEAD, late)
    assert (gone.state, gone.result, alerts.silences(staffed, late), states(staffed)) == ("expired", None, [], ["open"])
    assert audited(staffed) == [("li", "ask silence"), ("clock", "expired silence")]
    n = tables.notification.c
    told = rows(staffed, sa.select(n.kind, n.text_en, n.cleared_at).order_by(n.id))
    assert [row.kind for row in told] == ["request", "expired"]
    assert "Nobody answered li's request for a silence" in told[1].text_en
    assert all(row.cleared_at for row in told)


@pytest.mark.case("live.F4", "security.M2")
def test_work_on_a_whole_feed_waits_and_mutes_nothing_before(staffed: Home) -> None:
    asked = maintenance.announce(staffed, DUTY, "feed", FEED, "new gauges", NOW, NOW + 2 * HOUR, NOW)
    assert asked.waits
    with database.opened(staffed.ops_url) as engine:
        assert windows_known(engine, ()) == ()
        requests.approve(staffed, LEAD, asked.id, "", NOW)
        (window,) = windows_known(engine, ())
    assert (window.scope, window.code, window.reason) == ("feed", FEED, "li, wu: new gauges")
    with pytest.raises(ValueError, match="expected at most 720 h"):
        maintenance.announce(staffed, DUTY, "feed", FEED, "x", NOW, NOW + timedelta(days=3650), NOW)


@pytest.mark.case("security.M2")
def test_the_limits_are_settings(staffed: Home) -> None:
    strict = replace(staffed, environment={**staffed.environment, "CITYRISK_QUIET_ALONE_ALERTS": "0"})
    wanted = {"object_id": "reported:call-1"}
    assert alerts.covered(strict, DUTY, wanted, HOUR, NOW).needs_second
    assert alerts.silence(strict, DUTY, wanted, "drill", NOW + HOUR, NOW).waits
    assert not alerts.silence(staffed, DUTY, wanted, "drill", NOW + HOUR, NOW).waits


@pytest.mark.case("live.F4")
def test_the_shell_says_what_is_covered_and_who_must_approve(staffed: Home) -> None:
    run = CliRunner().invoke
    words = ["alerts", "silence", "domain=lifeline", "--minutes", "60", "--reason", "drill"]
    users.add_user(staffed, "li", "tide-turns-at-seven", "duty_officer", NOW)
    is_now(staffed, "li")
    tried = run(app, [*words, "--dry-run"])
    assert "0 devices; needs a second person" in tried.output
    asked = run(app, words)
    assert asked.output.startswith("covers 1 open alerts (1 red)")
    assert "nothing is quiet yet; a second person must approve it before" in asked.output
    (waiting,) = json.loads(run(app, ["requests", "list", "--json"]).output)
    assert "domain=lifeline" in run(app, ["requests", "list"]).output
    own = run(app, ["requests", "approve", waiting["request_id"]])
    assert own.exit_code == 1
    is_now(staffed, "wu")
    done = run(app, ["requests", "approve", waiting["request_id"][:6], "-m", "seen"])
    assert done.exit_code == 0, done.output
    assert "approved by wu; silence " in done.output
    assert "approved" in run(app, ["requests", "list", "--all"]).output
