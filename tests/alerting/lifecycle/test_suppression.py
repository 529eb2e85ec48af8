"""Silences and inhibitions: what they keep quiet, what is told when they end, and that no worse alert is hidden."""

from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from alert_parts import a_brief
from alerting.engine.episode import Change
from alerting.lifecycle.alert import AlertBrief
from alerting.policy.inhibition import Inhibitions, inhibited, inhibitions_of
from alerting.policy.labels import MatcherError, parse
from alerting.policy.notification_policies import NotificationPolicies
from alerting.timers import Timers
from alerting.workflow import commands
from alerting.workflow.changes import apply
from alerting.workflow.suppression import settle
from core.store import tables
from told_episodes import START, Engineer, river_station

HOUR = timedelta(hours=1)


def row(source: str, target: str, equal: str, name: str = "i") -> dict[str, str]:
    return {
        "inhibition_id": name,
        "source_matchers": source,
        "target_matchers": target,
        "equal_labels": equal,
        "reason_zh": "覆盖",
        "reason_en": "covered",
    }


def covered(alerts: list[AlertBrief], rows: Inhibitions) -> dict[str, str]:
    return {key: source for key, (source, _) in inhibited(map(rows.standing, alerts)).items()}


FLOOD_OVER_RAIN = inhibitions_of([row("subdomain=flood;rank>=4", "subdomain=weather", "county")])


def test_a_source_covers_its_targets_in_the_same_county() -> None:
    alerts = [
        a_brief("flood", 4),
        a_brief("rain", 2, subdomain="weather", area_code="420502002"),
        a_brief("elsewhere", 2, subdomain="weather", area_code="420503001"),
        a_brief("exercise", 2, subdomain="weather", is_exercise=True),
    ]
    assert covered(alerts, FLOOD_OVER_RAIN) == {"rain": "flood"}


def test_a_milder_alert_never_hides_a_worse_one() -> None:
    rows = inhibitions_of([row("subdomain=flood", "subdomain=weather", "county")])
    assert covered([a_brief("flood", 2), a_brief("rain", 4, subdomain="weather")], rows) == {}


def test_two_never_hide_each_other() -> None:
    rows = inhibitions_of(
        [
            row("subdomain=flood", "subdomain=weather", "county", "a"),
            row("subdomain=weather", "subdomain=flood", "county", "b"),
        ]
    )
    found = covered([a_brief("flood", 3), a_brief("rain", 3, subdomain="weather")], rows)
    assert len(found) == 1


def test_a_place_in_a_matcher_is_looked_at_for_each_alert() -> None:
    rows = inhibitions_of([row("object_id=dam;rank>=4", "rank<=2;area_code=420502", "city")])
    alerts = [
        a_brief("dam", 4, object_id="dam"),
        a_brief("near", 1),
        a_brief("far", 1, area_code="420503001"),
        a_brief("other", 4, object_id="other"),
    ]
    assert set(covered(alerts, rows)) == {"near"}


@pytest.mark.parametrize("cell", ["colour=red", "rank>=high", "subdomain", "object_id>=3"])
def test_a_matcher_that_cannot_be_read_is_refused(cell: str) -> None:
    with pytest.raises(MatcherError, match="expected label=value or rank>=n"):
        parse(cell)


def test_a_label_that_no_alert_has_is_refused() -> None:
    with pytest.raises(MatcherError, match=r"i: equal_labels has 'town'; expected of rule_id, .*: mend `same`"):
        inhibitions_of([row("subdomain=flood", "subdomain=weather", "county town")])


