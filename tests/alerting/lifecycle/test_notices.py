"""What people are told and when: groups, reminders, escalation, flapping, exercises, and a storm of alarms."""

from collections.abc import Callable
from datetime import datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa

from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.steps import Verb
from alerting.policy.notification_policies import NotificationPolicies
from alerting.timers import Timers
from alerting.workflow import commands
from alerting.workflow.changes import apply
from core.store import tables
from told_episodes import START, Engineer, river_station

MINUTE = timedelta(minutes=1)
Run = Callable[..., None]


def notices(engine: sa.Engine) -> list[sa.Row]:
    with engine.connect() as connection:
        query = sa.select(tables.alert_notice).order_by(tables.alert_notice.c.created_at, tables.alert_notice.c.kind)
        return list(connection.execute(query).all())


def said(engine: sa.Engine) -> list[tuple[str, str, int]]:
    return [(row.kind, row.to_role, row.n_alerts) for row in notices(engine)]


@pytest.fixture
def run(quick_store: sa.Engine, policies: NotificationPolicies) -> Run:
    """Tick from one time to another."""
    clock = Timers(quick_store)

    def ticked(start: datetime, end: datetime, every: timedelta = timedelta(seconds=1)) -> None:
        clock.stale()
        while start <= end:
            clock.tick(policies, start)
            start += every

    return ticked


@pytest.fixture
def tell(quick_store: sa.Engine, policies: NotificationPolicies) -> Callable[..., None]:
    def told(now: datetime, *changes: EpisodeChange) -> None:
        apply(quick_store, policies, changes, river_station, now)

    return told


def test_alerts_of_one_group_are_one_notice_and_a_red_does_not_wait(quick_store, tell, run, engineer: Engineer) -> None:
    tell(START, *(engineer(Change.OPENED, f"water:s{n}") for n in range(30)))
    run(START, START + timedelta(seconds=9))
    assert notices(quick_store) == []
    run(START + timedelta(seconds=10), START + timedelta(seconds=20))
    assert said(quick_store) == [("opened", "duty_officer", 30)]
    tell(START + timedelta(seconds=30), engineer(Change.OPENED, "water:s99", "red"))
    run(START + timedelta(seconds=30), START + timedelta(seconds=31))
    (_, red) = notices(quick_store)
    assert (red.colour, red.n_alerts) == ("red", 1)
    assert red.title_zh.startswith("【红色预警】清江站s99：水位 49 m")


def test_acknowledging_is_no_mute(quick_store, policies, tell, run, engineer: Engineer) -> None:
    tell(START, engineer(Change.OPENED))
    run(START, START + MINUTE)
    alert_id = quick_store.connect().scalar(sa.select(tables.alert.c.alert_id))
    commands.act(quick_store, policies, alert_id, Verb.ACKNOWLEDGED, "li", "", START + MINUTE)
    tell(START + 2 * MINUTE, engineer(Change.OPENED, device="d2", minute=2))
    run(START + 6 * MINUTE, START + 7 * MINUTE, MINUTE)
    tell(START + 8 * MINUTE, engineer(Change.UPGRADED, device="d2", colour="red", minute=8))
    run(START + 8 * MINUTE, START + 8 * MINUTE + timedelta(seconds=2))
    assert [kind for kind, _, _ in said(quick_store)] == ["opened", "new_member", "upgraded"]
    with quick_store.connect() as connection:
        assert connection.scalar(sa.select(tables.alert.c.state)) == "acknowledged"


