"""SL 651 beyond single captures: packets, ASCII form, deviations, answers and encoders, held against captured bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ingest.protocols import BadFrame, sl651
from ingest.protocols.sl651 import Group, Sender
from ingest.protocols.sl651 import elements as e
from ingest.protocols.sl651.wire import crc16

pytestmark = pytest.mark.shared

BEIJING = timezone(timedelta(hours=8))
NOW = datetime(2026, 7, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def frames(shared_dir: Path) -> dict[str, bytes]:
    lines = (shared_dir / "protocols/sl651.jsonl").read_text("utf-8").splitlines()
    return {row["id"]: bytes.fromhex(row["frame"]) for row in map(json.loads, lines)}


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)


def crc_bit_by_bit(data: bytes) -> int:
    """The CRC as the clause gives it, worked out another way than the codec does."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def ascii_frame(header: str, body: str, begin: int = 2, end: int = 3) -> bytes:
    """An ASCII frame as table 16 lays it out; `header` ends before the length."""
    start = b"\x01" + header.encode() + f"0{len(body):03X}".encode() + bytes([begin]) + body.encode() + bytes([end])
    return start + f"{crc_bit_by_bit(start):04X}".encode()


# ── deviations ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("frame", "option"),
    [("derived-crc-swapped", "crc_swapped"), ("ref-33-10", "crc_ignored"), ("zhuyu-32", "crc_ignored")],
)
def test_a_wrong_crc_is_taken_only_on_request(frames: dict[str, bytes], frame: str, option: str) -> None:
    lenient = frozenset({option})
    with pytest.raises(BadFrame):
        sl651.decode(frames[frame])
    message = sl651.decode(frames[frame], lenient)
    assert message.deviations == (option,)
    assert message.records
    assert sl651.splitter(lenient).feed(frames[frame]) == [frames[frame]]
    assert sl651.decode(frames["csdn-32-03"], lenient).deviations == ()


def test_nines_are_a_value_unless_the_source_says_otherwise(frames: dict[str, bytes]) -> None:
    (row,) = sl651.decode(frames["haikang-1"]).records
    assert row.values["level_m"] == 9999.999
    message = sl651.decode(frames["haikang-1"], frozenset({"nines_are_missing"}))
    assert message.records[0].values["level_m"] is None
    assert message.records[0].values["battery_v"] == 24.0
    assert message.deviations == ("nines_are_missing",)


def test_a_series_by_the_hour_is_placed_only_on_request(frames: dict[str, bytes]) -> None:
    """A station that sends at 09:30 gives 09:30 as the time of a series whose first point is 09:05."""
    strict = sl651.decode(frames["ref-34-63"])
    times = [r.values["observed_at"] for r in strict.records if "relative_level_1_m" in r.values]
    assert (times[0], times[-1]) == ("2022-09-26T09:30:00+08:00", "2022-09-26T10:25:00+08:00")
    message = sl651.decode(frames["ref-34-63"], frozenset({"series_by_hour"}))
    rain = {r.values["observed_at"]: r.values["rain_5min_mm"] for r in message.records if "rain_5min_mm" in r.values}
    assert next(iter(rain)) == "2022-09-26T09:05:00+08:00"
    assert list(rain.values()) == [0.0] * 6 + [None] * 6
    assert message.deviations == ("series_by_hour",)
    assert sl651.decode(frames["csdn-34-05"], frozenset({"series_by_hour"})).deviations == ()


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_hour_report_is_twelve_rows_and_the_last_has_the_rest(frames: dict[str, bytes]) -> None:
    rows = [dict(r.values) for r in sl651.decode(frames["csdn-34-05"]).records]
    assert [row["observed_at"] for row in rows] == [
        f"2017-07-18T{hour:02d}:{minute:02d}:00+08:00"
        for hour, minute in [(10, m) for m in range(5, 60, 5)] + [(11, 0)]
    ]
    assert {row["rain_total_mm"] for row in rows if "rain_total_mm" in row} == {4.0}
    assert rows[-1]["level_m"] == 10.49
    assert (rows[0]["station_class"], rows[0]["report"], rows[0]["station_code"]) == ("river", "hourly", "11223344")


def test_a_relayed_row_is_of_the_station_in_its_body(frames: dict[str, bytes]) -> None:
    body = frames["csdn-32-03"]
    relayed = body[:3] + bytes.fromhex("00EA61EA61") + body[8:-2]
    message = sl651.decode(relayed + crc_bit_by_bit(relayed).to_bytes(2, "big"))
    assert message.device_id == "00EA61EA61"
    assert [r.values["station_id"] for r in message.records] == ["0011223344"]