def states(engine: sa.Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {row.object_id: row.state for row in connection.execute(sa.select(tables.alert))}


def told(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(
            connection.scalars(sa.select(tables.alert_notice.c.kind).order_by(tables.alert_notice.c.created_at))
        )


def test_a_silence_keeps_quiet_and_tells_again_at_its_end(
    quick_store: sa.Engine, policies: NotificationPolicies, engineer: Engineer
) -> None:
    clock = Timers(quick_store)
    silence_id = commands.silence(
        quick_store, policies, {"object_id": "water:s1"}, "li", "gauge is being cleaned", START, START + HOUR, START
    )
    apply(quick_store, policies, [engineer(Change.OPENED), engineer(Change.OPENED, "water:s2")], river_station, START)
    clock.stale()
    clock.tick(policies, START + timedelta(seconds=1))
    assert states(quick_store) == {"water:s1": "suppressed", "water:s2": "open"}
    clock.tick(policies, START + timedelta(seconds=30))
    clock.tick(policies, START + timedelta(minutes=59))
    assert states(quick_store)["water:s1"] == "suppressed"
    before = told(quick_store)
    clock.tick(policies, START + HOUR)
    assert states(quick_store)["water:s1"] == "open"
    clock.tick(policies, START + HOUR + timedelta(minutes=6))
    assert set(told(quick_store)[len(before) :]) >= {"silence_ended"}
    with pytest.raises(LookupError, match="no silence"):
        commands.end_silence(quick_store, policies, silence_id, "li", START + HOUR)


def test_a_silence_over_an_open_alert_acts_at_once_and_may_be_ended(
    quick_store: sa.Engine, policies: NotificationPolicies, engineer: Engineer
) -> None:
    apply(quick_store, policies, [engineer(Change.OPENED)], river_station, START)
    silence_id = commands.silence(
        quick_store, policies, {"area_code": "420500"}, "li", "drill", START, START + HOUR, START
    )
    assert states(quick_store) == {"water:s1": "suppressed"}
    commands.end_silence(quick_store, policies, silence_id, "li", START + timedelta(minutes=5))
    assert states(quick_store) == {"water:s1": "open"}


def test_what_cleared_in_silence_is_over_and_never_told(
    quick_store: sa.Engine, policies: NotificationPolicies, engineer: Engineer
) -> None:
    commands.silence(quick_store, policies, {"rule_id": "river_level"}, "li", "work", START, START + HOUR, START)
    apply(quick_store, policies, [engineer(Change.OPENED)], river_station, START)
    settle(quick_store, policies, START)
    apply(quick_store, policies, [engineer(Change.CLEARED, minute=5)], river_station, START + timedelta(minutes=5))
    assert states(quick_store) == {"water:s1": "resolved"}
    clock = Timers(quick_store)
    for minute in range(0, 90, 10):
        clock.tick(policies, START + timedelta(minutes=minute))
    assert told(quick_store) == []


@pytest.mark.parametrize("wanted", [{}, {"colour": "red"}])
def test_a_silence_of_nothing_or_of_an_unknown_label_is_refused(
    quick_store: sa.Engine, policies: NotificationPolicies, wanted: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="label"):
        commands.silence(quick_store, policies, wanted, "li", "work", START, START + HOUR, START)


def test_inhibition_ends_with_its_source(quick_store: sa.Engine, policies: NotificationPolicies) -> None:
    def subject(change):  # the rain rule and the river rule look at one county
        from dataclasses import replace

        return replace(river_station(change), subdomain="weather" if change.rule_id == "rain" else "flood")

    rain, river = Engineer("rain"), Engineer()
    apply(quick_store, policies, [rain(Change.OPENED, "weather:w1")], subject, START)
    apply(quick_store, policies, [river(Change.OPENED, colour="red")], subject, START)
    settle(quick_store, policies, START)
    assert states(quick_store) == {"weather:w1": "suppressed", "water:s1": "open"}
    apply(quick_store, policies, [river(Change.CLEARED, colour="red", minute=5)], subject, START + timedelta(minutes=5))
    settle(quick_store, policies, START + timedelta(minutes=5))
    assert states(quick_store) == {"weather:w1": "open", "water:s1": "resolved"}
    with quick_store.connect() as connection:
        reasons = connection.scalars(
            sa.select(tables.alert_event.c.kind).where(tables.alert_event.c.actor == "inhibition")
        ).all()
    assert list(pairwise(reasons)) == [("suppressed", "released")]
