"""The same rows land alike whichever way they come in, with what else the ledger knows of them, and once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from core.contract import Contract
from core.settings import Home
from core.stages import Batch, Note, Payload, value_schema
from core.store import tables
from core.store.database import open_ops
from core.store.landed import live_files
from core.stream import live, raw
from core.stream.raw import RawEntry
from core.stream.reader import Taken
from ingest.devices.bad_frames import BadEntry, BadFrames, write_bad_frames
from ingest.devices.receipt import deliver_into
from ingest.intake.lander import Lander, landed_rows, read_cursors, take_load
from ingest.intake.seen import SeenRows
from ingest.intake.tick import Feed, Ticker
from ingest.land.notes import record_notes
from ingest.land.repeats import split_duplicates
from ingest.pull import Intake, open_intake, pull_feed
from ingest.reprocess.quarantine import replay
from ingest.reprocess.reland import reland, withdraw
from ingest.reprocess.restore import restore
from listening import open_contracts

AT = datetime(2026, 7, 10, 4, tzinfo=UTC)
GAS = "urban.gas_reading"


def with_reporter(contract: Contract) -> Contract:
    """The feed with a person in every row."""
    column = replace(
        contract.column("device_id"),
        name="reporter",
        physical_name="reporter",
        key_position=None,
        required=False,
        concept=None,
        mask="hash",
    )
    return replace(contract, columns=(*contract.columns, column))


STREAM = with_reporter(open_contracts(GAS)[GAS])
FILES = replace(STREAM, server=replace(STREAM.server, kind="files", options={}))
STRICT = replace(  # refuses every row that names its reporter
    FILES,
    version="0.9.0",
    columns=tuple(
        replace(c, logical_type="integer", mask="none", required=True) if c.name == "reporter" else c
        for c in FILES.columns
    ),
)


def reading(device: str | None, lel: float = 1.5) -> dict[str, Any]:
    record = {"deviceId": device, "ts": live.micros(AT) // 1000, "ch4Lel": lel, "st": "0", "reporter": "li"}
    return {name: value for name, value in record.items() if value is not None}


BEFORE = [reading("GD1")]
ROWS = [
    reading("GD1"),  # landed before
    reading("GD2"),  # superseded by the next
    reading("GD2", 2.5),
    reading("GD3"),
    reading("GD3"),  # said twice
    {"ts": live.micros(AT) // 1000, "ch4Lel": 1.0},  # of no device
]


@pytest.fixture
def intake(home: Home) -> Iterator[Intake]:
    engine = open_ops(home.ops_url)
    yield open_intake(home, engine, "run-1", lambda: AT)
    engine.dispose()


def payload(records: Sequence[Mapping[str, Any]]) -> Payload:
    return Payload(GAS, json.dumps(records).encode(), "json", f"{len(records)}.json", AT)


def by_pull(intake: Intake, contract: Contract = FILES) -> Contract:
    for records in (BEFORE, ROWS):
        outcome = pull_feed(intake, contract, [payload(records)])
        assert outcome.result in ("landed", "rejected"), outcome
    return contract


def by_push(intake: Intake) -> Contract:
    deliver = deliver_into(intake, {GAS: FILES})
    assert [deliver(payload(records)).result for records in (BEFORE, ROWS, ROWS)] == ["landed", "landed", "ignored"]
    return FILES


def by_stream(intake: Intake) -> Contract:
    cursors = read_cursors(intake.engine, [GAS])
    ticker = Ticker(intake, {GAS: Feed(STREAM)}, SeenRows(lambda one, day: landed_rows(intake, one, day)))
    lander, sequence = Lander(intake, {GAS: STREAM}, cursors), 0
    for records in (BEFORE, ROWS):
        for record in records:
            sequence += 1
            body = raw.pack([RawEntry("", live.micros(AT), json.dumps(record).encode())])
            ticker.take_in([Taken(sequence, f"raw.{GAS}.d", body, "")], AT)
        lander.land(take_load(ticker, sequence, ""), AT, {})
    return STREAM


def by_frames(intake: Intake) -> Contract:
    """Frames that a door could not read, and that are read again."""
    for number, records in enumerate((BEFORE, ROWS)):
        frames = BadFrames()
        for record in records:
            frames.keep(GAS, "mqtt", "GD1", BadEntry("", json.dumps(record).encode(), "odd", "a reading", AT))
        at = AT + timedelta(microseconds=number)
        (batch,) = frames.take(at)
        write_bad_frames(intake.home, intake.engine, intake.archive, {GAS: STREAM}, batch, at)
        assert sum(done.rows_landed for done in replay(intake, {GAS: STREAM})) == (1, 2)[number]
    return STREAM


def by_replay(intake: Intake) -> Contract:
    """Rows that an older contract refused."""
    assert pull_feed(intake, FILES, [payload(BEFORE)]).result == "landed"
    assert pull_feed(intake, STRICT, [payload(ROWS)]).result == "rejected"
    assert [done.rows_landed for done in replay(intake, {GAS: FILES})] == [2]
    assert [(done.rows_asked, done.rows_landed) for done in replay(intake, {GAS: FILES})] == [(1, 0)]
    return FILES


def by_reland(intake: Intake) -> Contract:
    by_pull(intake, STRICT)
    done = reland(replace(intake, run_id="run-2"), FILES, "li", "a name is no number")
    assert (done.batches, done.rows_landed) == (2, 3)
    return FILES


def landed(intake: Intake, contract: Contract) -> pl.DataFrame:
    files = live_files(intake.engine, intake.home, GAS)
    rows = pl.concat([pl.read_parquet(path) for path in files], how="diagonal_relaxed")
    return rows.select(list(value_schema(contract))).sort("device_id")


def found(intake: Intake) -> dict[tuple[str, str], int]:
    """Rows that wait or were left out, by outcome and reason."""
    q, rows = tables.quarantine.c, Counter[tuple[str, str]]()
    query = sa.select(q.outcome, q.reason, q.n_rows).where(
        q.replayed_at.is_(None), q.outcome.in_(("quarantined", "ignored")), q.reason != "resent_file"
    )
    with intake.engine.connect() as connection:
        for outcome, reason, n_rows in connection.execute(query):
            rows[outcome, reason] += n_rows
    return dict(rows)


@pytest.mark.parametrize("way", [by_pull, by_push, by_stream, by_frames, by_replay, by_reland])
def test_every_way_in_lands_the_same(intake: Intake, way: Callable[[Intake], Contract]) -> None:
    contract = way(intake)
    rows = landed(intake, contract)
    assert rows.select("device_id", "methane_pct_lel").rows() == [("GD1", 1.5), ("GD2", 2.5), ("GD3", 1.5)]
    assert found(intake) == {
        ("quarantined", "missing_key"): 1,
        ("ignored", "duplicate"): 2,
        ("ignored", "superseded"): 1,
    }
    b, (hash_,) = tables.batch.c, set(rows[contract.columns[-1].landed_name])
    with intake.engine.connect() as connection:
        counts = sa.select(sa.func.sum(b.rows_landed)).where(b.state == "landed")
        assert connection.scalar(counts) == 3
        assert connection.scalars(sa.select(tables.vault.c.hash)).all() == [hash_]
    for path in live_files(intake.engine, intake.home, GAS):
        path.unlink()
    assert restore(intake, {GAS: contract}).lost == {}
    assert landed(intake, contract).equals(rows)


def lels(intake: Intake) -> list[float]:
    """What landed of the devices' gas, in landing order."""
    rows = [pl.read_parquet(path) for path in live_files(intake.engine, intake.home, GAS)]
    return pl.concat(rows)["methane_pct_lel"].to_list() if rows else []