def test_a_test_report_is_kept_apart(frames: dict[str, bytes]) -> None:
    assert [r.kind for r in sl651.decode(frames["csdn-30-02"]).records] == ["test"]
    assert [r.kind for r in sl651.decode(frames["csdn-32-03"]).records] == ["hydro"]


def test_a_state_without_a_time_is_of_the_moment_it_was_sent(frames: dict[str, bytes]) -> None:
    (row,) = sl651.decode(frames["csdn-46-17"]).records
    assert row.values["observed_at"] == row.values["sent_at"] == "2017-07-18T10:20:08+08:00"
    assert (row.values["pump_stopped"], row.values["mains_off"], row.values["box_open"]) == (True, False, True)


def test_an_address_of_a_county_is_restored_to_its_number(frames: dict[str, bytes]) -> None:
    message = sl651.decode(frames["ref-34-63"])
    assert (message.device_id, message.fields["station_code"]) == ("8004040135", "800404000309")


def test_gates_that_repeat_their_elements_get_rows_of_their_own() -> None:
    sender, when = Sender("0011223344", "sluice"), at("2026-07-01 10:00:00")
    groups = [Group(when, {"gate_group_no": n, "gate_opening_m": n / 10}) for n in (1, 2)]
    (frame,) = sl651.report(sender, 0x32, 7, when, groups)
    rows = [r.values for r in sl651.decode(frame).records]
    assert [(row["gate_group_no"], row["gate_opening_m"]) for row in rows] == [(1.0, 0.1), (2.0, 0.2)]


@pytest.mark.parametrize(
    ("raw", "decimals", "value"),
    [
        ("000127", 2, 1.27),
        ("FF000127", 3, -0.127),
        ("FF01", 0, -1),
        ("FFFF", 2, None),
        ("AAAA", 2, None),
        ("FF", 0, None),
        ("1A15", 2, None),
        ("FFFF12", 2, None),
        ("00", 1, 0.0),
        ("", 0, None),
    ],
)
def test_packed_numbers(raw: str, decimals: int, value: float | None) -> None:
    assert e.number(bytes.fromhex(raw), decimals) == value


def test_the_table_of_elements_is_whole() -> None:
    assert [x.guide for x in e.ELEMENTS] == [g for g in range(0x01, 0x76) if g != e.STEP]
    assert len(e.BY_FIELD) == len(e.BY_IDENTIFIER) == len(e.ELEMENTS) == 116
    assert len(sl651.RECORD_FIELDS["hydro"]) == len(set(sl651.RECORD_FIELDS["hydro"]))


# ── packets ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_picture_in_packets_begins_as_the_captured_one(frames: dict[str, bytes]) -> None:
    captured = frames["csdn-36-24"]
    jpeg = captured[14 + 3 + 25 : -3]
    assert len(jpeg) == 256
    when, observed = at("2059-10-11 16:11:18"), at("2059-10-11 16:11:00")
    packets = sl651.picture(Sender("0012345678", "river", 1, "1234"), 5, when, observed, jpeg.ljust(3600, b"\0"), 281)
    assert len(packets) == 13
    assert packets[0] == captured
    whole = sl651.join([*packets[::-1], packets[3]])
    assert whole.fields["elements"][0]["value"] == 3600  # type: ignore[index]
    assert (whole.part, whole.fields["parts"], whole.kind) == (None, 13, "picture")


def test_packets_that_are_missing_or_of_others_do_not_join(frames: dict[str, bytes]) -> None:
    first, third = frames["csdn-36-24"], frames["csdn-36-26"]
    assert (sl651.decode(first).part, sl651.decode(third).part) == ((1, 13), (3, 13))
    for parts in ([first, third], [], [first, frames["csdn-32-03"]], [frames["csdn-32-03"], frames["csdn-33-04"]]):
        with pytest.raises(BadFrame, match="packet"):
            sl651.join(parts)
    assert sl651.join([frames["csdn-32-03"]]) == sl651.decode(frames["csdn-32-03"])


