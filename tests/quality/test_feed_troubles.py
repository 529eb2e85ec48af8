"""Troubles of feeds: written down once when they begin, once when they are over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core.contract import Contract
from core.store import tables
from quality.troubles import update_troubles

NOW = datetime(2026, 7, 30, 4, 0, tzinfo=UTC)
FEED = "weather.observation"


IDS = {
    "freshness": "freshness",
    "distribution_drift": "drift_air_temperature_c",
    "pattern": "pattern_station_id",
    "range": "range_rain_1h_mm",
    "checks": "checks",
}


def say(
    engine: sa.Engine, kind: str, verdict: str, observed: float | None = None, *, at: datetime = NOW, check_id: str = ""
) -> None:
    with engine.begin() as connection:
        connection.execute(
            tables.check_verdict.insert().values(
                run_id="r",
                feed_id=FEED,
                check_id=check_id or IDS[kind],
                kind=kind,
                severity="warning",
                verdict=verdict,
                observed=observed,
                expected="≤ 2 h",
                message_zh="说明。",
                message_en="Told.",
                rows_checked=1,
                at=at,
            )
        )


def fetched(engine: sa.Engine, result: str, detail: str = "", quarantined: int = 0) -> None:
    with engine.begin() as connection:
        connection.execute(
            tables.fetch_outcome.insert().values(
                feed_id=FEED,
                run_id="r",
                started_at=NOW,
                ended_at=NOW,
                result=result,
                payloads=1,
                rows_landed=0,
                rows_quarantined=quarantined,
                detail=detail,
            )
        )


def rows(engine: sa.Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(tables.notification).order_by(tables.notification.c.id)))


def kinds(engine: sa.Engine) -> list[tuple[str, bool]]:
    """Kind and whether it is still open, oldest first."""
    return [(row.kind, row.cleared_at is None) for row in rows(engine)]


# ── opened once, cleared when over ────────────────────────────────────────────────────────────────────────────────────
def test_a_late_feed_is_said_once_and_its_recovery_once(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "freshness", "failed", 3.0)
    update_troubles(engine, contracts, NOW)
    update_troubles(engine, contracts, NOW + timedelta(hours=1))
    assert kinds(engine) == [("late", True)]
    (late,) = rows(engine)
    assert late.text_zh == "【数据迟到】气象局·气象观测：说明。"
    assert late.text_en.startswith("[late] ")
    say(engine, "freshness", "passed", 0.5)
    update_troubles(engine, contracts, NOW + timedelta(hours=2))
    update_troubles(engine, contracts, NOW + timedelta(hours=3))
    assert kinds(engine) == [("late", False), ("recovered", False)]
    assert rows(engine)[0].cleared_at == NOW + timedelta(hours=2)


def test_late_becomes_silent_without_a_recovery_between(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "freshness", "failed", 3.0)
    update_troubles(engine, contracts, NOW)
    say(engine, "freshness", "failed", 7.0)
    update_troubles(engine, contracts, NOW + timedelta(hours=4))
    assert kinds(engine) == [("late", False), ("silent", True)]


def test_a_feed_that_never_spoke_is_silent(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "freshness", "failed", None)
    update_troubles(engine, contracts, NOW)
    assert kinds(engine) == [("silent", True)]


def test_drift_and_a_raised_check_are_two_troubles(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "distribution_drift", "failed", 9.0)
    say(engine, "pattern", "raised")
    update_troubles(engine, contracts, NOW)
    assert kinds(engine) == [("broken", True), ("drifted", True)]
    say(engine, "pattern", "passed")
    update_troubles(engine, contracts, NOW)
    assert kinds(engine) == [("broken", False), ("drifted", True), ("recovered", False)]


def test_a_plain_failed_row_check_is_no_trouble_of_the_feed(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "range", "failed", 2.0)
    update_troubles(engine, contracts, NOW)
    assert kinds(engine) == []


@pytest.mark.parametrize(
    ("outcomes", "is_broken"),
    [
        (["unreachable"], True),
        (["failed"], True),
        (["unreachable", "nothing_new"], False),
        (["unreachable", "landed"], False),
        (["rejected"], True),
        (["rejected", "nothing_new"], True),
        (["rejected", "landed", "nothing_new"], False),
        (["nothing_new"], False),
        ([], False),
    ],
)
def test_what_the_last_pull_means(
    engine: sa.Engine, contracts: dict[str, Contract], outcomes: list[str], is_broken: bool
) -> None:
    for result in outcomes:
        fetched(engine, result, "connect timed out", quarantined=5)
    update_troubles(engine, contracts, NOW)
    assert kinds(engine) == ([("broken", True)] if is_broken else [])


def test_a_pull_with_nothing_but_repeats_is_no_trouble(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    fetched(engine, "rejected", quarantined=0)
    update_troubles(engine, contracts, NOW)
    assert kinds(engine) == []


def test_held_batches_are_a_trouble_until_they_are_admitted(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    with engine.begin() as connection:
        connection.execute(
            tables.batch.insert().values(
                batch_id="b",
                feed_id=FEED,
                contract_version="1",
                source_ref="s",
                media="json",
                archive_sha256="0",
                received_at=NOW,
                rows_in=1,
                rows_landed=1,
                rows_quarantined=0,
                rows_ignored=0,
                state="held",
                run_id="r",
            )
        )
    update_troubles(engine, contracts, NOW)
    assert "1 个批次未通过检查" in rows(engine)[0].text_zh
    with engine.begin() as connection:
        connection.execute(tables.batch.update().values(state="admitted"))
    update_troubles(engine, contracts, NOW)
    assert kinds(engine) == [("broken", False), ("recovered", False)]


def test_checks_that_could_not_begin_count_until_something_was_checked(
    engine: sa.Engine, contracts: dict[str, Contract]
) -> None:
    say(engine, "checks", "raised")
    update_troubles(engine, contracts, NOW)
    say(engine, "freshness", "passed", 1.0)
    update_troubles(engine, contracts, NOW)
    assert kinds(engine) == [("broken", False), ("recovered", False)]


def test_a_check_that_the_contract_gave_up_is_forgotten(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "pattern", "raised", check_id="pattern_of_a_column_that_is_gone")
    say(engine, "pattern", "raised", at=NOW - timedelta(days=40))
    update_troubles(engine, contracts, NOW)
    assert kinds(engine) == []


def test_notices_of_others_are_left_alone(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    with engine.begin() as connection:
        connection.execute(
            tables.notification.insert().values(
                feed_id="", kind="audit", text_zh="审计未过", text_en="audit failed", raised_at=NOW, attempts=0
            )
        )
    update_troubles(engine, contracts, NOW)
    assert kinds(engine) == [("audit", True)]


def test_a_feed_that_was_taken_out_is_cleared_quietly(engine: sa.Engine, contracts: dict[str, Contract]) -> None:
    say(engine, "freshness", "failed", 3.0)
    update_troubles(engine, contracts, NOW)
    update_troubles(engine, {k: v for k, v in contracts.items() if k != FEED}, NOW)
    assert kinds(engine) == [("late", False)]