def test_a_value_that_returns_lands_and_one_that_stays_does_not(home: Home) -> None:
    engine = open_ops(home.ops_url)
    for number, lel in enumerate((1.5, 2.5, 1.5, 1.5)):
        at = AT + timedelta(minutes=number)
        intake = open_intake(home, engine, "run-1", lambda at=at: at)  # type: ignore[misc]
        sent = replace(payload([reading("GD1", lel)]), received_at=at, source_ref=f"{number}.json")
        pull_feed(intake, FILES, [replace(sent, body=sent.body + b" " * number)])
    assert lels(intake) == [1.5, 2.5, 1.5]
    engine.dispose()


def test_what_a_held_batch_says_is_still_to_be_said(intake: Intake) -> None:
    pull_feed(intake, FILES, [payload(BEFORE)])
    with intake.engine.begin() as connection:
        connection.execute(sa.update(tables.batch).values(state="held"))
    pull_feed(intake, FILES, [payload(ROWS)])
    with intake.engine.begin() as connection:
        connection.execute(sa.update(tables.file).where(tables.file.c.rows == 1).values(state="withdrawn"))
    assert sorted(lels(intake)) == [1.5, 1.5, 2.5]


def test_what_was_taken_back_of_a_stream_may_be_sent_again(intake: Intake) -> None:
    cursors = read_cursors(intake.engine, [GAS])
    ticker = Ticker(intake, {GAS: Feed(STREAM)}, SeenRows(lambda one, day: landed_rows(intake, one, day)))
    lander = Lander(intake, {GAS: STREAM}, cursors)

    def send(sequence: int) -> None:
        body = raw.pack([RawEntry("", live.micros(AT), json.dumps(reading("GD1")).encode())])
        ticker.take_in([Taken(sequence, f"raw.{GAS}.d", body, "")], AT)
        lander.land(take_load(ticker, sequence, ""), AT, {})

    send(1)
    send(2)
    assert lels(intake) == [1.5]
    with intake.engine.connect() as connection:
        batch_id = connection.scalar(sa.select(tables.file.c.batch_id))
    withdraw(intake, STREAM, str(batch_id), "li", "a test of the device")
    assert lels(intake) == []
    ticker.forget_withdrawn()
    send(3)
    assert lels(intake) == [1.5]