def test_only_the_whole_message_of_several_packets_is_confirmed(frames: dict[str, bytes]) -> None:
    sender, when = Sender("0011223344", "rain"), at("2026-07-01 10:00:00")
    packets = sl651.report(sender, 0x31, 9, when, [Group(when, {"rain_5min_mm": [0.1] * 12})], 20)
    assert len(packets) == 2
    assert [sl651.answers(sl651.decode(p), NOW) for p in packets] == [(), ()]
    assert [sl651.decode(p).records for p in packets] == [(), ()]
    whole = sl651.join(packets)
    assert len(whole.records) == 12
    (answer,) = sl651.answers(whole, NOW)
    confirmation = sl651.decode(answer)
    assert (confirmation.part, confirmation.fields["end"], confirmation.fields["serial"]) == ((2, 2), "1B", 9)
    (asked,) = sl651.resend(sl651.decode(packets[0]), [2], NOW)
    again = sl651.decode(asked)
    assert (again.part, again.fields["end"]) == ((2, 2), "15")
    with pytest.raises(ValueError, match="packets"):
        sl651.resend(whole, [1], NOW)


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_confirmation_is_the_captured_one(frames: dict[str, bytes]) -> None:
    when = at("2024-01-10 14:20:33")
    sender = Sender("1122334455", "river", 1, "AAAA")
    (report,) = sl651.report(sender, 0x30, 5, when, [Group(when, {"level_m": None})])
    assert sl651.answers(sl651.decode(report), when.astimezone(UTC)) == (frames["ref-30-09"],)


@pytest.mark.parametrize(
    ("report", "edited", "when"),
    [
        ("csdn-30-02", "ref-30-08", "2059-10-11 15:49:47"),
        ("csdn-33-04", "ref-33-11", "2017-07-18 10:22:02"),
        ("csdn-34-05", "ref-34-15", "2017-07-18 11:00:14"),
    ],
)
def test_the_crc_printed_under_edited_confirmations_is_that_of_ours(
    frames: dict[str, bytes], report: str, edited: str, when: str
) -> None:
    """A vendor's document changed the dates of its confirmations and left their CRCs: those of the real ones."""
    (answer,) = sl651.answers(sl651.decode(frames[report]), at(when))
    assert answer[-2:] == frames[edited][-2:]
    assert answer[:16] == frames[edited][:16]


@pytest.mark.parametrize("frame", ["csdn-2f-01", "csdn-37-07", "csdn-46-17", "ref-37-02", "csdn-36-24"])
def test_no_answer_where_none_is_due(frames: dict[str, bytes], frame: str) -> None:
    assert sl651.answers(sl651.decode(frames[frame]), NOW) == ()


def test_a_report_that_announces_another_is_asked_on(frames: dict[str, bytes]) -> None:
    body = frames["csdn-32-03"][:-3] + b"\x17"
    (answer,) = sl651.answers(sl651.decode(body + crc_bit_by_bit(body).to_bytes(2, "big")), NOW)
    assert sl651.decode(answer).fields["end"] == "06"


# ── encoders against captured bytes ───────────────────────────────────────────────────────────────────────────────────
HOUR: list[Any] = [
    ("2017-07-18 10:05:00", {"rain_5min_mm": [0.5, 0, 0, 0, 2.0, None, None, None, None, None, 0, 0]}),
    ("2017-07-18 11:00:00", {"rain_total_mm": 4.0}),
    ("2017-07-18 10:05:00", {"relative_level_1_m": [0.12, 0.12, 0.28, 0.49, 0.49] + [None] * 5 + [0.49, 0.49]}),
    ("2017-07-18 11:00:00", {"level_m": 10.49, "rain_today_mm": 4.0, "battery_v": 10.99}),
]


def test_reports_are_written_as_stations_do(frames: dict[str, bytes]) -> None:
    sender = Sender("0011223344", "river", 5, "03E8")
    groups = [Group(at(when), values) for when, values in HOUR]
    assert sl651.report(sender, 0x34, 0x33, at("2017-07-18 11:00:14"), groups) == (frames["csdn-34-05"],)
    values = {"rain_today_mm": 4, "rain_total_mm": 4, "level_m": 10.49, "battery_v": 11.02}
    group = Group(at("2017-07-18 10:22:00"), values)
    assert sl651.report(sender, 0x33, 0x26, at("2017-07-18 10:22:02"), [group]) == (frames["csdn-33-04"],)


def test_keep_alives_states_and_queries_are_written_as_captured(frames: dict[str, bytes]) -> None:
    alive = sl651.keep_alive(Sender("0012345678", "river", 1, "1234"), 3, at("2059-10-11 15:51:11"))
    assert alive == frames["csdn-2f-01"]
    sender = Sender("0011223344", "river", 5, "1234")
    assert sl651.status(sender, 0x23, at("2017-07-18 10:20:08"), ["pump_stopped", "box_open"]) == frames["csdn-46-17"]
    ask = sl651.command(Sender("1122334455", "river", 1, "AAAA"), 0x37, at("2024-01-09 16:01:28"), serial=1)
    assert ask == frames["ref-37-02"]


