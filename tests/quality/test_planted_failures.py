"""Each kind of check has a planted failure that it alone catches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import get_args

import polars as pl
import pytest
import sqlalchemy as sa
from landed_rows import NOW, good_rows, land

from core.contract import Contract
from core.settings import Home
from core.store import tables
from quality.checks import Kind
from quality.run import check_feeds
from quality.verdict import Verdict

TODAY = NOW.date()
HISTORY_DAYS = 9


class City:
    """The registers and the history of two departments, all good and admitted; a test lands the rest."""

    def __init__(self, home: Home, engine: sa.Engine, contracts: dict[str, Contract]) -> None:
        self.home, self.engine, self.contracts = home, engine, contracts
        self.now = NOW

    def history(self, feed_id: str, days: int = HISTORY_DAYS) -> None:
        for back in range(days, 0, -1):
            self.land(
                feed_id,
                good_rows(self.contracts[feed_id], day=TODAY - timedelta(days=back)),
                day=TODAY - timedelta(days=back),
                state="admitted",
                run_id="run-0",
            )

    def rows(self, feed_id: str, n: int = 200) -> pl.DataFrame:
        return good_rows(self.contracts[feed_id], n, TODAY)

    def land(
        self,
        feed_id: str,
        frame: pl.DataFrame,
        *,
        day: date = TODAY,
        state: str = "landed",
        run_id: str = "run-1",
        rows_ignored: int = 0,
    ) -> None:
        land(
            self.home,
            self.engine,
            self.contracts[feed_id],
            [(day, frame)],
            state=state,
            run_id=run_id,
            rows_ignored=rows_ignored,
        )

    def check(self, feed_id: str, now: datetime | None = None) -> list[Verdict]:
        return check_feeds(self.home, self.engine, self.contracts, [feed_id], "run-1", now or self.now)[feed_id]


@pytest.fixture
def city(home: Home, engine: sa.Engine, contracts: dict[str, Contract]) -> City:
    city = City(home, engine, contracts)
    for register in ("weather.station", "housing.site"):
        city.land(register, city.rows(register), state="admitted", run_id="run-0")
    for feed in ("weather.observation", "housing.attendance"):
        city.history(feed)
    return city


def spoil(frame: pl.DataFrame, column: str, values: list[object]) -> pl.DataFrame:
    """The first rows get other values in one column."""
    column_now = frame[column].to_list()
    return frame.with_columns(pl.Series(column, values + column_now[len(values) :], dtype=frame.schema[column]))


def a_column_is_empty(city: City) -> str:
    city.land("housing.attendance", spoil(city.rows("housing.attendance"), "post", [None]))
    return "housing.attendance"


def a_value_is_beyond_its_range(city: City) -> str:
    city.land("weather.observation", spoil(city.rows("weather.observation"), "rain_1h_mm", [300.5]))
    return "weather.observation"


def a_word_is_not_agreed(city: City) -> str:
    city.land("weather.observation", spoil(city.rows("weather.observation"), "quality_flag", ["odd"]))
    return "weather.observation"


def a_code_has_another_shape(city: City) -> str:
    city.land("weather.observation", spoil(city.rows("weather.observation"), "station_id", ["k0000001"]))
    return "weather.observation"


def rows_stand_in_two_files(city: City) -> str:
    rows = city.rows("weather.observation")
    city.land("weather.observation", rows)
    city.land("weather.observation", rows.head(3))
    return "weather.observation"


def a_register_came_with_few_rows(city: City) -> str:
    city.land("weather.station", city.rows("weather.station", 5))
    return "weather.station"


def the_newest_event_is_old(city: City) -> str:
    city.land("weather.observation", city.rows("weather.observation"))
    city.now = NOW + timedelta(hours=3)
    return "weather.observation"


def a_sensor_reads_too_warm(city: City) -> str:
    warm = city.rows("weather.observation").with_columns(pl.col("air_temperature_c") + 20)
    city.land("weather.observation", warm)
    return "weather.observation"


def stations_are_unknown(city: City) -> str:
    rows = spoil(city.rows("weather.observation"), "station_id", ["ZZZ1", "ZZZ2", "ZZZ3"])
    city.land("weather.observation", rows)
    return "weather.observation"


def more_people_than_registered(city: City) -> str:
    small = spoil(city.rows("housing.site"), "workers_registered", [20]).head(1)
    city.land("housing.site", small.with_columns(pl.lit("second").alias("name_zh")), state="admitted", run_id="run-0")
    city.land("housing.attendance", city.rows("housing.attendance"))
    return "housing.attendance"


def a_third_was_refused(city: City) -> str:
    feed = "weather.observation"
    city.land(feed, city.rows(feed))
    refuse(city.engine, feed, 100)
    return feed


def refuse(engine: sa.Engine, feed_id: str, n_rows: int) -> None:
    """Rows of the newest batch stand in quarantine."""
    b = tables.batch.c
    with engine.begin() as connection:
        batch = connection.execute(
            sa.select(tables.batch).where(b.feed_id == feed_id).order_by(b.batch_id.desc())
        ).first()
        assert batch is not None
        connection.execute(
            sa.update(tables.batch)
            .where(b.batch_id == batch.batch_id)
            .values(
                rows_in=batch.rows_in + n_rows,
                rows_quarantined=n_rows,
                received_at=NOW,
            )
        )
        connection.execute(
            sa.insert(tables.quarantine).values(
                feed_id=feed_id,
                batch_id=batch.batch_id,
                reason="wrong_type",
                grain="batch",
                outcome="quarantined",
                source_ref="test",
                locator="",
                n_rows=n_rows,
                archive_sha256="0",
                contract_version="1",
                at=NOW,
            )
        )


PLANTED: dict[Kind, Callable[[City], str]] = {
    "not_null": a_column_is_empty,
    "range": a_value_is_beyond_its_range,
    "allowed": a_word_is_not_agreed,
    "pattern": a_code_has_another_shape,
    "unique_key": rows_stand_in_two_files,
    "volume": a_register_came_with_few_rows,
    "freshness": the_newest_event_is_old,
    "distribution_drift": a_sensor_reads_too_warm,
    "reference": stations_are_unknown,
    "sum": more_people_than_registered,
    "refused": a_third_was_refused,
}


def test_every_kind_has_a_planted_failure() -> None:
    assert set(PLANTED) == set(get_args(Kind)) - {"checks"}


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_failure_is_caught_by_its_kind_alone(city: City, kind: Kind) -> None:
    verdicts = city.check(PLANTED[kind](city))
    assert {v.kind for v in verdicts} >= {kind}
    assert [(v.kind, v.verdict) for v in verdicts if v.verdict != "passed"] == [(kind, "failed")]


@pytest.mark.case("engineer.1")
def test_a_large_share_refused_fails_and_holds_nothing(city: City) -> None:
    feed = a_third_was_refused(city)
    verdict = next(v for v in city.check(feed) if v.kind == "refused")
    assert (verdict.verdict, verdict.severity, verdict.batch_ids, verdict.blocks) == (
        "failed",
        "error",
        verdict.batch_ids,
        False,
    )
    assert "% of the last delivery was refused" in verdict.message_en


@pytest.mark.case("engineer.1")
def test_a_delivery_of_which_nothing_landed_fails_although_no_row_is_there_to_judge(city: City) -> None:
    feed = "weather.warning"
    land(city.home, city.engine, city.contracts[feed], [], state="rejected")
    refuse(city.engine, feed, 100)
    (refused,) = (v for v in city.check(feed) if v.kind == "refused")
    assert (refused.verdict, refused.severity, refused.observed) == ("failed", "error", 100.0)
    assert "nothing of the newest delivery landed" in refused.message_en
    assert "全部被拒收" in refused.message_zh


# ── where the line runs ───────────────────────────────────────────────────────────────────────────────────────────────
def test_rows_that_landed_before_are_found_in_admitted_files(city: City) -> None:
    city.land("weather.observation", city.rows("weather.observation"), state="admitted", run_id="run-0")
    again = city.rows("weather.observation").head(7)
    city.land("weather.observation", again)
    assert observed(city.check("weather.observation"), "unique_key") == 7


def test_corrections_are_not_duplicates(city: City) -> None:
    rows = city.rows("weather.observation")
    city.land("weather.observation", rows, state="admitted", run_id="run-0")
    city.land("weather.observation", rows.with_columns(pl.col("rain_1h_mm") + 1))
    assert observed(city.check("weather.observation"), "unique_key") == 0


def test_one_key_with_two_contents_in_one_batch_has_no_newest(city: City) -> None:
    rows = city.rows("weather.observation")
    other = rows.head(1).with_columns(pl.col("rain_1h_mm") + 1)
    city.land("weather.observation", pl.concat([rows, other]))
    assert observed(city.check("weather.observation"), "unique_key") == 2


def test_a_column_that_history_lacks_makes_a_correction_not_a_copy(city: City) -> None:
    rows = city.rows("weather.observation")
    city.land("weather.observation", rows.drop("visibility_m"), state="admitted", run_id="run-0")
    city.land("weather.observation", rows)
    assert observed(city.check("weather.observation"), "unique_key") == 0


def test_a_feed_that_sends_everything_each_time_may_repeat_itself(city: City) -> None:
    city.land("weather.station", city.rows("weather.station"))
    city.land("weather.station", city.rows("weather.station"))
    assert observed(city.check("weather.station"), "unique_key") == 0


def test_rows_sent_again_unchanged_count_for_volume(city: City) -> None:
    city.land("weather.station", city.rows("weather.station", 5), rows_ignored=5)
    assert observed(city.check("weather.station"), "volume") == 10


def test_a_batch_of_one_cold_hour_is_no_drift(city: City) -> None:
    """Only the same hours of day and the same devices are compared."""
    night = pl.col("observed_at").dt.convert_time_zone("Asia/Shanghai").dt.hour() == 1
    cold = pl.when(night).then(pl.col("air_temperature_c") - 20).otherwise("air_temperature_c")
    feed = "weather.observation"
    for back in range(20, 10, -1):
        day = TODAY - timedelta(days=back)
        rows = good_rows(city.contracts[feed], day=day).with_columns(cold.alias("air_temperature_c"))
        city.land(feed, rows, day=day, state="admitted", run_id="run-0")
    with city.engine.begin() as connection:  # the uniform nights of the fixture would mix with these
        connection.execute(
            sa.text("update ledger_file set state = 'replaced' where feed_id = :f and landed_on > :d"),
            {"f": feed, "d": (TODAY - timedelta(days=10)).isoformat()},
        )
    city.land(feed, city.rows(feed).with_columns(cold.alias("air_temperature_c")).filter(night))
    assert observed(city.check(feed), "distribution_drift") < 2


def test_too_little_history_is_said_and_not_judged(city: City) -> None:
    feed = "emergency.tailings_reading"
    city.history(feed, days=3)
    city.land("emergency.tailings_point", city.rows("emergency.tailings_point"), state="admitted")
    city.land(feed, city.rows(feed).with_columns(pl.col("pore_pressure_kpa") * 2))
    drift = next(v for v in city.check(feed) if v.kind == "distribution_drift")
    assert drift.observed is None
    assert "nothing was judged" in drift.message_en
    assert "未作判断" in drift.message_zh


def test_without_its_register_a_reading_is_unknown(city: City) -> None:
    city.land("emergency.tailings_reading", city.rows("emergency.tailings_reading"))
    reference = next(v for v in city.check("emergency.tailings_reading") if v.kind == "reference")
    assert (reference.verdict, reference.observed) == ("failed", 100.0)
    assert "emergency.tailings_point has no rows yet" in reference.message_en


def test_a_feed_that_never_spoke_is_not_fresh(city: City) -> None:
    verdicts = city.check("resources.geo_reading")
    assert [(v.kind, v.verdict, v.batch_ids) for v in verdicts] == [("freshness", "failed", ())]
    assert "no event has ever arrived" in verdicts[0].message_en.lower()


def test_a_new_home_gives_a_feed_its_agreed_time_first(city: City) -> None:
    agreed = city.contracts["resources.geo_reading"].late_after
    with city.engine.begin() as connection:
        run = {"run_id": "run-0", "started_at": NOW - agreed, "step": "done", "result": "passed", "detail": ""}
        connection.execute(sa.insert(tables.run).values(**run))
    (verdict,) = city.check("resources.geo_reading", NOW)
    assert (verdict.verdict, verdict.observed) == ("passed", None)
    assert "agreed time is not over" in verdict.message_en
    (verdict,) = city.check("resources.geo_reading", NOW + timedelta(seconds=1))
    assert verdict.verdict == "failed"
    assert "no event has ever arrived" in verdict.message_en.lower()


def observed(verdicts: list[Verdict], kind: Kind) -> float:
    (value,) = (v.observed for v in verdicts if v.kind == kind)
    assert value is not None
    return value