def test_reminders_and_escalation_follow_the_clock(quick_store, tell, run, engineer: Engineer) -> None:
    tell(START, engineer(Change.OPENED, colour="red"))
    run(START, START + 61 * MINUTE, timedelta(seconds=15))
    by_role = [(kind, role) for kind, role, _ in said(quick_store)]
    assert by_role == [
        ("opened", "duty_officer"),
        ("reminded", "duty_officer"),
        ("escalated", "shift_lead"),
        ("escalated", "department_head"),
        ("escalated", "government_duty"),
        ("escalated", "government_duty"),
    ]
    minutes = [(row.created_at - START) // MINUTE for row in notices(quick_store)]
    assert minutes == [0, 3, 5, 15, 30, 60]
    with quick_store.connect() as connection:
        alert = connection.execute(sa.select(tables.alert)).one()
    assert (alert.escalation_level, alert.due_at) == (4, alert.entered_state_at + 5 * MINUTE)


def test_a_process_that_was_away_reminds_once_not_for_every_time_missed(quick_store, tell, run, engineer) -> None:
    tell(START, engineer(Change.OPENED, colour="red"))
    run(START, START + MINUTE)
    run(START + timedelta(days=2, minutes=7), START + timedelta(days=2, minutes=8))
    with quick_store.connect() as connection:
        kinds = connection.scalars(sa.select(tables.alert_event.c.kind)).all()
    assert kinds.count("escalated") == 3
    assert kinds.count("reminded") == 1


def states(engine: sa.Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {row.colour: row.state for row in connection.execute(sa.select(tables.alert))}


def test_mild_alerts_close_and_archive_themselves_a_red_never(
    quick_store, policies, tell, run, engineer: Engineer
) -> None:
    for colour in ("blue", "red"):
        tell(START, engineer(Change.OPENED, f"water:{colour}", colour))
    with quick_store.connect() as connection:
        ids = connection.scalars(sa.select(tables.alert.c.alert_id)).all()
    for alert_id in ids:
        commands.act(quick_store, policies, alert_id, Verb.ACKNOWLEDGED, "li", "", START)
    for colour in ("blue", "red"):
        tell(START + MINUTE, engineer(Change.CLEARED, f"water:{colour}", colour, minute=1))
    run(START, START + timedelta(days=8), timedelta(hours=1))
    assert states(quick_store) == {"blue": "archived", "red": "resolved"}


@pytest.mark.case("pages.3")
def test_what_nobody_answered_waits_for_a_person(quick_store, policies, tell, run, engineer: Engineer) -> None:
    for colour in ("blue", "yellow"):
        tell(START, engineer(Change.OPENED, f"water:{colour}", colour))
        tell(START + MINUTE, engineer(Change.CLEARED, f"water:{colour}", colour, minute=1))
    with quick_store.begin() as connection:  # a home of before this rule has set the clock already
        connection.execute(sa.update(tables.alert).values(next_step_at=START + timedelta(hours=2)))
    run(START, START + timedelta(days=3), timedelta(hours=1))
    assert states(quick_store) == {"blue": "resolved", "yellow": "resolved"}
    with quick_store.connect() as connection:
        ids = connection.scalars(sa.select(tables.alert.c.alert_id)).all()
    for alert_id in ids:
        commands.act(quick_store, policies, alert_id, Verb.CLOSED, "li", "seen late", START + timedelta(days=4))
    assert states(quick_store) == {"blue": "closed", "yellow": "closed"}


@pytest.mark.case("pages.3")
def test_what_was_kept_quiet_to_its_end_asked_nobody(quick_store, policies, tell, run, engineer: Engineer) -> None:
    commands.silence(quick_store, policies, {"object_id": "water:s1"}, "li", "work", START, START + 60 * MINUTE, START)
    tell(START, engineer(Change.OPENED, colour="blue"))
    run(START, START + MINUTE)
    assert states(quick_store) == {"blue": "suppressed"}
    tell(START + MINUTE, engineer(Change.CLEARED, colour="blue", minute=1))
    run(START + MINUTE, START + timedelta(hours=4), timedelta(hours=1))
    assert states(quick_store) == {"blue": "closed"}


def test_flapping_is_marked_and_told_once(quick_store, tell, run, engineer: Engineer) -> None:
    now = START
    for minute in range(0, 40, 4):
        tell(START + minute * MINUTE, engineer(Change.OPENED, minute=minute))
        run(START + minute * MINUTE, START + (minute + 2) * MINUTE, timedelta(seconds=30))
        now = START + (minute + 2) * MINUTE
        tell(now, engineer(Change.CLEARED, minute=minute + 2))
    with quick_store.connect() as connection:
        assert connection.scalar(sa.select(tables.alert.c.is_flapping))
    told_before = len(notices(quick_store))
    tell(START + 40 * MINUTE, engineer(Change.OPENED, minute=40))
    run(START + 40 * MINUTE, START + 44 * MINUTE, timedelta(seconds=30))
    assert len(notices(quick_store)) == told_before
    run(START + 44 * MINUTE, START + 120 * MINUTE, MINUTE)
    with quick_store.connect() as connection:
        assert not connection.scalar(sa.select(tables.alert.c.is_flapping))
        kinds = connection.scalars(sa.select(tables.alert_event.c.kind)).all()
    assert (kinds.count("flapping"), kinds.count("calmed")) == (1, 1)
    assert "new_episode" in {kind for kind, _, _ in said(quick_store)[told_before:]}


def deliveries(engine: sa.Engine) -> list[sa.Row]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(tables.alert_delivery)).all())