def test_rain_too_much_for_a_point_is_carried_on() -> None:
    assert e.series_bytes(e.RAIN_SERIES, (30.0, 0.0, None, 0.1)) == bytes([254, 46, 255, 1])


def test_values_without_room_are_refused() -> None:
    when = at("2026-07-01 10:00:00")
    for values in ({"battery_v": 100.0}, {"rain_5min_mm": [0.0] * 11}):
        with pytest.raises(ValueError, match="expected"):
            sl651.report(Sender("0011223344"), 0x32, 1, when, [Group(when, values)])  # type: ignore[arg-type]
    (frame,) = sl651.report(Sender("0011223344"), 0x32, 1, when, [Group(when, {"level_m": -1.5, "duration_min": 90})])
    (row,) = sl651.decode(frame).records
    assert (row.values["level_m"], row.values["duration_min"]) == (-1.5, 90.0)


# ── ASCII form (clause 6.4), written by hand from tables 16, 24 and C.2 ───────────────────────────────────────────────
HEADER = "0100112233441234"
STATION = "0007260701100005ST 0011223344 H TT 2607011000 "


def test_an_ascii_report_reads_as_its_hex_twin() -> None:
    body = STATION + "PJ 3.5 PT 120.0 Z -0.127 VT M ZT 00000400 DT 1.30 FX1 7 "
    message = sl651.decode(ascii_frame(HEADER + "32", body))
    (row,) = message.records
    got = {
        name: row.values[name] for name in ("rain_today_mm", "rain_total_mm", "level_m", "battery_v", "duration_min")
    }
    assert got == {
        "rain_today_mm": 3.5,
        "rain_total_mm": 120.0,
        "level_m": -0.127,
        "battery_v": None,
        "duration_min": 90.0,
    }
    assert (row.values["observed_at"], row.values["serial"]) == ("2026-07-01T10:00:00+08:00", 7)
    assert (row.values["station_class"], row.values["pump_stopped"]) == ("river", True)
    (answer,) = sl651.answers(message, NOW)
    assert answer[:1] + answer[1:24] == b"\x01" + b"0011223344" + b"01" + b"1234" + b"32" + b"8010" + b"\x02"
    assert sl651.decode(answer).fields["sent_at"] == "2026-07-01T10:00:00+08:00"


def test_ascii_steps_and_series() -> None:
    stepped = STATION + "DRN10 Z Q 1.00 2.5 1.10 M "
    rows = [r.values for r in sl651.decode(ascii_frame(HEADER + "31", stepped)).records]
    assert [(r["observed_at"][11:16], r["level_m"], r["flow_m3s"]) for r in rows] == [  # type: ignore[index]
        ("10:00", 1.0, 2.5),
        ("10:10", 1.1, None),
    ]
    series = STATION + "DRH00 DRP 05000000FFFFFFFFFFFFFFFF "
    with pytest.raises(BadFrame, match="24 hexadecimal"):
        sl651.decode(ascii_frame(HEADER + "31", series.replace("05000000", "0500")))
    rain = [r.values["rain_5min_mm"] for r in sl651.decode(ascii_frame(HEADER + "31", series)).records]
    assert rain == [0.5, 0.0, 0.0, 0.0] + [None] * 8


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        ("00072607", 24),
        (STATION + "PJ ", 73),
        (STATION + "3.5 ", 70),
        ("0007260701100005ST 00112233 H ", 43),
        (STATION + "DRN10 Z Q 1.00 ", 80),
    ],
)
def test_an_ascii_body_that_cannot_be_read_is_refused(body: str, offset: int) -> None:
    with pytest.raises(BadFrame) as bad:
        sl651.decode(ascii_frame(HEADER + "32", body))
    assert (bad.value.reason, bad.value.offset) == ("body", offset)


def test_both_forms_come_through_one_splitter(frames: dict[str, bytes]) -> None:
    text = ascii_frame(HEADER + "32", STATION + "Z 1.5 ")
    stream = [frames["csdn-30-02"], text, frames["csdn-34-05"], text]
    assert sl651.splitter().feed(b"".join(stream)) == stream
    assert sl651.decode(text).fields["centre"] == 1
    broken = text[:-1] + (b"0" if text[-1:] != b"0" else b"1")
    with pytest.raises(BadFrame, match="crc"):
        sl651.decode(broken)


