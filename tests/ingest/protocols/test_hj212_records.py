"""Rows, answers, parts, options and the encoder of HJ 212; expectations are the standard's and the devices'."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest

from ingest.protocols import BadFrame, Message, Record, hj212
from ingest.protocols.hj212.codes import COMMANDS, FLAGS, ILLS
from ingest.protocols.hj212.crc import crc, modbus
from ingest.protocols.hj212.factors import FACTORS, present_code

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)  # 12:00 in Beijing
HEAD = "QN=20260615120000123;ST=39;CN=2011;PW=123456;MN=DUST0001;Flag=5;"


def framed(segment: str, encoding: str = "utf-8", check: int | None = None) -> bytes:
    data = segment.encode(encoding)
    return b"##%04d%s%04X\r\n" % (len(data), data, crc(data) if check is None else check)


def read(cp: str, head: str = HEAD, *lenient: str) -> Message:
    return hj212.decode(framed(f"{head}CP=&&{cp}&&"), frozenset(lenient))


def rows(message: Message, kind: str) -> list[Record]:
    return [record for record in message.records if record.kind == kind]


def only(message: Message, kind: str) -> dict[str, object]:
    (row,) = rows(message, kind)
    return dict(row.values)


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_factor_row_has_time_code_quantity_unit_value_and_flag() -> None:
    message = read("DataTime=20260615115900;a34002-Rtd=61.5,a34002-Flag=N")
    assert only(message, "factor") == {
        "device_id": "DUST0001",
        "observed_at": "2026-06-15T11:59:00+08:00",
        "transmitted_at": "2026-06-15T12:00:00.123000+08:00",
        "is_backfill": False,
        "system_code": "39",
        "period": "realtime",
        "factor_code": "a34002",
        "sent_code": "a34002",
        "quantity": "pm10",
        "unit": "ng/m3",
        "total_unit": "g",
        "rtd": 61.5,
        "flag": "N",
        "quality_flag": "normal",
    }


def test_the_time_of_a_reading_is_never_when_it_was_sent() -> None:
    late = HEAD.replace("CN=2011", "CN=2061")
    row = only(read("DataTime=20260612080000;a34002-Avg=40,a34002-Flag=N", late), "dust")
    assert row["observed_at"] == "2026-06-12T08:00:00+08:00"
    assert row["is_backfill"] is True
    assert row["period"] == "hour"
    fresh = only(read("DataTime=20260615110000;a34002-Avg=40,a34002-Flag=N", late), "dust")
    assert fresh["is_backfill"] is False


@pytest.mark.parametrize("time", ["20261301085857", "2026061511590", "20260615115900000", "", "2026-06-15"])
def test_a_time_that_is_none_stays_unknown(time: str) -> None:
    row = only(read(f"DataTime={time};a34002-Rtd=1,a34002-Flag=N"), "dust")
    assert row["observed_at"] is None
    assert "is_backfill" not in row


def test_a_wide_row_without_flags_is_normal() -> None:
    row = only(read("DataTime=20260615115900;a34002-Rtd=61;LA-Rtd=58.2"), "dust")
    assert row["quality_flag"] == "normal"
    assert (row["a34002-Rtd"], row["LA-Rtd"]) == (61.0, 58.2)
    assert "a34002-Flag" not in row


def test_one_ill_value_does_not_spoil_the_others() -> None:
    row = only(read("DataTime=20260615115900;a34002-Rtd=61,a34002-Flag=C;a01001-Rtd=26.1,a01001-Flag=N"), "dust")
    assert row["quality_flag"] == "normal"
    assert row["a34002-Rtd"] is None
    assert row["a34002-Flag"] == "C"
    assert row["a01001-Rtd"] == 26.1


def test_a_row_of_ill_values_keeps_them_under_the_worst_flag() -> None:
    row = only(read("DataTime=20260615115900;a34002-Rtd=61,a34002-Flag=M;a34004-Rtd=0,a34004-Flag=D"), "dust")
    assert row["quality_flag"] == "fault"
    assert (row["a34002-Rtd"], row["a34004-Rtd"]) == (61.0, 0.0)


def test_every_flag_has_a_word_and_unknown_ones_are_not_normal() -> None:
    assert set(FLAGS.values()) - {"normal"} < set(ILLS)
    row = only(read("DataTime=20260615115900;a34002-Rtd=61,a34002-Flag=Z"), "dust")
    assert row["quality_flag"] == "unknown"


@pytest.mark.parametrize("text", ["", "-", "nan", "inf", "1e999", "12,5x", "1_000", "０", "--3"])
def test_a_value_that_is_no_number_is_none(text: str) -> None:
    if "," in text:
        with pytest.raises(BadFrame, match="field without ="):
            read(f"DataTime=20260615115900;a34002-Rtd={text}")
        return
    assert only(read(f"DataTime=20260615115900;a34002-Rtd={text}"), "factor")["rtd"] is None


@pytest.mark.parametrize(("text", "value"), [("-0.041", -0.041), ("+3", 3.0), (".5", 0.5), ("1.2E-3", 0.0012)])
def test_numbers(text: str, value: float) -> None:
    assert only(read(f"DataTime=20260615115900;a34002-Rtd={text}"), "factor")["rtd"] == value


def test_codes_of_2005_fill_the_columns_of_2017() -> None:
    head = "ST=32;CN=2061;PW=123456;MN=88888881234567;"
    message = read("DataTime=20180306120000;011-Cou=17.37,011-Avg=23.2;B01-Avg=208.01;B11-Avg=1", head)
    row = only(message, "water")
    assert (row["w01018-Cou"], row["w01018-Avg"], row["w00000-Avg"]) == (17.37, 23.2, 208.01)
    factors = {str(r.values["sent_code"]): r.values for r in rows(message, "factor")}
    assert factors["011"]["factor_code"] == "w01018"
    assert factors["B11"]["factor_code"] == "B11"
    assert "unit" not in factors["B11"]
    assert message.fields["edition"] == "2005"


def test_old_codes_name_one_factor_each() -> None:
    old = [factor.old_code for factor in FACTORS.values() if factor.old_code]
    assert len(old) == len(set(old)) > 70
    assert present_code("S01") == "a19001"
    assert present_code("A34002") == "a34002"
    assert present_code("PM25") == "PM25"


def test_the_same_factor_in_two_groups_is_one_row() -> None:
    head = HEAD.replace("ST=39", "ST=31")
    row = only(read("DataTime=20260615115900;01-Rtd=1.5;01-ZsRtd=2.5", head), "factor")
    assert (row["rtd"], row["zs_rtd"], row["factor_code"]) == (1.5, 2.5, "a34013")


def test_water_and_dust_are_told_by_their_factors_not_by_the_system() -> None:
    message = read("DataTime=20260615115900;a21026-Rtd=3;w01018-Rtd=12", HEAD.replace("ST=39", "ST=32"))
    assert [record.kind for record in message.records] == ["factor", "factor", "water"]
    only_weather = read("DataTime=20260615115900;a01001-Rtd=20", HEAD.replace("ST=39", "ST=22"))
    assert [record.kind for record in only_weather.records] == ["factor"]


def test_facilities() -> None:
    state = only(read("DataTime=20260615115900;SB1-RS=1", HEAD.replace("CN=2011", "CN=2021")), "facility")
    assert (state["facility"], state["run_state"]) == ("SB1", "running")
    hours = only(read("DataTime=20260614000000;SB1-RT=21.5", HEAD.replace("CN=2011", "CN=2041")), "facility")
    assert (hours["run_h"], hours["period"]) == (21.5, "day")


@pytest.mark.parametrize("cp", ["", "BeginTime=20260801000000,EndTime=20260802000000", "PolId=w01018"])
def test_requests_have_no_rows(cp: str) -> None:
    message = read(cp)
    assert message.fields["is_request"] is True
    assert message.records == ()


def test_rows_keep_to_the_promised_fields() -> None:
    values = ",".join(f"w01018-{name}=1" for name in ("Rtd", "Min", "Avg", "Max", "Cou", "ZsRtd", "ZsCou", "EFlag"))
    message = read(f"DataTime=20260615115900;{values},w01018-Flag=N;a34001-Rtd=1;SB1-RS=1")
    for record in message.records:
        assert set(record.values) <= set(hj212.RECORD_FIELDS[record.kind])


# ── text ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_text_may_hold_separators_and_chinese(encoding: str) -> None:
    frame = framed(f"{HEAD.replace('2011', '3020')}CP=&&i11001-Info=//清洗;管路,a=b//;PolId=w01018&&", encoding)
    fields = hj212.decode(frame).fields
    assert fields["factors"] == {"i11001": {"info": "//清洗;管路,a=b//"}}
    assert fields["factor_code"] == "w01018"


def test_text_that_is_neither_has_an_offset() -> None:
    data = HEAD.encode() + b"CP=&&i11001-Info=//\xff\xff//&&"
    with pytest.raises(BadFrame) as caught:
        hj212.decode(b"##%04d%s%04X" % (len(data), data, crc(data)))
    assert (caught.value.reason, caught.value.offset) == ("text", 6 + data.index(b"\xff"))


@pytest.mark.parametrize(
    ("segment", "reason"),
    [
        ("ST=39;CN=2011;MN=A;Flag=5", "no CP"),
        ("ST=39;CN=2011;MN=A;CP=&&", "CP not closed"),
        ("ST=39;CN=2011;CP=&&&&", "no MN"),
        ("ST=39;MN=A;CP=&&&&", "no CN"),
        ("CN=2011;MN=A;CP=&&&&", "no ST"),
        ("ST=39;CN=20x1;MN=A;CP=&&&&", "CN of the head"),
        ("ST=39;CN=2011;MN=A B;CP=&&&&", "MN of the head"),
        ("ST=39;CN=2011;MN=A;Flag=256;CP=&&&&", "Flag of the head"),
        ("ST=39;CN=2011;MN=A;MN=B;CP=&&&&", "MN sent twice"),
        ("ST=39;CN=2011;MN=A;PNUM=2;PNO=3;CP=&&&&", "PNO of the head"),
        ("ST=39;CN=2011;MN=A;CP=&&DataTime&&", "field without ="),
    ],
)
def test_a_segment_that_cannot_be_used_is_refused(segment: str, reason: str) -> None:
    with pytest.raises(BadFrame) as caught:
        hj212.decode(framed(segment))
    assert caught.value.reason == reason
    assert 0 <= caught.value.offset <= len(framed(segment))


# ── options ───────────────────────────────────────────────────────────────────────────────────────────────────────────
LONG = HEAD + "CP=&&" + ";".join(f"a{n:05d}-Rtd=1.00" for n in range(70)) + "&&"
CHINESE = f"{HEAD.replace('2011', '3020')}CP=&&i11001-Info=//清洗//&&"
SMALL = next(  # a segment whose check begins with a zero
    segment
    for segment in (f"{HEAD}CP=&&DataTime=20260615115900;LA-Rtd={n}&&" for n in range(100))
    if 0 < crc(segment.encode()) < 0x1000
)
DEVIATING = {
    "crc_modbus": framed(f"{HEAD}CP=&&&&", check=modbus(f"{HEAD}CP=&&&&".encode())),
    "crc_unpadded": b"##%04d%s%X\r\n" % (len(SMALL), SMALL.encode(), crc(SMALL.encode())),
    "over_length": framed(LONG),
    "wrong_length": b"##%04d%s%04X\r\n" % (len(CHINESE), CHINESE.encode(), crc(CHINESE.encode())),
    "lf_tail": framed(f"{HEAD}CP=&&&&").rstrip() + b"\n",
    "missing_separator": framed(f"{HEAD}CP=&&w20143-Rtd=1,w20143-Flag=Nw20144-Rtd=10,w20144-Flag=N&&"),
    "repeated_field": framed(f"{HEAD}CP=&&a21007-Rtd=1;a21007-Rtd=2&&"),
    "flag_behind_cp": framed("QN=20260615120000000;ST=32;CN=2011;PW=123456;MN=A110000_0001;CP=&&w01018-Rtd=9&&;Flag=5"),
}
READ_OTHERWISE = {
    "td_field": framed(f"{HEAD}CP=&&LA-td=50.1,LA-Flag=N&&"),
    "long_time": framed(f"{HEAD}CP=&&DataTime=20260615115900000;LA-Rtd=1&&"),
}


def test_every_option_is_shown() -> None:
    assert {*DEVIATING, *READ_OTHERWISE} == set(hj212.LENIENT)


@pytest.mark.parametrize("option", DEVIATING)
def test_an_option_takes_its_deviation_alone_and_says_so(option: str) -> None:
    frame = DEVIATING[option]
    with pytest.raises(BadFrame):
        hj212.decode(frame)
    with pytest.raises(BadFrame):
        hj212.decode(frame, frozenset(hj212.LENIENT) - {option})
    assert hj212.decode(frame, frozenset({option})).deviations == (option,)
    assert hj212.decode(frame, frozenset(hj212.LENIENT)).deviations == (option,)


@pytest.mark.parametrize("option", READ_OTHERWISE)
def test_an_option_reads_what_would_be_lost(option: str) -> None:
    strict = hj212.decode(READ_OTHERWISE[option])
    assert strict.deviations == ()
    read_well = hj212.decode(READ_OTHERWISE[option], frozenset({option}))
    assert read_well.deviations == (option,)
    assert read_well.records != strict.records


@pytest.mark.parametrize("option", [name for name in DEVIATING if name != "lf_tail"])
def test_the_stream_cuts_deviating_frames_too(option: str) -> None:
    splitter = hj212.splitter(frozenset({option}))
    good = framed(f"{HEAD}CP=&&&&")
    found = splitter.feed(good + DEVIATING[option] + good) + splitter.close()
    assert found == [good.rstrip(), DEVIATING[option].rstrip(), good.rstrip()]


@pytest.mark.case("live.G6")
@pytest.mark.parametrize("end", ["w01018-Rtd=9;Flag=5&&", "w01018-Rtd=9&&;Flag=5", "Flag=5;w01018-Rtd=9&&"])
def test_a_flag_behind_cp_is_answered_on_request(end: str) -> None:
    frame = framed(f"QN=20260615120000000;ST=32;CN=2011;PW=123456;MN=A110000_0001;CP=&&{end}")
    message = hj212.decode(frame, frozenset({"flag_behind_cp"}))
    assert (message.fields["flags"], message.deviations) == ("5", ("flag_behind_cp",))
    assert [row.values["rtd"] for row in rows(message, "factor")] == [9.0]
    (reply,) = hj212.answers(message, NOW)
    assert b"QN=20260615120000000;ST=91;CN=9014" in reply
    with contextlib.suppress(BadFrame):
        assert hj212.answers(hj212.decode(frame), NOW) == ()


@pytest.mark.case("live.G8")
def test_a_segment_of_1045_bytes_is_taken_on_request_alone() -> None:
    begun = f"{HEAD}CP=&&a34004-Rtd=35"
    long = framed(begun.ljust(1043, "0") + "&&")
    assert long.startswith(b"##1045")
    with pytest.raises(BadFrame, match="at most 1024 bytes; option over_length takes it"):
        hj212.decode(long)
    assert hj212.decode(long, frozenset({"over_length"})).deviations == ("over_length",)


def test_options_do_not_leak_into_values() -> None:
    message = hj212.decode(DEVIATING["missing_separator"], frozenset({"missing_separator"}))
    row = only(message, "water")
    assert (row["w20143-Flag"], row["w20144-Rtd"]) == ("N", 10.0)


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def answer(segment: str) -> tuple[bytes, ...]:
    return hj212.answers(hj212.decode(framed(segment)), NOW)


def test_the_answers_of_the_standard() -> None:
    """Tables C.4 and C.50: the answer repeats request number, password and device, under system 91."""
    upload = (
        "QN=20160801085857534;ST=32;CN=2061;PW=123456;MN=010000A8900016F000169DC0;Flag=7;PNUM=2;PNO=1;"
        "CP=&&DataTime=20160801080000;w00000-Cou=63.0&&"
    )
    expected = "QN=20160801085857534;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&"
    assert answer(upload) == (b"##0087" + expected.encode() + b"5B40\r\n",)
    notice = "QN=20160801085857223;ST=32;CN=1013;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&PolId=w01018&&"
    expected = "QN=20160801085857223;ST=91;CN=9013;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&"
    assert answer(notice) == (b"##0087" + expected.encode() + b"2A80\r\n",)


@pytest.mark.parametrize(
    ("command", "flags", "cp", "expected"),
    [
        ("2011", 4, "DataTime=20260615115900;a34002-Rtd=1", None),
        ("2011", 9, "DataTime=20260615115900;a34002-Rtd=1", "CN=9014;PW=p;MN=A;Flag=8;CP=&&&&"),
        ("2011", 1, "DataTime=20260615115900;a34002-Rtd=1", "CN=9014;PW=p;MN=A;Flag=0;CP=&&&&"),
        ("2081", 5, "DataTime=20260615115900;RestartTime=20260615115800", "CN=9014;PW=p;MN=A;Flag=4;CP=&&&&"),
        ("9015", 9, "", "CN=9013;PW=p;MN=A;Flag=8;CP=&&&&"),
        ("2061", 5, "BeginTime=20260615110000;EndTime=20260615110000", "CN=9011;PW=p;MN=A;Flag=4;CP=&&QnRtn=2&&"),
        ("1072", 5, "NewPW=654321", "CN=9011;PW=p;MN=A;Flag=4;CP=&&QnRtn=2&&"),
        ("2999", 5, "DataTime=20260615115900", "CN=9011;PW=p;MN=A;Flag=4;CP=&&QnRtn=8&&"),
        ("9014", 5, "", None),
        ("9011", 5, "QnRtn=1", None),
    ],
)
def test_who_is_answered(command: str, flags: int, cp: str, expected: str | None) -> None:
    number = "QN=20260615120000123"
    found = answer(f"{number};ST=39;CN={command};PW=p;MN=A;Flag={flags};CP=&&{cp}&&")
    assert found == (() if expected is None else (framed(f"{number};ST=91;{expected}"),))


def test_an_answer_without_a_request_number_has_ours() -> None:
    (found,) = answer("ST=39;CN=2011;PW=p;MN=A;Flag=1;CP=&&DataTime=20260615115900;a34002-Rtd=1&&")
    assert found.startswith(b"##0059QN=20260615120000000;ST=91;CN=9014;")


def test_a_device_with_another_check_is_answered_with_it() -> None:
    segment = f"{HEAD}CP=&&DataTime=20260615115900;a34002-Rtd=1&&"
    message = hj212.decode(framed(segment, check=modbus(segment.encode())), frozenset({"crc_modbus"}))
    (found,) = hj212.answers(message, NOW)
    assert found[-6:] == b"%04X\r\n" % modbus(found[6:-6])


def test_every_answer_is_a_command() -> None:
    assert {command.answer for command in COMMANDS.values()} - {""} <= set(COMMANDS)


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def part(number: int, cp: str, total: int = 2, flags: int = 7, time: str = "20160801080000") -> bytes:
    return framed(
        f"QN=2016080108585753{3 + number};ST=32;CN=2061;PW=123456;MN=010000A8900016F000169DC0;Flag={flags};"
        f"PNUM={total};PNO={number};CP=&&DataTime={time};{cp}&&"
    )


FIRST, SECOND = part(1, "w00000-Avg=17.5,w00000-Flag=N"), part(2, "w01018-Avg=40.1,w01018-Flag=N")


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST), (SECOND, FIRST, SECOND)])
def test_parts_become_one_message(order: tuple[bytes, ...]) -> None:
    message = hj212.join(order)
    assert message.part is None
    row = only(message, "water")
    assert (row["w00000-Avg"], row["w01018-Avg"]) == (17.5, 40.1)
    assert len(rows(message, "factor")) == 2
    assert [frame[6:26] for frame in hj212.answers(message, NOW)] == [
        b"QN=20160801085857534",
        b"QN=20160801085857535",
    ]


def test_a_part_says_which_and_carries_no_rows() -> None:
    first, second = hj212.decode(FIRST), hj212.decode(SECOND)
    assert (first.part, second.part) == ((1, 2), (2, 2))
    assert first.records == second.records == ()
    assert first.fields["part_key"] == second.fields["part_key"]
    assert len(hj212.answers(first, NOW)) == 1


def test_padded_part_numbers_and_a_promise_of_parts_that_is_not_kept() -> None:
    padded = framed(HEAD.replace("Flag=5", "Flag=7;PNUM=0002;PNO=0001") + "CP=&&DataTime=20260615115900&&")
    assert hj212.decode(padded).part == (1, 2)
    promised = read("DataTime=20260615115900;LA-Rtd=1", HEAD.replace("Flag=5", "Flag=7"))
    assert promised.part is None
    assert len(promised.records) == 2


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((FIRST,), "parts missing"),
        ((), "parts missing"),
        ((FIRST, part(2, "w01018-Avg=1", time="20160801090000")), "part of another message"),
        ((FIRST, part(2, "w01018-Avg=1", total=3)), "part of another message"),
        ((FIRST, part(2, "w00000-Avg=99")), "Avg sent twice in parts"),
    ],
)
def test_parts_that_do_not_make_a_message_are_refused(parts: tuple[bytes, ...], reason: str) -> None:
    with pytest.raises(BadFrame) as caught:
        hj212.join(parts)
    assert caught.value.reason == reason


# ── encode ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_encoder_writes_the_frame_of_annex_a() -> None:
    sent_at = datetime(2016, 8, 1, 0, 58, 57, 223_000, tzinfo=UTC)
    frame = hj212.encode(
        "010000A8900016F000169DC0", "32", "1062", sent_at, parameters={"RtdInterval": "30"}, password="100000"
    )
    assert frame == (
        b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
        b"CP=&&RtdInterval=30&&1C80\r\n"
    )


def test_uploads_are_split_where_they_are_too_long() -> None:
    factors = {f"w{n:05d}": {"Min": 1.25, "Avg": 2.0, "Max": 3.5e-7, "Flag": "N"} for n in range(60)}
    with pytest.raises(ValueError, match="send it in parts"):
        hj212.encode("A", "32", "2051", NOW, observed_at=NOW, factors=factors)
    frames = hj212.encode_parts("A", "32", "2051", NOW, factors, observed_at=NOW)
    assert len(frames) == 4
    assert all(len(frame) <= 6 + 1024 + 6 for frame in frames)
    message = hj212.join(reversed(frames))
    assert message.fields["factors"] == {code: {"min": "1.25", "avg": "2", "max": "0", "flag": "N"} for code in factors}
    (single,) = hj212.encode_parts("A", "32", "2051", NOW, {"w01018": {"Avg": 1.0}}, observed_at=NOW)
    assert hj212.decode(single).part is None
