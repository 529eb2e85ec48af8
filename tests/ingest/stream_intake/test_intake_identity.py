"""Who passed the door speaks for itself and for what the register places behind it, never for another device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import Home
from core.stages import Batch, Payload
from core.store import database
from core.store.ledger import batch_id_of
from core.stream.raw import RawEntry, pack
from core.stream.reader import Taken
from ingest.devices.known import KnownDevices
from ingest.intake.seen import SeenRows
from ingest.intake.tick import Feed, Shaped, Ticker
from ingest.land.accept import LandingRequest, LandingZone, accept
from ingest.protocols.jt808 import encode as jt808
from ingest.protocols.sl651 import encode
from ingest.protocols.sl651.wire import build, take_apart
from ingest.pull import Intake, open_intake

NOW = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
AT_US, AT_MS = int(NOW.timestamp() * 1e6), int(NOW.timestamp() * 1e3)
GAS, POSITION, STATION = "urban.gas_reading", "transport.vehicle_position", "0011223344"
CONTRACTS = load_contracts()


def names_of(contract: Contract) -> list[str]:
    return [column.landed_name for column in contract.landed_columns]


def register(home: Home, engine: sa.Engine, feed_id: str, rows: list[dict[str, str]], mark: str = "1") -> None:
    """A landed register with nothing in it but these values."""
    contract = CONTRACTS[feed_id]
    frame = pl.DataFrame(rows).with_columns(
        pl.lit(NOW).dt.convert_time_zone("UTC").alias("_received_at"),
        pl.Series("_row", [str(n) for n in range(len(rows))]),
        *(
            pl.lit(None, pl.String).alias(c.landed_name)
            for c in contract.landed_columns
            if c.landed_name not in rows[0]
        ),
    )
    batch = Batch(batch_id_of(feed_id, mark), feed_id, frame, (), len(rows))
    payload = Payload(feed_id, b"", "json", "test", NOW)
    accept(LandingZone(home, engine), LandingRequest(contract, batch, payload, "0" * 64, "run"))


@pytest.fixture
def intake(home: Home) -> Iterator[Intake]:
    engine = database.open_ops(home.ops_url)
    gas = [{"device_id": "G1", "gateway_id": "GW1"}, {"device_id": "G2", "gateway_id": "GW2"}]
    register(home, engine, "urban.gas_device", gas)
    register(home, engine, "transport.vehicle", [{"terminal_id": "13800000002"}, {"terminal_id": "13800000001"}])
    register(home, engine, "water.station", [{"device_id": STATION}])
    yield open_intake(home, engine, "run-1", lambda: NOW)
    engine.dispose()


def ticker_of(intake: Intake) -> Ticker:
    known = KnownDevices(intake.home, intake.engine, CONTRACTS)
    known.refresh()
    feeds = {i: Feed(c, 0) for i, c in CONTRACTS.items() if c.is_stream}
    seen = SeenRows(lambda contract, _: pl.DataFrame(schema=dict.fromkeys(names_of(contract), pl.String)))
    return Ticker(intake, feeds, seen, known)


def heard(intake: Intake, feed_id: str, sender: str, body: Any) -> Shaped:
    """What a tick makes of one message."""
    ticker = ticker_of(intake)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    message = Taken(1, f"raw.{feed_id}.{sender}", pack([RawEntry(sender, AT_US, raw)]), "")
    return next(shaped for shaped in ticker.take_in([message], NOW) if shaped.feed_id == feed_id)


def gas(device: str | None) -> dict[str, Any]:
    return {"deviceId": device, "ts": AT_MS, "ch4Lel": 66, "st": "0"}


@pytest.mark.case("live.D3")
def test_an_unknown_device_lands_nowhere_and_is_heard(intake: Intake) -> None:
    ticker = ticker_of(intake)
    message = Taken(1, f"raw.{GAS}.G9", pack([RawEntry("G9", AT_US, json.dumps(gas("G9")).encode())]), "")
    rows = [one.frame for one in ticker.take_in([message], NOW) if one.feed_id == GAS and one.frame.height]
    (frame,) = rows
    assert frame.select("device_id", "methane_pct_lel", "_flags", "_sender").row(0) == (
        "G9",
        66.0,
        "unknown_device",
        "urban",
    )
    waiting = ticker.feeds[GAS].waiting
    assert waiting.rows == 0
    assert [(note.reason, note.found) for note in waiting.notes] == [("unknown_device", "G9")]


def test_a_device_that_was_registered_a_moment_ago_lands(intake: Intake) -> None:
    ticker = ticker_of(intake)
    register(intake.home, intake.engine, "urban.gas_device", [{"device_id": "G9", "gateway_id": "GW1"}], "2")
    entries = [RawEntry(sender, AT_US, json.dumps(gas("G9")).encode()) for sender in ("G9", "GW1")]
    ticker.take_in([Taken(1, f"raw.{GAS}.G9", pack(entries), "")], NOW)
    waiting = ticker.feeds[GAS].waiting
    assert (waiting.rows, len(waiting.repeats)) == (1, 0)
    assert {note.reason for note in waiting.notes} <= {"duplicate"}


@pytest.mark.case("live.C6")
def test_an_alarm_that_cannot_become_a_row_is_told(intake: Intake) -> None:
    alarmed = jt808.location_body(jt808.Position(NOW, 111.3, 30.7, alarm_bits=1))
    quiet = jt808.location_body(jt808.Position(NOW, 111.3, 30.7))
    told = []
    for number, position in enumerate((alarmed, quiet), 1):
        frame = jt808.frame(jt808.Sender("13800000001", 2013), 0x0200, number, position)
        # The session says that another terminal sent it: the row is kept out, the alarm in it is not.
        entry = pack([RawEntry("13800000002", AT_US, frame)])
        told += ticker_of(intake).take_in([Taken(number, f"raw.{POSITION}.x", entry, "")], NOW)
    (unplaced,) = (one.frame for one in told if one.feed_id == "intake.unreadable_alarm")
    assert unplaced.select("feed_id", "sender", "reason", "place").row(0) == (
        POSITION,
        "13800000002",
        "foreign_device",
        "1.0.0",
    )


@pytest.mark.case("live.C6")
@pytest.mark.parametrize(("alarm_bits", "n_told"), [(1, 1), (0, 0)])
def test_a_frame_that_cannot_be_read_tells_its_alarm(intake: Intake, alarm_bits: int, n_told: int) -> None:
    body = jt808.location_body(jt808.Position(NOW, 111.3, 30.7, alarm_bits=alarm_bits))
    frame = jt808.frame(jt808.Sender("13800000001", 2013), 0x0200, 1, body)
    entry = pack([RawEntry("13800000001", AT_US, frame[:-2] + bytes([frame[-2] ^ 1]) + b"\x7e")])
    told = ticker_of(intake).take_in([Taken(1, f"raw.{POSITION}.x", entry, "")], NOW)
    unplaced = [one.frame for one in told if one.feed_id == "intake.unreadable_alarm"]
    assert [one.select("feed_id", "sender", "reason", "_received_at").row(0) for one in unplaced] == [
        (POSITION, "13800000001", "bad_frame", NOW)
    ] * n_told
    assert all(str(one["found"][0]).startswith("sos: ") for one in unplaced)


@pytest.mark.case("live.D1", "live.D4", "security.H2")
@pytest.mark.parametrize("claimed", ["G2", "G9", "GW1", STATION])
def test_the_id_in_the_body_does_not_beat_the_topic(intake: Intake, claimed: str) -> None:
    shaped = heard(intake, GAS, "G1", gas(claimed))
    assert shaped.frame.is_empty()
    assert shaped.quarantined == 1


@pytest.mark.case("live.D1")
def test_of_an_array_only_the_foreign_rows_are_kept_out(intake: Intake) -> None:
    shaped = heard(intake, GAS, "G1", [gas("G1"), gas("G2"), gas(None)])
    assert shaped.frame["device_id"].to_list() == ["G1"]
    assert shaped.quarantined == 1


def test_a_gateway_speaks_for_what_is_behind_it(intake: Intake) -> None:
    shaped = heard(intake, GAS, "GW1", [gas("G1"), gas("G2")])
    assert shaped.frame["device_id"].to_list() == ["G1"]
    assert shaped.quarantined == 1


@pytest.mark.case("live.D2")
def test_a_station_inside_another_stations_frame_does_not_land(intake: Intake) -> None:
    groups = [encode.Group(NOW, {"level_m": 3.2})]
    (frame,) = encode.report(encode.Sender(STATION), 0x32, 1, NOW, groups)
    assert heard(intake, "water.river_reading", STATION, frame).frame.height == 1
    wire = take_apart(frame)
    named = bytes.fromhex(f"F1F1{STATION}")
    assert named in wire.body
    spoilt = build(replace(wire, body=wire.body.replace(named, bytes.fromhex("F1F19988776655"))))
    shaped = heard(intake, "water.river_reading", STATION, spoilt)
    assert shaped.frame.is_empty()
    assert shaped.quarantined == 1