# ── stations that talk a little differently ───────────────────────────────────────────────────────────────────────────
def turned(report: bytes, observed: str) -> bytes:
    """A report whose first observation time stands before its station, or is another one."""
    station, time = report[22:30], report[30:37]
    assert (station[:2], time[:2]) == (b"\xf1\xf1", b"\xf0\xf0")
    when = b"\xf0\xf0" + bytes.fromhex(observed) if observed else time
    body = report[14:22] + (station + when if observed else time + station) + report[37:-3]
    return sealed(report[:14] + body + report[-3:-2])


def sealed(frame: bytes) -> bytes:
    return frame + crc16(frame).to_bytes(2, "big")


@pytest.mark.case("live.G3")
def test_a_time_before_its_station_is_kept() -> None:
    (report,) = sl651.report(
        sl651.Sender("0011223344"),
        0x33,
        9,
        at("2026-07-01 10:02:00"),
        [sl651.Group(at("2026-07-01 09:55:00"), {"level_m": 46.1})],
    )
    (row,) = sl651.decode(turned(report, "")).records
    assert row.values == sl651.decode(report).records[0].values
    assert row.values["observed_at"] == "2026-07-01T09:55:00+08:00"


@pytest.mark.parametrize("observed", ["0000000000", "2613010900", "2607320900", "2607012400", "AABBCCDDEE"])
def test_a_clock_is_no_reason_to_lose_a_value(observed: str) -> None:
    sent = at("2026-07-01 10:02:00")
    values = {"level_m": 46.1, "rain_5min_mm": [0.1 * n for n in range(12)]}
    group = sl651.Group(at("2026-07-01 09:05:00"), values)
    (report,) = sl651.report(sl651.Sender("0011223344"), 0x33, 9, sent, [group])
    rows = sl651.decode(turned(report, observed)).records
    assert [row.values["observed_at"] for row in rows if "level_m" in row.values] == [sent.isoformat()]
    assert len(rows) == 12
    unset = sealed(report[:16] + bytes(6) + turned(report, observed)[22:-2])
    rows = sl651.decode(unset).records
    assert [(row.values["observed_at"], row.values.get("level_m"), row.values["rain_5min_mm"]) for row in rows] == [
        (None, 46.1, 1.1)
    ]


def test_a_series_that_was_asked_for_is_the_past() -> None:
    for function, is_past in ((0x38, True), (0x33, False)):
        group = sl651.Group(at("2026-07-01 09:00:00"), {"level_m": 46.1})
        (report,) = sl651.report(sl651.Sender("0011223344"), function, 9, at("2026-07-01 10:02:00"), [group])
        assert sl651.decode(report).records[0].values["is_backfill"] is is_past


def test_a_threshold_report_that_is_refused_is_seen() -> None:
    group = sl651.Group(at("2026-07-01 09:00:00"), {"level_m": 46.1})
    for function, word in ((0x33, "threshold"), (0x34, "")):
        (report,) = sl651.report(sl651.Sender("0011223344"), function, 9, at("2026-07-01 10:02:00"), [group])
        assert sl651.alarm_in(report[:-1] + b"\x00") == word


# ── what held when it was tried, and must go on holding ───────────────────────────────────────────────────────────────
@pytest.mark.case("live.held.H6")
def test_gaps_of_an_hour_report_are_nothing() -> None:
    points = [None if n % 2 else 0.5 for n in range(12)]
    group = sl651.Group(at("2026-07-01 09:05:00"), {"rain_5min_mm": points, "relative_level_1_m": points})
    (report,) = sl651.report(sl651.Sender("0011223344"), 0x34, 9, at("2026-07-01 10:02:00"), [group])
    rows = [row.values for row in sl651.decode(report).records]
    for name in ("rain_5min_mm", "relative_level_1_m"):
        assert [row[name] for row in rows] == points
    assert rows[11]["observed_at"] == "2026-07-01T10:00:00+08:00"


@pytest.mark.case("live.held.H7")
def test_an_answer_without_a_class_is_taken() -> None:
    body = bytes.fromhex("0009260701100200" + "F1F10011223344")
    head = bytes.fromhex("7E7E01" + "0011223344" + "0000" + "47") + len(body).to_bytes(2, "big")
    message = sl651.decode(sealed(head + b"\x02" + body + b"\x03"))
    assert (message.kind, message.device_id, message.records) == ("clear_store", "0011223344", ())
    assert len(sl651.answers(message, NOW)) == 1
