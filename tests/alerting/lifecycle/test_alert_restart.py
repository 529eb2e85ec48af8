"""Killed between any two steps and started again, the alerts, their history and their notices come out the same.

A small week is played: changes from a stream with positions, deeds of people, ticks. One run is undisturbed; each other
run dies at one statement or commit, opens the store anew, and goes on from what the store says.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.steps import IllegalStep, Verb
from alerting.policy.notification_policies import NotificationPolicies
from alerting.timers import Timers
from alerting.workflow import commands
from alerting.workflow.changes import Position, apply, position_of
from alerting.workflow.suppression import settle
from core.store import tables
from core.store.database import open_ops
from told_episodes import START, Engineer, river_station

MINUTE = timedelta(minutes=1)


class Killed(BaseException):
    """The process is gone at this point; no handler of ours may catch it."""


@dataclass
class Fuse:
    """Kills at the nth statement or commit, once."""

    left: int | None = None
    n_seen: int = 0
    n_points: int = 0  # in all steps, the judge's own questions apart
    connections: list[Any] = field(default_factory=list)

    def watch(self, connection: Any, _: object) -> None:
        """Know a connection, so that it dies with its process."""
        connection.execute("PRAGMA synchronous=OFF")
        self.connections.append(connection)

    def bury(self) -> None:
        """The operating system closes what a dead process had open; what was not committed is gone."""
        while self.connections:
            self.connections.pop().close()

    def burn(self, *_: object, **__: object) -> None:
        """Count one; die when it is the one."""
        self.n_seen += 1
        if self.left is not None and self.n_seen == self.left:
            raise Killed


def stream() -> list[tuple[datetime, list[EpisodeChange]]]:
    """Messages of the LIVE stream as the engine folds them: always the same."""
    told = Engineer()
    return [
        (START, [told(Change.PENDING), told(Change.OPENED, "water:s2", "red")]),
        (START + MINUTE, [told(Change.OPENED, minute=1), told(Change.OPENED, device="d2", minute=1)]),
        (START + 2 * MINUTE, [told(Change.UPGRADED, colour="orange", minute=2)]),
        (START + 8 * MINUTE, [told(Change.CLEARED, "water:s2", "red", minute=8), told(Change.CLEARED, minute=8)]),
        (START + 9 * MINUTE, [told(Change.CLEARED, device="d2", minute=9), told(Change.OPENED, "water:s2", minute=9)]),
    ]


def alert_id(engine: sa.Engine, object_id: str) -> str:
    with engine.connect() as connection:
        return str(connection.scalar(sa.select(tables.alert.c.alert_id).where(tables.alert.c.object_id == object_id)))


def steps(policies: NotificationPolicies) -> list[Callable[[sa.Engine], None]]:
    """What the processes do, in order; each looks into the store for what is left to do."""

    def consume(until: int) -> Callable[[sa.Engine], None]:
        def consumed(engine: sa.Engine) -> None:
            found = position_of(engine, "alerting")
            # The message before comes again as well: it was applied, but perhaps not acknowledged.
            first = max((found.sequence if found else 0) - 1, 0)
            for sequence, (now, changes) in list(enumerate(stream(), 1))[first:until]:
                position = Position("alerting", "LIVE", sequence, now)
                apply(engine, policies, changes, river_station, now, position)

        return consumed

    def action(object_id: str, verb: Verb, minute: int) -> Callable[[sa.Engine], None]:
        def acted(engine: sa.Engine) -> None:
            # Done before the kill: the person is told so and goes on.
            with suppress(IllegalStep):
                commands.act(
                    engine, policies, alert_id(engine, object_id), verb, "li", "as seen", START + minute * MINUTE
                )

        return acted

    def tick(minute: float) -> Callable[[sa.Engine], None]:
        return lambda engine: _tick(engine, policies, START + minute * MINUTE)

    def quiet(engine: sa.Engine) -> None:
        with engine.connect() as connection:
            known = connection.scalar(sa.select(tables.silence.c.silence_id))
        if known is None:
            wanted = {"object_id": "water:s2"}
            commands.silence(
                engine, policies, wanted, "li", "gauge", START + 9 * MINUTE, START + 20 * MINUTE, START + 9 * MINUTE
            )
        else:  # the process that ticks four times a second would have done it by now
            settle(engine, policies, START + 9 * MINUTE)

    return [
        consume(1),
        tick(0.1),
        consume(2),
        tick(1),
        tick(1.5),
        action("water:s1", Verb.ACKNOWLEDGED, 2),
        consume(3),
        tick(2.5),
        tick(3.5),
        tick(5.5),
        action("water:s1", Verb.DISPATCHED, 6),
        consume(4),
        tick(8.5),
        consume(5),
        quiet,
        tick(10),
        tick(20),
        tick(26),
    ]


def _tick(engine: sa.Engine, policies: NotificationPolicies, now: datetime) -> None:
    Timers(engine).tick(policies, now)


def played(folder: Path, policies: NotificationPolicies, fuse: Fuse) -> dict[str, list[tuple[object, ...]]]:
    """Play all steps; whoever is killed starts again at the same step."""
    url = f"sqlite:///{folder / 'ops.db'}"
    waiting: Iterator[Callable[[sa.Engine], None]] = iter(steps(policies))
    engine, step = _opened(url, fuse), next(waiting, None)
    while step is not None:
        if _survives(step, engine):
            step = next(waiting, None)
            continue
        gc.collect()  # a cursor that some dead frame still holds would keep the dead one's lock
        fuse.bury()
        engine.dispose()
        fuse.left = None
        engine = _opened(url, fuse)
    fuse.n_points, fuse.left = fuse.n_seen, None
    result = _outcome(engine)
    engine.dispose()
    return result


def _survives(step: Callable[[sa.Engine], None], engine: sa.Engine) -> bool:
    try:
        step(engine)
    except Killed:
        return False
    return True


def _opened(url: str, fuse: Fuse) -> sa.Engine:
    engine = open_ops(url)
    engine.dispose()  # the connection that looked at the revision is not watched
    sa.event.listen(engine, "connect", fuse.watch)
    for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(engine, moment, fuse.burn)
    return engine


def _outcome(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    """Everything that anybody can see afterwards, without ids made by chance."""
    alert, event, notice = tables.alert, tables.alert_event, tables.alert_notice
    queries = {
        "alerts": sa.select(alert).order_by(alert.c.alert_id),
        "history": sa.select(
            event.c.alert_id,
            event.c.kind,
            event.c.from_state,
            event.c.to_state,
            event.c.colour,
            event.c.reason,
            event.c.actor,
            event.c.at,
            event.c.known_at,
        ).order_by(event.c.event_id),
        "members": sa.select(tables.member).order_by(tables.member.c.episode_id),
        "notices": sa.select(
            notice.c.group_key, notice.c.kind, notice.c.n_alerts, notice.c.title_en, notice.c.created_at
        ).order_by(notice.c.created_at, notice.c.group_key),
        "deliveries": sa.select(tables.alert_delivery.c.channel_id, sa.func.count()).group_by(
            tables.alert_delivery.c.channel_id
        ),
        "position": sa.select(tables.alert_position.c.sequence),
    }
    with engine.connect() as connection:
        return {name: [tuple(row) for row in connection.execute(query)] for name, query in queries.items()}


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, policies: NotificationPolicies
) -> tuple[dict[str, list[tuple[object, ...]]], int]:
    """The outcome of the run that nobody kills, and at how many points one may be killed."""
    fuse = Fuse()
    return played(tmp_path_factory.mktemp("whole"), policies, fuse), fuse.n_points


def test_the_week_has_everything_in_it(undisturbed) -> None:
    outcome, n_points = undisturbed
    kinds = {row[1] for row in outcome["history"]}
    assert kinds >= {
        "pending",
        "opened",
        "new_member",
        "upgraded",
        "acknowledged",
        "dispatched",
        "reminded",
        "escalated",
        "cleared",
        "new_episode",
        "suppressed",
        "released",
    }
    assert {row[1] for row in outcome["notices"]} >= {"opened", "escalated"}
    assert outcome["position"] == [(5,)]
    assert n_points > 200


@pytest.mark.slow
@pytest.mark.parametrize("offset", range(4))
def test_killed_anywhere_it_comes_out_the_same(
    tmp_path: Path, policies: NotificationPolicies, undisturbed, offset: int
) -> None:
    outcome, n_points = undisturbed
    n_killed = 0
    for point in range(1 + offset * 11, n_points + 1, 44):
        fuse = Fuse(left=point)
        folder = tmp_path / str(point)
        folder.mkdir()
        found = played(folder, policies, fuse)
        assert fuse.left is None, "nobody was killed"
        n_killed += 1
        for name, rows in outcome.items():
            assert found[name] == rows, f"killed at point {point}: {name}"
    assert n_killed > 0
