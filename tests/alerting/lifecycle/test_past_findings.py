"""What rules did, as the store remembers it, and what people found there."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from alerting.backtest.evaluation import Episode, compare, counts
from alerting.backtest.recorded import fired
from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.steps import Verb
from alerting.policy.notification_policies import NotificationPolicies
from alerting.workflow import commands
from alerting.workflow.changes import apply
from told_episodes import START, Engineer, river_station

HOUR = timedelta(hours=1)


def told(store: sa.Engine, policies: NotificationPolicies, *changes: EpisodeChange) -> None:
    apply(store, policies, changes, river_station, START)


def did(store: sa.Engine) -> list[Episode]:
    return fired(store, {"river_level"}, START, START + HOUR)


def act(store: sa.Engine, policies: NotificationPolicies, object_id: str, *steps: tuple[Verb, str]) -> None:
    """Deeds on the alert of an object, a minute apart from the fifth on."""
    with store.connect() as connection:
        query = sa.text("SELECT alert_id FROM alert WHERE object_id = :object_id")
        alert_id = str(connection.scalar(query, {"object_id": object_id}))
    for minute, (verb, comment) in enumerate(steps, 5):
        commands.act(store, policies, alert_id, verb, "li", comment, START + timedelta(minutes=minute))


def test_an_episode_has_its_worst_colour_though_it_ended_milder(
    quick_store: sa.Engine, policies: NotificationPolicies, engineer: Engineer
) -> None:
    told(quick_store, policies, engineer(Change.PENDING), engineer(Change.OPENED, minute=1))
    told(quick_store, policies, engineer(Change.UPGRADED, colour="red", minute=2))
    told(quick_store, policies, engineer(Change.DOWNGRADED, colour="blue", minute=3))
    told(quick_store, policies, engineer(Change.CLEARED, colour="blue", minute=4))
    (episode,) = did(quick_store)
    assert (episode.colour, episode.finding) == ("red", "unjudged")
    minutes = [
        None if at is None else (at - START) / timedelta(minutes=1)
        for at in (episode.started_at, episode.opened_at, episode.ended_at)
    ]
    assert minutes == [0, 1, 4]


def test_of_two_devices_at_one_object_each_has_its_own_colour(
    quick_store: sa.Engine, policies: NotificationPolicies, engineer: Engineer
) -> None:
    told(quick_store, policies, engineer(Change.OPENED, device="d1", colour="red"))
    told(quick_store, policies, engineer(Change.OPENED, device="d2", colour="blue", minute=1))
    told(quick_store, policies, engineer(Change.UPGRADED, device="d2", colour="yellow", minute=2))
    assert [(e.device_id, e.colour) for e in did(quick_store)] == [("d1", "red"), ("d2", "yellow")]


@pytest.mark.parametrize(
    ("steps", "finding"),
    [
        ([], "unjudged"),
        ([(Verb.ACKNOWLEDGED, "")], "unjudged"),
        ([(Verb.ACKNOWLEDGED, ""), (Verb.DISPATCHED, "")], "confirmed"),
        ([(Verb.ACKNOWLEDGED, ""), (Verb.RESOLVED, "pumped out, gauge checked")], "unjudged"),
        ([(Verb.ACKNOWLEDGED, ""), (Verb.DISPATCHED, ""), (Verb.RESOLVED, "现场核实为误报")], "false alarm"),
        ([(Verb.COMMENTED, "False alarm: a branch on the sensor")], "false alarm"),
        ([(Verb.ACKNOWLEDGED, "误报?"), (Verb.DISPATCHED, "")], "confirmed"),
    ],
)
def test_people_decide_what_was_a_false_alarm(
    quick_store: sa.Engine,
    policies: NotificationPolicies,
    engineer: Engineer,
    steps: list[tuple[Verb, str]],
    finding: str,
) -> None:
    told(quick_store, policies, engineer(Change.OPENED, "water:s1"))
    act(quick_store, policies, "water:s1", *steps)
    assert [e.finding for e in did(quick_store)] == [finding]


def test_what_is_said_of_the_next_episode_is_not_said_of_this_one(
    quick_store: sa.Engine, policies: NotificationPolicies, engineer: Engineer
) -> None:
    """An alert that begins again before it is closed has several episodes in its history."""
    told(quick_store, policies, engineer(Change.OPENED))
    act(quick_store, policies, "water:s1", (Verb.ACKNOWLEDGED, ""), (Verb.DISPATCHED, ""))
    told(quick_store, policies, engineer(Change.CLEARED, minute=10), engineer(Change.OPENED, minute=11))
    act(quick_store, policies, "water:s1", (Verb.COMMENTED, "false alarm"))
    assert [e.finding for e in did(quick_store)] == ["confirmed", "unjudged"]


def test_hits_and_misses_count_without_false_alarms(
    quick_store: sa.Engine, policies: NotificationPolicies, engineer: Engineer
) -> None:
    for n in range(1, 5):
        told(quick_store, policies, engineer(Change.OPENED, f"water:s{n}"))
    sent = (Verb.ACKNOWLEDGED, ""), (Verb.DISPATCHED, "")
    act(quick_store, policies, "water:s1", *sent)
    act(quick_store, policies, "water:s2", *sent)
    act(quick_store, policies, "water:s3", (Verb.COMMENTED, "误报"))
    was = did(quick_store)
    found = counts(compare([was[0], was[3]], was))
    assert {name: n for name, n in found.items() if n} == {
        "same": 2,
        "lost": 2,
        "hits": 2,
        "misses": 1,
        "confirmed_hits": 1,
        "confirmed_misses": 1,
        "false_alarms_avoided": 1,
    }
    assert counts(compare(was, was))["false_alarms_again"] == 1
