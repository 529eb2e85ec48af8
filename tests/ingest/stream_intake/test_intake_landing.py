"""Landing a stream without a broker: a failure between two feeds, many small files merged and restored, admission."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from intake_process import GAS, landed, message, reading

from core.catalogue import load_contracts
from core.contract import Contract, ContractError
from core.settings import Home
from core.stages import Landed
from core.store import database, tables
from core.store.landed import live_files
from core.store.stream_position import open_stream
from core.stream.publish import place_of, raw_messages
from core.stream.reader import Taken
from core.stream.streams import RAW
from ingest.intake import lander
from ingest.intake.lander import Lander, landed_rows, read_cursors, run_of, take_load
from ingest.intake.seen import SeenRows
from ingest.intake.tick import NOTES_KEPT, Feed, Shaped, Ticker
from ingest.land.accept import LandingRequest, LandingZone
from ingest.land.compact import FILES_WORTH_MERGING, compact, delete_replaced
from ingest.protocols.jt808 import encode
from ingest.pull import Intake, open_intake
from ingest.reprocess.restore import restore
from quality.run import check_feed

NOW = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
AT_MS = int(NOW.timestamp() * 1000)
POSITION, BEHAVIOUR = "transport.vehicle_position", "transport.driver_behaviour"


class Stream:
    """RAW and intake of one home without a broker between them."""

    def __init__(self, intake: Intake, contracts: dict[str, Contract]) -> None:
        feeds = {i: c for i, c in contracts.items() if c.is_stream}
        position = open_stream(intake.engine, RAW, NOW).sequence
        cursors = read_cursors(intake.engine, list(feeds))
        self.intake, self.sequence = intake, position
        seen = SeenRows(lambda contract, day: landed_rows(intake, contract, day))
        self.ticker = Ticker(intake, {i: Feed(c, cursors[i]) for i, c in feeds.items()}, seen)
        self.lander = Lander(intake, feeds, cursors)

    def tick(self, *bodies: Any, feed: str = GAS, now: datetime = NOW) -> list[Shaped]:
        """One message, taken in by itself."""
        self.sequence += 1
        return self.ticker.take_in([Taken(self.sequence, f"raw.{feed}.d", message(*bodies, at=now), "")], now)

    def land(self, now: datetime = NOW) -> None:
        """Land what waits."""
        self.lander.land(take_load(self.ticker, self.sequence, ""), now, {})


@pytest.fixture
def contracts() -> dict[str, Contract]:
    return load_contracts()


@pytest.fixture
def intake(home: Home) -> Iterator[Intake]:
    engine = database.open_ops(home.ops_url)
    yield open_intake(home, engine, "run-1", lambda: NOW)
    engine.dispose()


@pytest.fixture
def stream(intake: Intake, contracts: dict[str, Contract]) -> Stream:
    return Stream(intake, contracts)


def frames(number: int) -> Sequence[bytes]:
    """A position, and one with a driver who is tired."""
    sender, place = encode.Sender("13812345678", 2013), encode.Position(NOW - timedelta(minutes=number), 111.28, 30.69)
    alarm = encode.dsm(place, 1, "YC00001", alarm_no=number, level=2, phase=1, fatigue_degree=7)
    tired = replace(place, items=(alarm,), observed_at=place.observed_at - timedelta(seconds=20))
    return encode.location(sender, 1, place), encode.location(sender, 2, tired)


def test_a_failure_between_two_feeds_lands_each_once(
    intake: Intake, stream: Stream, contracts: dict[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.tick(*frames(1), feed=POSITION)
    load, real = take_load(stream.ticker, stream.sequence, ""), lander.accept

    def full_disk(zone: LandingZone, request: LandingRequest) -> Landed | None:
        if request.contract.id == POSITION:
            raise OSError("no space left")
        return real(zone, request)

    with monkeypatch.context() as patch:
        patch.setattr(lander, "accept", full_disk)
        with pytest.raises(OSError, match="no space"):
            stream.lander.land(load, NOW, {})
    assert open_stream(intake.engine, RAW, NOW).sequence == 0
    later = Stream(intake, contracts)  # the process died instead of trying again: RAW is read from the position on
    later.tick(*frames(1), feed=POSITION)
    later.tick(*frames(2), feed=POSITION)
    later.land()
    assert (landed(intake.home, BEHAVIOUR).height, landed(intake.home, POSITION).height) == (2, 4)
    assert open_stream(intake.engine, RAW, NOW).sequence == 2


def test_live_gets_only_what_it_lacks(stream: Stream) -> None:
    (first,) = stream.tick(reading("GD1", AT_MS), [reading("GD2", AT_MS), reading("GD3", AT_MS)])
    messages = raw_messages(GAS, first.frame, NOW, 400)
    assert [m.message_id for m in messages] == [f"raw:{GAS}:1.0", f"raw:{GAS}:1.1.0", f"raw:{GAS}:1.1.1"]
    stream.ticker.feeds[GAS].place = place_of("2.0")
    (second,) = stream.tick(reading("GD1", AT_MS - 1), reading("GD2", AT_MS - 1))
    assert second.frame["_row"].to_list() == ["2.1"]
    assert stream.ticker.rows_waiting == 5


def test_many_small_landings_merge_and_come_back(
    intake: Intake, stream: Stream, contracts: dict[str, Contract]
) -> None:
    for number in range(FILES_WORTH_MERGING):
        stream.tick(reading("GD1", AT_MS - number), reading("GD1", AT_MS), now=NOW + timedelta(seconds=number))
        stream.land(NOW + timedelta(seconds=number))
    before = landed(intake.home, GAS).sort("_row")
    assert before.height == FILES_WORTH_MERGING
    with intake.engine.begin() as connection:
        connection.execute(sa.update(tables.batch).values(state="admitted"))
        connection.execute(sa.update(tables.file).values(built_at=NOW))
    later = NOW + timedelta(minutes=1)
    assert compact(intake.home, intake.engine, contracts, later) == 1
    delete_replaced(intake.home, intake.engine, later + timedelta(seconds=1))
    (merged,) = live_files(intake.engine, intake.home, GAS)
    assert landed(intake.home, GAS).sort("_row").equals(before)
    merged.unlink()
    assert restore(intake, contracts).batches == 1
    assert landed(intake.home, GAS).sort("_row").equals(before)
    again = Stream(intake, contracts)
    again.tick(reading("GD1", AT_MS - 3), reading("GD1", AT_MS + 1))
    again.land(later)
    assert landed(intake.home, GAS).height == before.height + 1


def test_a_batch_of_a_stream_passes_its_checks(intake: Intake, stream: Stream, contracts: dict[str, Contract]) -> None:
    stream.tick(reading("GD1", AT_MS - 1), reading("GD1", AT_MS))
    stream.tick(reading("GD1", AT_MS), reading("GD1", AT_MS, 9.0), reading("GD2", AT_MS))
    stream.land()
    verdicts = check_feed(intake.home, intake.engine, contracts[GAS], contracts, "run-1", NOW)
    found = {v.kind: (v.verdict, v.observed) for v in verdicts}
    assert (found["unique_key"], found["volume"]) == (("passed", 0.0), ("passed", 5.0))


def test_held_batches_are_judged_by_the_hour() -> None:
    assert run_of(NOW) == run_of(NOW + timedelta(minutes=59)) != run_of(NOW + timedelta(hours=1))


def test_a_flood_of_bad_frames_is_counted_not_listed(intake: Intake, stream: Stream) -> None:
    stream.tick(*[b"x"] * (NOTES_KEPT + 500), reading("GD1", AT_MS))
    stream.land()
    q = tables.quarantine.c
    with intake.engine.connect() as connection:
        grains = connection.execute(sa.select(q.grain, sa.func.count(), sa.func.sum(q.n_rows)).group_by(q.grain)).all()
    assert sorted(map(tuple, grains)) == [("batch", 1, 500), ("row", NOTES_KEPT, NOTES_KEPT)]


def test_a_message_that_breaks_us_costs_itself_alone(
    stream: Stream, intake: Intake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ingest.intake import tick
    from ingest.parse import frames as parsing

    def fragile(messages: Sequence[Any], contracts: Sequence[Contract]) -> Any:
        if any(b"GD-bad" in one.body for one in messages):
            raise ZeroDivisionError
        return parsing.tables_of(messages, contracts)

    monkeypatch.setattr(tick, "tables_of", fragile)
    bodies = [message(reading(device, AT_MS), at=NOW) for device in ("GD1", "GD-bad", "GD3", "GD4")]
    taken = [Taken(number, f"raw.{GAS}.d", body, "") for number, body in enumerate(bodies, 1)]
    stream.sequence = 4
    live = pl.concat(s.frame for s in stream.ticker.take_in(taken, NOW) if not s.frame.is_empty())
    assert live["device_id"].to_list() == ["GD1", "GD3", "GD4"]
    stream.land()
    with intake.engine.connect() as connection:
        notes = connection.execute(sa.select(tables.quarantine.c.reason, tables.quarantine.c.locator)).all()
    assert [tuple(note) for note in notes] == [("bad_frame", "2")]
    assert "message 2 cannot be read" in caplog.text


def test_feeds_that_share_frames_agree_how_to_read_them(intake: Intake, contracts: dict[str, Contract]) -> None:
    server = contracts[BEHAVIOUR].server
    other = replace(server, options={**server.options, "lenient": ["wrong_checksum"]})
    with pytest.raises(ContractError, match="make them equal"):
        Stream(intake, {**contracts, BEHAVIOUR: replace(contracts[BEHAVIOUR], server=other)})
    del contracts[POSITION]
    with pytest.raises(ContractError, match="no stream contract"):
        Stream(intake, contracts)