def test_a_group_that_is_found_again_goes_on_waiting(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    pull_feed(intake, STRICT, [payload(ROWS)])
    lost, shape = Note("wrong_time_zone", "batch", "quarantined", "", n_rows=2), Intake.shape
    with intake.engine.begin() as connection:
        source = connection.scalar(sa.select(tables.batch.c.batch_id))
        record_notes(connection, FILES, str(source), [lost], payload(ROWS), "")

    def with_group(self: Intake, contract: Contract, one: Payload, batch_id: str) -> Batch:
        shaped = shape(self, contract, one, batch_id)
        return replace(shaped, notes=(*shaped.notes, lost))

    monkeypatch.setattr(Intake, "shape", with_group)
    assert [done.rows_landed for done in replay(intake, {GAS: FILES})] == [3]
    assert found(intake)["quarantined", "wrong_time_zone"] == 2


def test_a_replay_killed_before_its_rows_are_marked_has_not_happened(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    pull_feed(intake, STRICT, [payload(ROWS)])
    with monkeypatch.context() as patch:
        patch.setattr("ingest.reprocess.quarantine._mark", killed)
        with pytest.raises(KeyboardInterrupt):
            replay(intake, {GAS: FILES})
    assert live_files(intake.engine, intake.home, GAS) == []
    newer = replace(FILES, version="1.1.0")  # another contract by then, which would have landed all of it again
    assert [done.rows_landed for done in replay(intake, {GAS: newer})] == [3]
    assert landed(intake, FILES)["device_id"].to_list() == ["GD1", "GD2", "GD3"]


def test_files_older_than_a_column_and_keys_that_are_hashed_are_compared(tmp_path: Path) -> None:
    columns = tuple(replace(c, mask="hash") if c.name == "device_id" else c for c in FILES.columns)
    contract = replace(FILES, columns=columns)
    key = contract.column("device_id").landed_name
    schema = value_schema(contract)
    new = pl.DataFrame({key: ["a", "b"], "observed_at": [AT, AT], "_row": ["#1", "#2"]})
    frame = pl.DataFrame(schema={**schema, "_row": pl.String()}).join(new, on=list(new.columns), how="right")
    frame = frame.select(*schema, "_row")
    old = tmp_path / "old.parquet"
    frame.head(1).select(key, "observed_at").write_parquet(old)
    rest, places = split_duplicates(frame, contract, [old])
    assert (rest["_row"].to_list(), places) == (["#2"], ["#1"])


def test_a_landed_file_that_is_gone_keeps_nobody_from_delivering(
    intake: Intake, caplog: pytest.LogCaptureFixture
) -> None:
    pull_feed(intake, FILES, [payload(BEFORE)])
    for path in live_files(intake.engine, intake.home, GAS):
        path.unlink()
    assert pull_feed(intake, FILES, [payload(ROWS)]).result == "landed"
    assert "cannot be read" in caplog.text


def test_files_of_another_type_and_damaged_ones_are_no_end(tmp_path: Path) -> None:
    schema = value_schema(FILES)
    number = next(name for name, kind in schema.items() if kind == pl.Float64)
    row = {FILES.column("device_id").landed_name: "GD1", "observed_at": AT, number: 7.0}
    frame = pl.DataFrame([{name: row.get(name) for name in schema} | {"_row": "#1"}], {**schema, "_row": pl.String()})
    whole, cut = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    frame.select(pl.exclude("_row")).with_columns(pl.col(number).cast(pl.Int64)).write_parquet(whole)
    cut.write_bytes(whole.read_bytes()[:40])
    rest, places = split_duplicates(frame, FILES, [cut, whole])
    assert (rest.height, places) == (0, ["#1"])
