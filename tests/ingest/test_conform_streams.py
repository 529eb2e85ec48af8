"""What devices send: clocks judged against receipt, values that cost nothing but themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.boundaries import load_areas
from core.catalogue import load_contracts
from core.contract import Contract
from core.stream.bundle import StoredMessage
from core.stream.live import micros
from core.stream.raw import RawEntry, pack
from ingest.conform import ConformContext, Conformed, DeviceClocks, conform
from ingest.parse.frames import tables_of
from ingest.protocols import gb26875
from ingest.protocols.jt808 import encode

NOW = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
AREAS = load_areas()
CONTRACTS = load_contracts()
GAS = CONTRACTS["urban.gas_reading"]
DEVICE = "GD420500000001"


def ms(at: datetime) -> int:
    return micros(at) // 1000


def entry(body: Any, at: datetime = NOW, device: str = DEVICE) -> RawEntry:
    return RawEntry(device, micros(at), body if isinstance(body, bytes) else json.dumps(body).encode())


def shape(contract: Contract, *entries: RawEntry, clocks: DeviceClocks | None = None, sequence: int = 1) -> Conformed:
    """One RAW message with these entries, as a tick conforms it."""
    streams = [c for c in CONTRACTS.values() if c.is_stream and c.raw_feed == contract.raw_feed]
    raw = tables_of([StoredMessage(sequence, pack(entries), 0)], streams)[contract.id]
    context = ConformContext(NOW, b"k" * 32, AREAS, clocks=clocks or DeviceClocks())
    shaped = conform(raw, contract, context)
    return replace(shaped, notes=(*raw.notes, *shaped.notes))


def gas(ts: Any, **values: Any) -> dict[str, Any]:
    return {"deviceId": DEVICE, "ts": ts, "ch4Lel": 60, "st": "0", **values}


def lost(shaped: Conformed) -> list[str]:
    return [note.reason for note in shaped.notes if note.outcome == "quarantined"]


# ── clocks ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.case("live.A1", "live.A2", "live.A5")
@pytest.mark.parametrize(
    "ts",
    [
        pytest.param(0, id="zero"),
        pytest.param(None, id="unset"),
        pytest.param("yesterday", id="no time"),
        pytest.param(ms(NOW) // 1000, id="seconds for milliseconds"),
        pytest.param(ms(NOW + timedelta(days=365)), id="a year ahead"),
        pytest.param(ms(NOW + timedelta(minutes=11)), id="beyond the tolerance"),
    ],
)
def test_receipt_stands_for_a_clock_that_is_wrong(ts: Any) -> None:
    shaped = shape(GAS, entry(gas(ts)))
    assert lost(shaped) == []
    row = shaped.frame.row(0, named=True)
    assert (row["observed_at"], row["_received_at"], row["_flags"]) == (NOW, NOW, "clock_wrong")
    assert row["_event_time_sent"] == ("" if ts is None else str(ts))
    assert row["methane_pct_lel"] == 60


def test_a_clock_within_the_tolerance_is_believed() -> None:
    at = NOW + timedelta(minutes=9)
    row = shape(GAS, entry(gas(ms(at)))).frame.row(0, named=True)
    assert (row["observed_at"], row["_flags"], row["_event_time_sent"]) == (at, "", None)


@pytest.mark.case("live.A9")
def test_rows_with_a_zero_clock_do_not_fall_together() -> None:
    one_array = shape(GAS, entry([gas(0, ch4Lel=n) for n in range(9)]))
    assert one_array.frame["methane_pct_lel"].to_list() == [float(n) for n in range(9)]
    assert one_array.frame["observed_at"].n_unique() == 9
    apart = shape(GAS, *(entry(gas(0, ch4Lel=n), NOW + timedelta(seconds=n)) for n in range(9)))
    assert apart.frame.height == 9


@pytest.mark.case("live.A7")
def test_history_keeps_its_past() -> None:
    times = [NOW - timedelta(hours=h) for h in (5, 4, 3, 0)]
    frame = shape(GAS, entry([gas(ms(at)) for at in times])).frame
    assert frame["observed_at"].to_list() == times
    assert frame["_flags"].to_list() == ["late", "late", "late", ""]


@pytest.mark.case("live.A7")
def test_a_burst_after_a_silence_is_back_fill() -> None:
    clocks, silent_since = DeviceClocks(), NOW - timedelta(hours=3)
    shape(GAS, entry(gas(ms(silent_since)), silent_since), clocks=clocks)
    burst = [entry(gas(ms(silent_since + timedelta(minutes=n))), NOW + timedelta(seconds=n / 10)) for n in range(1, 60)]
    frame = shape(GAS, *burst, clocks=clocks).frame
    assert set(frame["_flags"]) == {"late"}
    assert shape(GAS, entry(gas(ms(NOW + timedelta(seconds=7))), NOW + timedelta(seconds=7)), clocks=clocks).frame[
        "_flags"
    ].to_list() == [""]


@pytest.mark.case("live.A6")
@pytest.mark.parametrize("slow", [timedelta(minutes=20), timedelta(hours=8), timedelta(days=400)])
def test_a_slow_clock_mutes_one_reading_at_most(slow: timedelta) -> None:
    clocks = DeviceClocks()
    flags = [
        shape(GAS, entry(gas(ms(at - slow)), at), clocks=clocks).frame["_flags"][0]
        for at in (NOW + timedelta(seconds=30 * n) for n in range(10))
    ]
    assert flags == ["late", *["clock_wrong"] * 9]


@pytest.mark.case("live.A6")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-500 * 86_400, 500 * 86_400), min_size=8, max_size=40))
def test_no_sequence_of_clock_errors_mutes_a_device(errors_s: list[int]) -> None:
    """Readings every 30 s: what is past danger only (late) never lasts longer than one interval of the agreement."""
    clocks, quiet_us, longest_us = DeviceClocks(), 0, 0
    for number, error in enumerate(errors_s):
        at = NOW + timedelta(seconds=30 * number)
        row = shape(GAS, entry(gas(ms(at + timedelta(seconds=error))), at), clocks=clocks).frame.row(0, named=True)
        assert row["observed_at"] <= at + timedelta(minutes=10)
        quiet_us = quiet_us + 30 if "late" in row["_flags"] else 0
        longest_us = max(longest_us, quiet_us)
    assert longest_us <= GAS.cadence.total_seconds() + 30


@pytest.mark.case("live.C1", "live.C2")
@pytest.mark.parametrize("clock", ["000000000000", "261301000000"])
def test_an_sos_without_a_clock_is_a_row(clock: str) -> None:
    contract = CONTRACTS["transport.vehicle_position"]
    body = bytearray(encode.location_body(encode.Position(NOW, 111.3, 30.7, alarm_bits=1)))
    body[22:28] = bytes.fromhex(clock)
    frame = encode.frame(encode.Sender("13800000001", 2013), 0x0200, 1, bytes(body))
    shaped = shape(contract, entry(frame, device="13800000001"))
    assert lost(shaped) == []
    row = shaped.frame.row(0, named=True)
    assert (row["observed_at"], row["alarm_bits"], row["_flags"]) == (NOW, 1, "clock_wrong")


@pytest.mark.case("live.C3")
@pytest.mark.parametrize("has_packet_time", [True, False])
def test_a_fire_without_an_object_time_is_of_its_packet_or_receipt(has_packet_time: bool) -> None:
    unit, sent = gb26875.Unit("010203040506"), NOW - timedelta(minutes=1)
    part = gb26875.Part("fire_alarm", 1, "smoke_detector", 3, 7)
    fire = bytearray(gb26875.part_state(part, ["fire"], sent, "3层走廊"))
    fire[-6:] = bytes(6)
    frame = bytearray(gb26875.packet(unit, 1, sent, 2, [bytes(fire)]))
    if not has_packet_time:
        frame[6:12] = bytes(6)
        frame[-3] = sum(frame[2:-3]) & 0xFF
    shaped = shape(CONTRACTS["fire.device_state"], entry(bytes(frame), device="010203040506"))
    assert lost(shaped) == []
    row = shaped.frame.row(0, named=True)
    expected = (sent, "") if has_packet_time else (NOW, "clock_wrong")
    assert (row["observed_at"], row["_flags"]) == expected
    assert row["fire"]
    assert row["place_zh"] == "3层走廊"


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.case("live.B1")
def test_a_value_over_range_stays_and_is_marked() -> None:
    shaped = shape(GAS, entry(gas(ms(NOW), ch4Lel=105)))
    assert lost(shaped) == []
    assert shaped.frame.select("methane_pct_lel", "_flags").row(0) == (105.0, "out_of_range:methane_pct_lel")


@pytest.mark.case("live.B3")
def test_a_broken_neighbour_costs_itself() -> None:
    shaped = shape(GAS, entry(gas(ms(NOW), temp=-127)), entry(gas(ms(NOW) + 1, temp="err", press="?")))
    assert lost(shaped) == []
    assert shaped.frame["methane_pct_lel"].to_list() == [60.0, 60.0]
    assert shaped.frame["_flags"].to_list() == [
        "out_of_range:air_temperature_c",
        "wrong_type:gas_pressure_kpa,wrong_type:air_temperature_c",
    ]
    assert shaped.frame["air_temperature_c"].to_list() == [-127.0, None]


@pytest.mark.case("live.B4")
def test_a_fault_code_of_the_contract_is_a_fault_and_no_value() -> None:
    columns = tuple(
        replace(column, fault_codes=(65535.0, -999.0)) if column.name == "methane_pct_lel" else column
        for column in GAS.columns
    )
    agreed = replace(GAS, columns=columns)
    shaped = shape(agreed, entry(gas(ms(NOW), ch4Lel=65535)), entry(gas(ms(NOW) + 1, ch4Lel=-999)))
    assert lost(shaped) == []
    assert shaped.frame.select("methane_pct_lel", "_flags").rows() == [(None, "device_fault:methane_pct_lel")] * 2


@pytest.mark.parametrize("contract", [c for c in CONTRACTS.values() if c.is_stream], ids=lambda c: c.id)
def test_every_stream_says_whose_clock_and_value_it_is(contract: Contract) -> None:
    assert contract.event_time is not None
    assert contract.by_concept("device_id") or contract.by_concept("object_id")
