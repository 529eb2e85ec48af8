"""What pages say of commands and requests, without a browser: a person with a session, and nobody."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
import streamlit as st

from access import alerts, alerts_view, users
from access.alerts import DESK_ROLES
from access.people import User
from access.rights import CITY_WIDE, Reader
from alert_parts import an_alert
from core.settings import Home
from dashboards import commands, session
from dashboards.frame import Scene, may_not
from dashboards.language import words_of
from dashboards.views import alert_detail, requests

PASSWORD = "tide-turns-at-seven"
ALERT = alerts_view.AlertDetail(**asdict(an_alert(rule_id="gas_methane_lel", object_id="urban:w1")))


@pytest.fixture
def scene(home: Home, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A page of a lead who is logged in, in a home where nothing may be quiet for longer than a day."""
    now = datetime.now(UTC)  # pages read the clock
    strict = replace(home, environment={**home.environment, "CITYRISK_QUIET_LONGEST_H": "24"})
    users.add_user(strict, "wu", PASSWORD, "shift_lead", now)
    token, user = users.log_in(strict, "wu", PASSWORD, now)
    monkeypatch.setattr(st, "session_state", {"lang": "en"})
    monkeypatch.setattr(session, "_kept_token", lambda: token)
    return Scene(strict, words_of("en"), user.reader, now, user)


@pytest.mark.case("live.F4")
def test_a_length_that_nobody_may_choose_is_said_and_the_page_stands(scene: Scene) -> None:
    st.session_state["silence_length"] = "2h"
    assert commands.silence_covers(scene, ALERT).startswith("covers 0 open alerts (0 red)")
    st.session_state["silence_length"] = "7d"
    assert "nothing may be quiet for so long here" in commands.silence_covers(scene, ALERT)


@pytest.mark.case("live.F4")
def test_what_waits_is_shown_to_nobody_without_a_login(scene: Scene) -> None:
    ends_at = scene.now + timedelta(hours=1)
    asked = alerts.silence(
        scene.home, Reader("li", "duty_officer"), {"domain": "lifeline"}, "drill", ends_at, scene.now
    )
    assert [one.request_id for one in requests._read(scene, scene.now)[0]] == [asked.id]
    assert requests._read(replace(scene, user=None), scene.now) == ([], [])


@pytest.mark.case("pages.3")
def test_the_clock_of_what_is_over_stands(scene: Scene) -> None:
    runs = alert_detail.lasting(scene, replace(ALERT, resolved_at=None))
    assert "data-since" in runs
    ended = datetime(2026, 6, 1, 4, 30, tzinfo=UTC)
    assert alert_detail.lasting(scene, replace(ALERT, state="resolved", resolved_at=ended)) == "over at 06-01 12:30"


@pytest.mark.case("pages.6", "pages.7")
@pytest.mark.parametrize(
    ("role", "area", "said"),
    [
        (None, None, "login.needed"),
        ("viewer", None, "login.only_look"),
        ("duty_officer", "420503", "login.elsewhere"),
        ("duty_officer", "420502", ""),
        ("duty_officer", None, ""),
    ],
)
def test_what_stands_against_a_deed_is_said_before_it(home: Home, role: str, area: str, said: str) -> None:
    words = words_of("zh")
    user = None if role is None else User("sun", "sun", role, area, "zh")
    scene = Scene(home, words, CITY_WIDE, datetime.now(UTC), user)
    expected = words(said, role=words("role.viewer")) if said else ""
    assert may_not(scene, DESK_ROLES, "420502003") == expected
