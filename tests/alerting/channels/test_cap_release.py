"""Nothing goes to the public without two names: one asks, another releases, or refuses."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from way_out import START, City

from access import alerts_view, publication, requests, users
from access.live import ops_reader
from access.rights import NotAllowedError, Reader
from alerting.cap.publish import Outlet, publish_notice, sweep
from alerting.engine.episode import Change
from alerting.lifecycle.steps import Verb
from alerting.workflow import commands
from core.store import tables

PUBLIC, PARTNERS = Outlet("cap", True, "duty@city.example"), Outlet("cap_partners", False, "duty@city.example")
DUTY, LEAD = Reader("li", "duty_officer"), Reader("wu", "shift_lead")


def flagged(city: City, **columns: Any) -> str:
    """A red alert with these columns (a mark), told, and looked at by every CAP feed; its id."""
    users.add_user(city.home, "wu", "tide-turns-at-seven", "shift_lead", START)
    city.happen(Change.OPENED, "red")
    with city.engine.begin() as connection:
        connection.execute(sa.update(tables.alert).values(**columns))
    look(city)
    return str(city.alert().alert_id)


def look(city: City) -> None:
    """What a delivery does, and what the feed's own look does a minute later."""
    with city.engine.connect() as connection:
        notices = connection.scalars(sa.select(tables.alert_notice.c.notice_id)).all()
    for outlet in (PUBLIC, PARTNERS):
        for notice_id in notices:
            publish_notice(city.engine, city.channel_config.cap, outlet, notice_id, f"d{city.at}", city.at)
        sweep(city.engine, city.channel_config.cap, outlet, city.at)


def published(city: City) -> list[tuple[str, str]]:
    m = tables.cap_message.c
    with city.engine.connect() as connection:
        query = sa.select(m.channel_id, m.msg_type).order_by(m.channel_id, m.number)
        return [(row.channel_id, row.msg_type) for row in connection.execute(query)]


def state(city: City, alert_id: str) -> str:
    with ops_reader(city.home) as live:
        assert live is not None
        alert = alerts_view.alert(live, DUTY, alert_id)
        assert alert is not None
        return publication.state_of(live, alert)


@pytest.mark.case("pages.1")
def test_nothing_goes_to_the_public_by_itself_and_partners_hear_at_once(city: City) -> None:
    alert_id = flagged(city, marks="")
    assert (published(city), state(city, alert_id)) == ([("cap_partners", "Alert")], "held")
    asked = publication.ask(city.home, DUTY, alert_id, "the neighbours must leave", city.at)
    assert asked.covers[0] == city.alert().object_name_zh  # no mark stands behind the name
    requests.approve(city.home, LEAD, asked.id, "seen on site", city.at)
    look(city)
    assert published(city) == [("cap", "Alert"), ("cap_partners", "Alert")]


@pytest.mark.case("live.B7")
@pytest.mark.parametrize("columns", [{"marks": "over_range"}, {"is_late": True}, {"marks": "clock_wrong over_range"}])
def test_a_flagged_alert_is_published_when_two_people_say_so(city: City, columns: dict[str, Any]) -> None:
    alert_id = flagged(city, **columns)
    commands.act(city.engine, city.policies, alert_id, Verb.ACKNOWLEDGED, "li", "seen", city.at)
    look(city)
    assert (published(city), state(city, alert_id)) == ([], "held")  # one name is not enough
    asked = publication.ask(city.home, DUTY, alert_id[:8], "the neighbours must leave", city.at)
    assert "西陵燃气井" in asked.covers[0]
    look(city)
    assert (published(city), state(city, alert_id)) == ([], "asked")
    with pytest.raises(NotAllowedError):
        requests.approve(city.home, Reader("li", "shift_lead"), asked.id, "", city.at)
    with pytest.raises(ValueError, match="asked for already"):
        publication.ask(city.home, DUTY, alert_id, "again", city.at)
    done = requests.approve(city.home, LEAD, asked.id, "seen on site", city.at)
    assert (done.actor, done.decided_by, done.result) == ("li", "wu", alert_id)
    look(city)
    assert published(city) == [("cap", "Alert"), ("cap_partners", "Alert")]
    assert state(city, alert_id) == "released"
    with city.engine.connect() as connection:
        trail = connection.execute(sa.select(tables.operator_action.c.actor, tables.operator_action.c.action)).all()
    assert trail[-2:] == [("li", "ask cap"), ("wu", "approved cap")]


def test_a_flagged_exercise_reaches_the_partners_and_nobody_else(city: City) -> None:
    """Nobody can be asked to release it, so it must not wait for that."""
    city.happen(Change.OPENED, "red", is_exercise=True)
    with city.engine.begin() as connection:
        connection.execute(sa.update(tables.alert).values(marks="over_range"))
    look(city)
    assert (published(city), state(city, str(city.alert().alert_id))) == ([("cap_partners", "Alert")], "never")


def test_the_feed_itself_publishes_what_was_released_after_its_notice(city: City) -> None:
    alert_id = flagged(city, marks="over_range")
    asked = publication.ask(city.home, DUTY, alert_id, "x", city.at)
    requests.approve(city.home, LEAD, asked.id, "", city.at)
    sweep(city.engine, city.channel_config.cap, PUBLIC, city.at)
    sweep(city.engine, city.channel_config.cap, PUBLIC, city.at)
    assert published(city) == [("cap", "Alert")]


@pytest.mark.case("live.B7")
def test_a_refusal_and_an_expiry_publish_nothing(city: City) -> None:
    alert_id = flagged(city, marks="over_range")
    asked = publication.ask(city.home, DUTY, alert_id, "x", city.at)
    requests.reject(city.home, LEAD, asked.id, "the probe is broken", city.at)
    look(city)
    assert (published(city), state(city, alert_id)) == ([], "refused")
    publication.ask(city.home, DUTY, alert_id, "it is not", city.at)
    city.later(minutes=61)
    with pytest.raises(requests.NotWaiting):
        requests.approve(city.home, LEAD, asked.id, "", city.at)
    look(city)
    assert published(city) == []


@pytest.mark.parametrize("mark", ["unknown_device", "past_danger", "unreadable"])
def test_what_has_no_place_or_no_danger_nobody_can_release(city: City, mark: str) -> None:
    alert_id = flagged(city, marks=mark)
    assert state(city, alert_id) == "never"
    with pytest.raises(ValueError, match="never published"):
        publication.ask(city.home, DUTY, alert_id, "x", city.at)
    city.later(hours=1)
    look(city)
    assert published(city) == []
