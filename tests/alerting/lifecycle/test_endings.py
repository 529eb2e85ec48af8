"""Whoever was told the beginning of an alert is told its end, whatever kept it quiet in between."""

from dataclasses import replace
from datetime import datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa

from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.alert import Delivery
from alerting.lifecycle.joining import Subject
from alerting.lifecycle.steps import IllegalStep, Verb
from alerting.notify.channels.message import message_of, paragraphs
from alerting.notify.silent_devices import silent_since
from alerting.policy.dispatch import Route
from alerting.policy.notification_policies import NotificationPolicies
from alerting.timers import Timers
from alerting.workflow import commands
from alerting.workflow.changes import apply
from core.store import tables
from told_episodes import START, Engineer, river_station

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def subject(change: EpisodeChange) -> Subject:
    """Rain and river in one county: a red river keeps mild rain quiet; gas detectors at one space."""
    kinds = {"rain": ("natural_hazard", "weather"), "river_level": ("natural_hazard", "flood")}
    domain, kind = kinds.get(change.rule_id, ("lifeline", "gas"))
    return replace(river_station(change), domain=domain, subdomain=kind)


class City:
    """A store, its clock, and what people heard of an object."""

    def __init__(self, engine: sa.Engine, policies: NotificationPolicies) -> None:
        self.engine, self.policies, self._clock = engine, policies, Timers(engine)

    def tell(self, minute: float, *changes: EpisodeChange) -> None:
        """Changes and then a quarter of an hour's ticks."""
        at = START + minute * MINUTE
        apply(self.engine, self.policies, changes, subject, at)
        self.run(at, at + 8 * MINUTE)

    def run(self, start: datetime, end: datetime) -> None:
        """Tick every half minute."""
        self._clock.stale()
        while start <= end:
            self._clock.tick(self.policies, start)
            start += timedelta(seconds=30)

    def heard(self, object_id: str = "water:s1") -> list[str]:
        """The kinds of news that were told of an object's alerts, in order."""
        queue, notice, alert = tables.notification_queue.c, tables.alert_notice.c, tables.alert.c
        query = (
            sa.select(queue.kind)
            .join(tables.alert_notice, notice.notice_id == queue.notice_id)
            .join(tables.alert, alert.alert_id == queue.alert_id)
            .where(alert.object_id == object_id, queue.kind != "reminded", queue.kind != "escalated")
        )
        with self.engine.connect() as connection:
            return list(connection.scalars(query.order_by(queue.announcement_id)))

    def silence(self, minute: float, minutes: float, **labels: str) -> str:
        """A silence by li."""
        at = START + minute * MINUTE
        return commands.silence(self.engine, self.policies, labels, "li", "work", at, at + minutes * MINUTE, at)

    def told(self, kind: str) -> set[tuple[str, str]]:
        """Channel and target of deliveries of a kind."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(tables.alert_delivery).where(tables.alert_delivery.c.kind == kind))
            return {(row.channel_id, row.target) for row in rows}


@pytest.fixture
def city(quick_store: sa.Engine, policies: NotificationPolicies) -> City:
    """A city without alerts."""
    return City(quick_store, policies)


@pytest.mark.case("live.E1")
def test_what_was_told_and_then_inhibited_is_told_to_be_over(city: City) -> None:
    rain, river = Engineer("rain"), Engineer()
    city.tell(0, rain(Change.OPENED, "weather:w1"))
    city.tell(10, river(Change.OPENED, colour="red", minute=10))
    with city.engine.connect() as connection:
        states = {row.rule_id: row.state for row in connection.execute(sa.select(tables.alert))}
    assert states["rain"] == "suppressed"
    city.tell(20, rain(Change.CLEARED, "weather:w1", minute=20))
    assert city.heard("weather:w1") == ["opened", "resolved"]


@pytest.mark.case("live.E2")
@pytest.mark.parametrize("begin", ["opened", "upgraded"])
def test_what_was_told_and_then_silenced_is_told_to_be_over(city: City, engineer: Engineer, begin: str) -> None:
    city.tell(0, engineer(Change.OPENED, colour="red"))
    city.silence(10, 60, object_id="water:s1")
    city.run(START + 10 * MINUTE, START + 12 * MINUTE)
    if begin == "upgraded":
        city.tell(13, engineer(Change.DOWNGRADED, minute=13), engineer(Change.UPGRADED, colour="orange", minute=14))
    city.tell(25, engineer(Change.CLEARED, minute=25))
    city.run(START + 70 * MINUTE, START + 80 * MINUTE)
    assert city.heard() == ["opened", "resolved"]


@pytest.mark.case("live.E2")
def test_a_person_who_resolves_inside_the_silence_tells_the_others(city: City, engineer: Engineer) -> None:
    city.tell(0, engineer(Change.OPENED, colour="red"))
    with city.engine.connect() as connection:
        alert_id = str(connection.scalar(sa.select(tables.alert.c.alert_id)))
    commands.act(city.engine, city.policies, alert_id, Verb.ACKNOWLEDGED, "li", "", START + 9 * MINUTE)
    city.silence(10, 60, rule_id="river_level")
    commands.act(city.engine, city.policies, alert_id, Verb.RESOLVED, "li", "pumped dry", START + 12 * MINUTE)
    city.run(START + 12 * MINUTE, START + 15 * MINUTE)
    assert city.heard() == ["opened", "resolved"]


@pytest.mark.case("live.held.H10")
@pytest.mark.parametrize("is_inside", [True, False])
def test_a_new_breach_after_a_silence_is_told(city: City, engineer: Engineer, is_inside: bool) -> None:
    """Whether or not another one came and went inside it."""
    city.silence(0, 60, object_id="water:s1")
    if is_inside:
        city.tell(5, engineer(Change.OPENED, minute=5))
        city.tell(20, engineer(Change.CLEARED, minute=20))
        city.run(START + 28 * MINUTE, START + 65 * MINUTE)
        assert city.heard() == []
    city.tell(70, engineer(Change.OPENED, minute=70))
    assert city.heard() == ["new_episode" if is_inside else "opened"]


@pytest.mark.case("live.held.H11")
def test_a_resolved_alert_is_not_acknowledged(city: City, engineer: Engineer) -> None:
    city.tell(0, engineer(Change.OPENED, colour="red"))
    city.tell(10, engineer(Change.CLEARED, minute=10))
    with city.engine.connect() as connection:
        before = connection.execute(sa.select(tables.alert)).mappings().one()
    assert before["state"] == "resolved"
    with pytest.raises(IllegalStep, match="is resolved, so it cannot be acknowledged"):
        commands.act(city.engine, city.policies, before["alert_id"], Verb.ACKNOWLEDGED, "li", "", START + 19 * MINUTE)
    with city.engine.connect() as connection:
        assert connection.execute(sa.select(tables.alert)).mappings().one() == before


def test_what_nobody_was_told_of_ends_unheard(city: City, engineer: Engineer) -> None:
    city.silence(0, 60, object_id="water:s1")
    city.tell(1, engineer(Change.OPENED, colour="red", minute=1))
    city.tell(20, engineer(Change.CLEARED, colour="red", minute=20))
    assert city.heard() == []
    city.tell(30, engineer(Change.OPENED, colour="red", minute=30))
    city.run(START + 61 * MINUTE, START + 65 * MINUTE)
    city.tell(70, engineer(Change.CLEARED, colour="red", minute=70))
    assert city.heard() == ["silence_ended", "resolved"]


@pytest.mark.case("live.E2")
def test_what_grew_worse_in_a_silence_while_somebody_worked_on_it_is_told_when_it_ends(
    city: City, engineer: Engineer
) -> None:
    city.tell(0, engineer(Change.OPENED))
    with city.engine.connect() as connection:
        alert_id = str(connection.scalar(sa.select(tables.alert.c.alert_id)))
    commands.act(city.engine, city.policies, alert_id, Verb.ACKNOWLEDGED, "li", "", START + 9 * MINUTE)
    city.silence(10, 60, rule_id="river_level")
    city.tell(20, engineer(Change.UPGRADED, colour="red", minute=20))
    assert city.heard() == ["opened"]
    city.run(START + 70 * MINUTE, START + 72 * MINUTE)
    assert city.heard() == ["opened", "upgraded"]


@pytest.mark.case("live.E2")
def test_an_end_that_flapping_muted_is_told_when_it_calms(city: City, engineer: Engineer) -> None:
    for minute in range(0, 40, 4):
        city.tell(minute, engineer(Change.OPENED, minute=minute))
        apply(
            city.engine,
            city.policies,
            [engineer(Change.CLEARED, minute=minute + 2)],
            subject,
            START + (minute + 2) * MINUTE,
        )
    told = city.heard()
    assert told.count("resolved") < 10
    city.run(START + 40 * MINUTE, START + 140 * MINUTE)
    assert city.heard()[-1] == "resolved"


@pytest.mark.case("live.E2")
def test_the_end_goes_to_everybody_who_heard_of_the_danger_whatever_routes_say_by_then(
    city: City, engineer: Engineer
) -> None:
    """The red went by SMS to a unit and by mail; milder colours and ends do not, and a route may be dropped."""
    city.tell(0, engineer(Change.OPENED, colour="red"))
    began = city.told("opened")
    assert {"sms", "email"} <= {channel for channel, _ in began}
    city.tell(10, engineer(Change.DOWNGRADED, colour="blue", minute=10))
    city.policies = replace(
        city.policies, routes=tuple(one for one in city.policies.routes if one.channel_id != "robot")
    )
    city.tell(20, engineer(Change.CLEARED, colour="blue", minute=20))
    assert city.told("resolved") >= began


@pytest.mark.case("live.E2")
def test_those_called_by_escalation_hear_the_end(city: City, engineer: Engineer) -> None:
    lead = Route("lead", "lead_sms", "wu", "shift_lead", 1, "*", ("escalated",), False)
    city.policies = replace(city.policies, routes=(*city.policies.routes, lead))
    city.tell(0, engineer(Change.OPENED, colour="red"))
    city.tell(20, engineer(Change.CLEARED, colour="red", minute=20))
    assert ("lead_sms", "wu") in city.told("resolved")
    city.tell(30, engineer(Change.OPENED, "water:s2", colour="blue", minute=30))
    city.tell(40, engineer(Change.CLEARED, "water:s2", colour="blue", minute=40))
    with city.engine.connect() as connection:
        rows = connection.execute(sa.select(tables.alert_delivery).where(tables.alert_delivery.c.kind == "resolved"))
        assert sum(row.channel_id == "lead_sms" for row in rows) == 1  # of the red alone


@pytest.mark.case("live.E3")
def test_a_detector_that_falls_silent_under_its_red_is_shown_on_it(city: City) -> None:
    gas, silent = Engineer("gas_methane_lel"), Engineer("gas_detector_silent")
    city.tell(0, gas(Change.OPENED, "urban:p1", colour="red", device="urban:d1"))
    dumb = replace(
        silent(Change.OPENED, "urban:p1", colour="blue", device="urban:d1", minute=31, value=1800.0), metric="silence_s"
    )
    city.tell(31, dumb)
    with city.engine.connect() as connection:
        rows = list(connection.execute(sa.select(tables.alert)).mappings())
        red = next(row for row in rows if row["colour"] == "red")
        assert {row["state"] for row in rows} == {"open", "suppressed"}
        known = [(row["alert_id"], row["device_id"], row["metric"]) for row in rows]
        assert silent_since(connection.execute, known) == {red["alert_id"]: START + MINUTE}
    city.run(START + 59 * MINUTE, START + 61 * MINUTE)
    with city.engine.connect() as connection:
        query = sa.select(tables.alert_delivery).where(tables.alert_delivery.c.channel_id == "robot")
        newest = list(connection.execute(query.order_by(tables.alert_delivery.c.created_at)).mappings())[-1]
    assert orjson.loads(newest["body"])["alerts"][0]["last_heard_at"] == (START + MINUTE).isoformat()
    assert "最后收到：2026-06-01 08:01:00" in "\n".join(paragraphs(message_of(Delivery(**newest)), "zh"))
    assert "last heard: 2026-06-01 08:01:00" in "\n".join(paragraphs(message_of(Delivery(**newest)), "en"))