def report(is_exercise: bool) -> commands.Report:
    return commands.Report(
        f"r{is_exercise}", "lifeline", "gas", "red", "420502", "云集路", "闻到燃气味", is_exercise=is_exercise
    )


def test_an_exercise_is_marked_and_never_public(quick_store, policies, run) -> None:
    public = {route.channel_id for route in policies.routes if route.is_public}
    assert public
    for is_exercise in (True, False):
        commands.enter(quick_store, policies, report(is_exercise), "li", START)
    run(START, START + timedelta(seconds=2))
    by_exercise: dict[bool, set[str]] = {True: set(), False: set()}
    for row in deliveries(quick_store):
        body = orjson.loads(row.body)
        assert all(one["is_exercise"] == body["is_exercise"] for one in body["alerts"])
        assert body["title_zh"].startswith("【演练】") == body["is_exercise"]
        assert body["title_en"].startswith("[EXERCISE]") == body["is_exercise"]
        by_exercise[body["is_exercise"]].add(row.channel_id)
    assert by_exercise[False] - by_exercise[True] == public


def test_the_outbox_holds_what_a_channel_needs(quick_store, policies, run) -> None:
    commands.enter(quick_store, policies, report(False), "li", START)
    run(START, START + timedelta(seconds=2))
    (sms,) = [row for row in deliveries(quick_store) if row.channel_id == "sms"]
    assert (sms.state, sms.attempts, sms.target) == ("waiting", 0, "420500:housing")
    (alert,) = orjson.loads(sms.body)["alerts"]
    assert {"level", "measures_zh", "issuer_en", "contact", "standard", "possible_area_zh"} <= alert.keys()
    assert len({row.delivery_id for row in deliveries(quick_store)}) == len(deliveries(quick_store))


@pytest.mark.slow
def test_a_storm_of_5000_alarms_is_at_most_20_notices_a_minute(quick_store, policies, run, engineer: Engineer) -> None:
    counties = [code for code, row in policies.routing.areas.items() if row["level"] == "county"]
    counties = [code for code in counties if code[:4] in ("4205", "5203")]
    colours = ("blue", "yellow", "yellow", "orange", "red")
    for n in range(60):
        now = START + timedelta(seconds=n)
        changes = [
            engineer(Change.OPENED, f"water:{counties[m % len(counties)]}:{n}-{m}", colours[m % 5], minute=n / 60)
            for m in range(84)
        ]
        apply(quick_store, policies, changes, river_station, now)
        run(now, now + timedelta(seconds=0.5), timedelta(seconds=0.5))
    run(START + MINUTE, START + 6 * MINUTE, timedelta(seconds=3))
    told = notices(quick_store)
    times = [row.created_at for row in told]
    busiest = max(sum(at <= other < at + MINUTE for other in times) for at in times)
    assert 2 <= busiest <= 20
    first_red = next(row for row in told if row.colour == "red")
    assert first_red.created_at - START <= timedelta(seconds=2)
    with quick_store.connect() as connection:
        queue, opened = tables.notification_queue.c, tables.notification_queue.c.kind == "opened"
        assert connection.scalar(sa.select(sa.func.count()).where(opened)) == 60 * 84
        assert connection.scalar(sa.select(sa.func.count()).where(opened, queue.notice_id.is_(None))) == 0
