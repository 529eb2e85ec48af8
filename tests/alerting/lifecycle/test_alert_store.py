"""Changes of episodes in the store, on both engines: one alert for each rule and object, each change once."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.steps import IllegalStep, Verb
from alerting.policy.notification_policies import NotificationPolicies
from alerting.workflow import commands
from alerting.workflow.changes import Position, apply, note_snapshot, position_of
from alerting.workflow.unit_of_work import Conflict
from core.store import tables
from told_episodes import START, Engineer

AlertsOf = Callable[[sa.Engine], list[sa.RowMapping]]
LEGAL = (
    "category_zh",
    "category_en",
    "level",
    "starts_at",
    "possible_area_zh",
    "possible_area_en",
    "matters_zh",
    "matters_en",
    "measures_zh",
    "measures_en",
    "issuer_zh",
    "issuer_en",
    "issued_at",
)


@pytest.fixture
def tell(store: sa.Engine, policies: NotificationPolicies, subject_of) -> Callable[..., object]:
    def told(*changes: EpisodeChange, position: Position | None = None):
        return apply(store, policies, changes, subject_of, changes[-1].known_at, position)

    return told


def kinds(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(tables.alert_event.c.kind).order_by(tables.alert_event.c.event_id)))


def test_an_episode_from_its_first_reading_to_its_end(store, tell, engineer: Engineer, alerts_of: AlertsOf) -> None:
    tell(engineer(Change.PENDING), engineer(Change.OPENED, minute=2))
    tell(engineer(Change.PEAK, minute=3, value=47.5), engineer(Change.UPGRADED, minute=4, colour="red", value=49.0))
    tell(engineer(Change.DOWNGRADED, minute=5, colour="orange", value=46.0))
    tell(engineer(Change.CLEARED, minute=6, colour="orange", value=44.0))
    (alert,) = alerts_of(store)
    assert kinds(store) == ["pending", "opened", "peak", "upgraded", "downgraded", "cleared"]
    assert (alert["state"], alert["colour"], alert["value"], alert["peak_value"]) == ("resolved", "orange", 44.0, 49.0)
    assert alert["starts_at"] == alert["pending_at"] == START
    assert alert["opened_at"] == START + timedelta(minutes=2)
    assert alert["cleared_at"] == alert["resolved_at"] == START + timedelta(minutes=6)
    assert alert["level"] == 2
    assert alert["issued_at"] == START + timedelta(minutes=5, seconds=1)  # issued again with the milder level


def test_every_legal_fact_and_the_unit_are_there(store, tell, engineer: Engineer, alerts_of: AlertsOf) -> None:
    tell(engineer(Change.OPENED, colour="red"))
    (alert,) = alerts_of(store)
    assert all(alert[name] not in (None, "") for name in LEGAL)
    assert alert["category_zh"] == "自然灾害·洪涝"
    assert alert["possible_area_zh"] == "宜昌市西陵区西陵街道清江站s1及周边"
    assert alert["matters_en"] == "River level 49 m, limit 45 m (GB/T 22482 5.2)"
    assert alert["issuer_zh"] == alert["disposing_unit_zh"] == "宜昌市水利和湖泊局"
    assert alert["contact"].startswith("0717-")
    assert "低洼" in alert["measures_zh"]


def test_a_hold_that_was_not_reached_leaves_no_alert_open(store, tell, engineer: Engineer, alerts_of: AlertsOf) -> None:
    tell(engineer(Change.PENDING), engineer(Change.WITHDRAWN, minute=1))
    assert [alert["state"] for alert in alerts_of(store)] == ["withdrawn"]
    tell(engineer(Change.PENDING, minute=5), engineer(Change.OPENED, minute=6))
    assert sorted(alert["state"] for alert in alerts_of(store)) == ["open", "withdrawn"]


def test_one_ends_and_the_next_begins_in_one_step(store, tell, engineer: Engineer, alerts_of: AlertsOf) -> None:
    tell(engineer(Change.PENDING))
    tell(engineer(Change.WITHDRAWN, minute=1), engineer(Change.PENDING, minute=2))
    assert sorted(alert["state"] for alert in alerts_of(store)) == ["pending", "withdrawn"]


def test_applying_again_changes_nothing(store, tell, engineer: Engineer, alerts_of: AlertsOf) -> None:
    changes = [engineer(Change.OPENED), engineer(Change.UPGRADED, minute=1, colour="red")]
    assert tell(*changes).n_applied == 2
    before, history = alerts_of(store), kinds(store)
    again = tell(*changes, engineer(Change.CLEARED, minute=2))
    assert (again.n_known, again.n_applied) == (2, 1)
    assert tell(*changes).n_known == 2
    assert kinds(store) == [*history, "cleared"]
    assert before[0]["alert_id"] == alerts_of(store)[0]["alert_id"]


def test_devices_of_one_object_share_an_alert_until_the_last_clears(
    store, tell, engineer: Engineer, alerts_of: AlertsOf
) -> None:
    tell(engineer(Change.OPENED, device="d1", colour="yellow"), engineer(Change.OPENED, device="d2", colour="red"))
    (alert,) = alerts_of(store)
    assert (alert["n_reports"], alert["n_holding"], alert["colour"]) == (2, 2, "red")
    tell(engineer(Change.CLEARED, device="d2", colour="red", minute=2))
    (alert,) = alerts_of(store)
    assert (alert["state"], alert["n_holding"], alert["colour"]) == ("open", 1, "yellow")
    tell(engineer(Change.CLEARED, device="d1", minute=3))
    assert alerts_of(store)[0]["state"] == "resolved"


def test_it_begins_again_before_and_after_closing(
    store, policies, tell, engineer: Engineer, alerts_of: AlertsOf
) -> None:
    tell(engineer(Change.OPENED), engineer(Change.CLEARED, minute=1), engineer(Change.OPENED, minute=2))
    (alert,) = alerts_of(store)
    assert (alert["state"], alert["n_reopened"], alert["n_reports"]) == ("open", 1, 2)
    tell(engineer(Change.CLEARED, minute=3))
    commands.act(store, policies, alert["alert_id"], Verb.CLOSED, "li", "", START + timedelta(minutes=4))
    tell(engineer(Change.OPENED, minute=5))
    assert [alert["state"] for alert in alerts_of(store)] == ["closed", "open"]


def test_a_worse_colour_after_closing_is_a_new_alert(store, policies, tell, engineer: Engineer, alerts_of) -> None:
    tell(engineer(Change.OPENED))
    (alert,) = alerts_of(store)
    for minute, verb in enumerate((Verb.ACKNOWLEDGED, Verb.RESOLVED, Verb.CLOSED), 1):
        commands.act(store, policies, alert["alert_id"], verb, "li", "nothing seen", START + timedelta(minutes=minute))
    tell(engineer(Change.PEAK, minute=5, value=48.0))
    assert len(alerts_of(store)) == 1
    tell(engineer(Change.UPGRADED, minute=6, colour="red"))
    assert sorted(one["state"] for one in alerts_of(store)) == ["closed", "open"]
    tell(engineer(Change.CLEARED, minute=7, colour="red"))
    assert sorted(one["state"] for one in alerts_of(store)) == ["closed", "resolved"]


def test_an_early_resolve_learns_of_its_evidence(store, policies, tell, engineer: Engineer, alerts_of) -> None:
    tell(engineer(Change.OPENED))
    alert_id = alerts_of(store)[0]["alert_id"]
    commands.act(store, policies, alert_id, Verb.ACKNOWLEDGED, "li", "", START + timedelta(minutes=1))
    commands.act(store, policies, alert_id, Verb.RESOLVED, "li", "gate opened", START + timedelta(minutes=2))
    assert alerts_of(store)[0]["cleared_at"] is None
    tell(engineer(Change.PEAK, minute=3, value=47.5))
    assert alerts_of(store)[0]["state"] == "resolved"
    tell(engineer(Change.CLEARED, minute=4))
    (alert,) = alerts_of(store)
    assert alert["resolved_at"] == START + timedelta(minutes=2)
    assert alert["cleared_at"] == START + timedelta(minutes=4)


def test_the_end_of_an_unknown_episode_is_refused_not_fatal(store, tell, engineer: Engineer, alerts_of) -> None:
    engineer(Change.OPENED)
    done = tell(engineer(Change.CLEARED, minute=1), engineer(Change.OPENED, object_id="water:s2"))
    assert (done.n_refused, done.n_applied) == (1, 1)
    assert len(alerts_of(store)) == 1


def test_history_cannot_be_changed(store, tell, engineer: Engineer) -> None:
    tell(engineer(Change.OPENED))
    for query in (sa.update(tables.alert_event).values(actor="nobody"), sa.delete(tables.alert_event)):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), store.begin() as connection:
            connection.execute(query)


def test_position_moves_with_the_changes_and_never_back(store, tell, engineer: Engineer) -> None:
    tell(engineer(Change.OPENED), position=Position("alerting", "LIVE", 7, START))
    tell(engineer(Change.PEAK, value=48.0), position=Position("alerting", "LIVE", 5, START))
    note_snapshot(store, "alerting", "engine-7", 7)
    found = position_of(store, "alerting")
    assert found is not None
    assert (found.sequence, found.snapshot, found.snapshot_sequence) == (7, "engine-7", 7)


def test_an_alert_seen_by_two_is_changed_by_one(store, policies, tell, engineer: Engineer, alerts_of) -> None:
    tell(engineer(Change.OPENED))
    (alert,) = alerts_of(store)
    now = START + timedelta(minutes=1)
    commands.act(store, policies, alert["alert_id"], Verb.ACKNOWLEDGED, "li", "", now, version=alert["version"])
    with pytest.raises(Conflict, match="changed since it was shown"):
        commands.act(store, policies, alert["alert_id"], Verb.COMMENTED, "wu", "late", now, version=alert["version"])
    with pytest.raises(IllegalStep, match="cannot be acknowledged"):
        commands.act(store, policies, alert["alert_id"], Verb.ACKNOWLEDGED, "wu", "", now)


def test_reports_of_people_join_and_end_by_a_word(store, policies, alerts_of) -> None:
    def report(number: int, **more: object) -> commands.Report:
        return commands.Report(
            f"r{number}",
            "lifeline",
            "gas",
            "orange",
            "420502001",
            "云集路",
            "闻到燃气味",
            object_id="urban:pipe1",
            **more,  # type: ignore[arg-type]
        )

    alert_id, _ = commands.enter(store, policies, report(1), "wang", START)
    assert commands.enter(store, policies, report(2), "zhao", START)[0] == alert_id
    assert commands.enter(store, policies, report(2), "zhao", START)[1].n_known == 1
    exercise, _ = commands.enter(store, policies, report(3, is_exercise=True), "zhao", START)
    assert exercise != alert_id
    commands.act(store, policies, alert_id, Verb.ACKNOWLEDGED, "li", "", START)
    commands.act(store, policies, alert_id, Verb.RESOLVED, "li", "valve closed", START + timedelta(minutes=9))
    by_id = {alert["alert_id"]: alert for alert in alerts_of(store)}
    alert = by_id[alert_id]
    assert (alert["n_reports"], alert["n_holding"], alert["state"]) == (2, 0, "resolved")
    assert alert["cleared_at"] == START + timedelta(minutes=9)
    assert (by_id[exercise]["is_exercise"], by_id[exercise]["state"]) == (True, "open")
    assert alert["matters_zh"].startswith("闻到燃气味")
