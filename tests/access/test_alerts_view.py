"""What lists, strip and map say of alerts: whose they are, what counts, and what nobody answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from access import alerts_view
from access.rights import CITY_WIDE, Reader
from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle import steps
from alerting.policy.notification_policies import NotificationPolicies, load_notification_policies
from alerting.workflow import commands
from alerting.workflow.changes import apply
from core.store import notice
from core.store.database import open_ops
from orchestration.project import PROJECT, seed_folders
from told_episodes import START, Engineer, river_station

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Enter = Callable[..., str]
MACRO = Path(__file__).resolve().parents[2] / "dbt_project" / "macros" / "alerts.sql"


@pytest.fixture(scope="module")
def policies() -> NotificationPolicies:
    """The desk that the seeds describe."""
    return load_notification_policies(*seed_folders(PROJECT))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sa.Engine]:
    """An ops store."""
    engine = open_ops(f"sqlite:///{tmp_path / 'ops.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def enter(store: sa.Engine, policies: NotificationPolicies) -> Enter:
    """Take a call."""

    def entered(
        name: str, colour: str = "red", area: str = "420502001", at: datetime = NOW, drill: bool = False
    ) -> str:
        report = commands.Report(name, "lifeline", "gas", colour, area, name, "闻到燃气味", is_exercise=drill)
        return commands.enter(store, policies, report, "li", at)[0]

    return entered


@pytest.fixture
def tell(store: sa.Engine, policies: NotificationPolicies) -> Callable[..., None]:
    """Let a rule speak."""

    def told(now: datetime, *changes: EpisodeChange) -> None:
        apply(store, policies, changes, river_station, now)

    return told


def test_exercises_never_push_a_real_red_out_of_the_bell(store: sa.Engine, enter: Enter) -> None:
    real = enter("云集路")
    for n in range(alerts_view.MOST_REDS):
        enter(f"演练 {n}", at=NOW + n * MINUTE, drill=True)
    with store.connect() as live:
        reds = alerts_view.unanswered_reds(live, CITY_WIDE)
    assert len(reds) == alerts_view.MOST_REDS
    assert reds[0].alert_id == real
    assert all(red.is_exercise for red in reds[1:])


def test_the_numbers_of_a_board_are_those_of_the_readers_branch(store: sa.Engine, enter: Enter) -> None:
    enter("云集路")
    enter("点军路", area="420504001")
    enter("演练", area="420504001", drill=True)
    with store.connect() as live:
        own = alerts_view.board(live, Reader("sun", "duty_officer", "420504"), alerts_view.AlertFilter())
        everywhere = alerts_view.board(live, CITY_WIDE, alerts_view.AlertFilter())
    assert (own.counts, own.n_exercises) == ({("red", "open"): 1}, 1)
    assert (everywhere.counts, everywhere.n_exercises) == ({("red", "open"): 2}, 1)
    with store.connect() as live:
        elsewhere = alerts_view.board(live, Reader("he", "duty_officer", "420503"), alerts_view.AlertFilter())
    assert (elsewhere.counts, elsewhere.n_exercises) == ({}, 0)


def test_map_and_warehouse_know_one_set_of_ongoing_alerts() -> None:
    (said,) = re.findall(r"\.state in \(([^)]*)\)", MACRO.read_text(encoding="utf-8"))
    assert sorted(re.findall(r"'(\w+)'", said)) == sorted(steps.ONGOING)


@pytest.mark.case("pages.8")
def test_what_is_kept_quiet_stays_in_list_and_map_and_is_counted_apart(
    store: sa.Engine, policies: NotificationPolicies, enter: Enter
) -> None:
    enter("云集路", "orange")
    commands.silence(store, policies, {"object_id": "reported:云集路"}, "li", "work", NOW, NOW + 60 * MINUTE, NOW)
    with store.connect() as live:
        worst = alerts_view.worst_open(live, CITY_WIDE, NOW)
        (ongoing,) = alerts_view.alerted_objects(live, CITY_WIDE).items()
        shown = alerts_view.open_of_object(live, CITY_WIDE, ongoing[0])
        (listed,) = alerts_view.board(live, CITY_WIDE, alerts_view.AlertFilter()).rows
    assert (worst.counts, worst.rows, worst.n_suppressed) == ({}, [], 1)
    assert (listed.state, ongoing[1]) == ("suppressed", "orange")
    assert shown is not None
    assert shown.state == "suppressed"


@pytest.mark.case("pages.3", "pages.10")
def test_nobody_answered_stays_said_until_a_person_closes_it(
    store: sa.Engine, policies: NotificationPolicies, enter: Enter, tell: Callable[..., None]
) -> None:
    engineer = Engineer()
    tell(START, engineer(Change.OPENED, "water:s1", "red"), engineer(Change.OPENED, "water:s2", "red"))
    with store.connect() as live:
        one, other = alerts_view.unanswered_reds(live, CITY_WIDE)
    commands.act(store, policies, other.alert_id, steps.Verb.ACKNOWLEDGED, "li", "", START)
    tell(START + MINUTE, *(engineer(Change.CLEARED, f"water:s{n}", "red", minute=1) for n in (1, 2)))
    blue = enter("云集路", "blue")

    def looked() -> tuple[list[tuple[str, str]], alerts_view.WorstOpen, alerts_view.AlertDetail | None]:
        with store.connect() as live:
            board = alerts_view.board(live, CITY_WIDE, alerts_view.AlertFilter())
            return (
                [(row.alert_id, row.state) for row in board.rows],
                alerts_view.worst_open(live, CITY_WIDE, NOW),
                alerts_view.alert(live, CITY_WIDE, one.alert_id),
            )

    rows, strip, detail = looked()
    assert rows == [(blue, "open"), (one.alert_id, "unanswered"), (other.alert_id, "resolved")]
    assert (strip.n_unanswered, dict(strip.counts)) == (1, {"blue": 1})
    assert detail is not None
    assert (detail.state, detail.shown_state) == ("resolved", "unanswered")
    with store.connect() as live:
        only = alerts_view.board(live, CITY_WIDE, alerts_view.AlertFilter(states=("unanswered",)))
    assert (only.n_matching, only.counts["red", "unanswered"], only.counts["red", "resolved"]) == (1, 1, 1)
    commands.act(store, policies, one.alert_id, steps.Verb.CLOSED, "li", "", NOW)
    rows, strip, detail = looked()
    assert rows == [(blue, "open"), (other.alert_id, "resolved")]
    assert strip.n_unanswered == 0


@pytest.mark.case("pages.1")
def test_a_dry_run_is_no_delivery(store: sa.Engine, enter: Enter) -> None:
    alert_id = enter("云集路")
    common = {"alert_id": alert_id, "target": "u", "kind": "opened", "body": "{}", "attempts": 1, "state": "sent"}
    common |= {"channel_id": "sms", "next_at": NOW, "created_at": NOW}
    sent_at = NOW + MINUTE
    with store.begin() as connection:
        for n, answered_at in enumerate((None, sent_at, sent_at)):
            row = {**common, "delivery_id": f"d{n}", "sent_at": answered_at}
            connection.execute(sa.insert(notice.alert_delivery), row)
    with store.connect() as live:
        found = alerts_view.deliveries(live, alert_id)
    assert [(one.state, one.n, one.last_at) for one in found] == [("sent", 2, sent_at), ("dry_run", 1, NOW)]


@pytest.mark.case("pages.10")
def test_of_one_colour_the_longest_overdue_stands_first(store: sa.Engine, enter: Enter) -> None:
    old, new = enter("云集路", "orange"), enter("点军路", "orange", at=NOW + 40 * MINUTE)
    with store.connect() as live:
        board = alerts_view.board(live, CITY_WIDE, alerts_view.AlertFilter())
    assert [row.alert_id for row in board.rows] == [old, new]


def test_a_page_behind_the_last_one_is_empty_however_far(store: sa.Engine, enter: Enter) -> None:
    enter("云集路")
    with store.connect() as live:
        board = alerts_view.board(live, CITY_WIDE, alerts_view.AlertFilter(), page=10**30)
    assert (board.rows, board.n_matching) == ([], 1)
