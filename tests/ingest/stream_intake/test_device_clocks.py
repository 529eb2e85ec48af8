"""Clocks of devices that are off: noted while conforming, bounded, written when there is news, kept over a restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from intake_process import GAS, message, reading

from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import Home
from core.stages import value_schema
from core.store import database, tables
from core.stream.reader import Taken
from ingest.intake import offsets
from ingest.intake.offsets import write_clocks
from ingest.intake.seen import SeenRows
from ingest.intake.tick import Feed, Ticker
from ingest.protocols import hj212, jt808
from ingest.pull import Intake, open_intake

pytestmark = pytest.mark.case("live.A8")
NOW = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
POSITION, OUTFALL = "transport.vehicle_position", "ecology.outfall_reading"
YEAR_S = 365 * 86_400


class Clocks:
    """Ticks of one home, a minute apart, and what the page would read."""

    def __init__(self, intake: Intake) -> None:
        self.engine, self.minute = intake.engine, 0
        contracts = {i: c for i, c in load_contracts().items() if c.is_stream}
        self.ticker = Ticker(intake, {i: Feed(c) for i, c in contracts.items()}, SeenRows(nothing_landed))
        self.ticker.clocks.load(self.engine)

    @property
    def now(self) -> datetime:
        return NOW + timedelta(minutes=self.minute)

    def hear(self, *offsets_s: int | None, device: str = "GD1") -> None:
        """One reading a minute with a clock that is so far ahead; None sends no time."""
        for offset_s in offsets_s:
            self.minute += 1
            at_ms = 0 if offset_s is None else int((self.now.timestamp() + offset_s) * 1000)
            body = reading(device, at_ms, lel=self.minute / 100)
            self.take(GAS, {**body, "ts": None} if offset_s is None else body)

    def take(self, feed: str, *bodies: Any) -> None:
        taken = Taken(self.minute, f"raw.{feed}.d", message(*bodies, at=self.now), "")
        self.ticker.take_in([taken], self.now)

    def rows(self) -> Sequence[dict[str, Any]]:
        """What stands in the store once news is written."""
        write_clocks(self.engine, self.ticker.clocks.take_changed())
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(tables.device_clock)).mappings()]


@pytest.fixture
def intake(home: Home) -> Iterator[Intake]:
    engine = database.open_ops(home.ops_url)
    yield open_intake(home, engine, "run-1", lambda: NOW)
    engine.dispose()


@pytest.fixture
def clocks(intake: Intake) -> Clocks:
    return Clocks(intake)


def test_a_right_clock_and_a_reading_within_the_agreed_lateness_are_no_news(clocks: Clocks) -> None:
    clocks.hear(0, -3, 20, -300)
    assert clocks.rows() == []


@pytest.mark.parametrize("offset_s", [YEAR_S, -8 * 3600, -YEAR_S, 9 * 60])
def test_a_clock_that_is_off_is_told_with_the_median_of_its_last_readings(clocks: Clocks, offset_s: int) -> None:
    clocks.hear(0, *[offset_s + jitter for jitter in (0, 2, -1, 3, 1, 1)])
    (row,) = clocks.rows()
    assert (row["raw_feed"], row["device_id"], row["offset_s"], row["is_off"]) == (GAS, "GD1", offset_s + 1, True)
    assert (row["since_at"], row["jumped_at"]) == (NOW + timedelta(minutes=2), None)


def test_a_clock_that_jumps_is_told_and_so_is_its_return(clocks: Clocks) -> None:
    clocks.hear(0, YEAR_S)
    (row,) = clocks.rows()
    assert (row["offset_s"], row["is_off"], row["jumped_at"]) == (YEAR_S, True, None)
    clocks.hear(0, 0, 0)
    (row,) = clocks.rows()
    assert (row["offset_s"], row["is_off"], row["jumped_at"]) == (0, False, NOW + timedelta(minutes=3))


def test_no_time_at_all_is_no_offset(clocks: Clocks) -> None:
    clocks.hear(None, None)
    (row,) = clocks.rows()
    assert (row["offset_s"], row["is_off"]) == (None, True)


def test_positions_kept_in_a_blind_area_say_nothing_of_the_clock(clocks: Clocks) -> None:
    sender = jt808.encode.Sender("13812345678", 2013)
    past = [jt808.encode.Position(NOW - timedelta(hours=hour), 111.28, 30.69) for hour in (3, 2, 1)]
    clocks.minute = 1
    clocks.take(POSITION, *jt808.encode.location_batch(sender, 1, past, is_backfill=True))
    assert clocks.rows() == []


def test_the_time_of_sending_tells_the_clock_where_there_is_one(clocks: Clocks) -> None:
    """Ten minutes' mean of an outfall is old by nature; QN is the clock."""
    clocks.minute = 60
    clocks.take(OUTFALL, outfall(clocks.now - timedelta(minutes=11), clocks.now))
    assert clocks.rows() == []
    clocks.minute = 61
    clocks.take(OUTFALL, outfall(clocks.now, clocks.now + timedelta(hours=10)))
    (row,) = clocks.rows()
    assert (row["raw_feed"], row["offset_s"], row["is_off"]) == (OUTFALL, 36_000, True)


def test_a_restart_goes_on_with_what_was_written(clocks: Clocks, intake: Intake) -> None:
    clocks.hear(YEAR_S, YEAR_S)
    assert len(clocks.rows()) == 1
    later = Clocks(intake)
    later.minute = clocks.minute
    later.hear(YEAR_S)
    (row,) = later.rows()
    assert (row["offset_s"], row["since_at"], row["jumped_at"]) == (YEAR_S, NOW + timedelta(minutes=1), None)


def test_what_is_remembered_is_bounded(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsets, "MOST_DEVICES", 3)
    for number in range(9):
        clocks.hear(YEAR_S, device=f"GD{number}")
    assert sorted(row["device_id"] for row in clocks.rows()) == ["GD6", "GD7", "GD8"]


def test_the_same_offset_is_no_news(clocks: Clocks) -> None:
    clocks.hear(YEAR_S)
    assert clocks.ticker.clocks.take_changed()
    clocks.hear(YEAR_S + 5, YEAR_S + 9)
    assert clocks.ticker.clocks.take_changed() == []
    clocks.hear(*[YEAR_S + 60] * offsets.READINGS)
    assert [row["offset_s"] for row in clocks.ticker.clocks.take_changed()] == [YEAR_S + 60]


def outfall(observed_at: datetime, sent_at: datetime) -> bytes:
    """A mean of an outfall by HJ 212."""
    factors = {"w01018": {"Rtd": 20.0, "Flag": "N"}}
    return hj212.encode("420500XK01", "32", "2011", sent_at, observed_at=observed_at, factors=factors)


def nothing_landed(contract: Contract, day: date | None) -> pl.DataFrame:
    """A feed of which nothing landed on any day."""
    return pl.DataFrame(schema=value_schema(contract))
