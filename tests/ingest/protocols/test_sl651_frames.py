"""SL 651 on captured frames: what each source says they mean, what is refused, and streams of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.protocols import BadFrame, Message, codec, sl651
from ingest.protocols.resync import PATIENCE, Resync, Shape
from ingest.protocols.sl651 import wire as w
from ingest.protocols.sl651.wire import crc16

pytestmark = pytest.mark.shared

BEIJING = timezone(timedelta(hours=8))
NAMES = Path(__file__).with_name("sl651_names.csv")
ALARMS = ("mains_off", "battery_low", "level_alarm", "flow_alarm", "quality_alarm", "flow_meter_fault")
# Where a source contradicts itself, the standard or its other column.
SAYS_CRC_BUT_IS_CUT = {
    "ref-41-32": "printed without some of its bytes: its length field tells it before any CRC",
    "ref-43-39": "printed up to the middle of its body: its length field tells it before any CRC",
}
OWN_OVERRULED = {"derived-nonbcd": "own_decode keeps the nibbles 1a15, expect calls the value invalid"}
PROSE_STATE = {"reservoir-32": "calls bit 7 = 0 normal, table 58 says that the box stands open: only alarms compare"}


@pytest.fixture(scope="module")
def frames(shared_dir: Path) -> dict[str, dict[str, Any]]:
    lines = (shared_dir / "protocols/sl651.jsonl").read_text("utf-8").splitlines()
    found = {row["id"]: row for row in map(json.loads, lines)}
    assert len(found) == 74
    return found


@pytest.fixture(scope="module")
def names() -> dict[tuple[str, str], tuple[str, str]]:
    with NAMES.open(encoding="utf-8") as file:
        return {(row["where"], row["name"]): (row["ours"], row["compare"]) for row in csv.DictReader(file)}


def raw(row: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(row["frame"])


def instant(text: str) -> str | None:
    digits = "".join(c for c in text if c.isdigit())
    digits = digits.removeprefix("20") if "-" in text else digits
    try:
        return datetime.strptime(digits, "%y%m%d%H%M%S"[: len(digits)]).replace(tzinfo=BEIJING).isoformat()
    except ValueError:
        return None


def column(message: Message, name: str) -> list[Any]:
    return [record.values[name] for record in message.records if name in record.values]


def differs(message: Message, ours: str, compare: str, said: Any) -> str | None:
    """What is wrong about one named value, None when it is what the source says."""
    got: Any = message.fields.get(ours)
    if compare.startswith(("row", "series", "state")):
        got = column(message, ours)
    if compare == "element":
        got = [one["value"] for one in message.fields["elements"] if one["element"] == ours]  # type: ignore[attr-defined]
    right = {
        "same": lambda: got == said,
        "hexadecimal": lambda: got == int(said, 16),
        "hex": lambda: (got or "") == said.upper(),
        "time": lambda: got == instant(said),
        "first_word": lambda: got == said.split()[0],
        "is_text": lambda: isinstance(got, str) and len(got) > 5,
        "row": lambda: got == [said],
        "row_invalid": lambda: said == "invalid" and got == [None],
        "row_time": lambda: set(got) == {None if said == "invalid" else instant(said)},
        "row_somewhere": lambda: said in got and set(got) == {0.0, said},
        "series": lambda: got == said,
        "element": lambda: got == [said],
        "state": lambda: got == [0x400] and not any(any(column(message, alarm)) for alarm in ALARMS),
    }[compare]()
    return None if right else f"{ours}: {got!r} is not {said!r}"


def differing_elements(message: Message, names: Mapping[tuple[str, str], tuple[str, str]], said: Any) -> list[str]:
    """Elements in order as sent, then each in the row of its time."""
    wrong, at, expected = [], None, []
    for identifier, value in said:
        if identifier == "TT":
            at = instant(value)
            continue
        value = int(value, 16) if identifier == "ZT" else value
        value = None if str(value).startswith("nonbcd") else value
        expected.append((at, identifier, value))
        ours, compare = names["element", identifier]
        in_row = [r.values for r in message.records if r.values["observed_at"] == at and ours in r.values]
        if compare == "row" and at and value not in [values[ours] for values in in_row]:
            wrong.append(f"{identifier} at {at}: {in_row} has no {value!r}")
        if compare == "series" and column(message, ours) != value:
            wrong.append(f"{identifier}: {column(message, ours)} is not {value}")
    elements: Any = message.fields["elements"]
    got = [(one["observed_at"], one["element"], one["value"]) for one in elements]
    return wrong + ([] if got == expected else [f"{got} is not {expected}"])


def test_every_name_is_mapped(frames: dict[str, Any], names: dict[tuple[str, str], tuple[str, str]]) -> None:
    used = {("expect", name) for row in frames.values() if row["valid"] for name in row["expect"]}
    used |= {("own", name) for row in frames.values() for name in row.get("own_decode", {})}
    used |= {("element", one[0]) for row in frames.values() for one in row.get("own_decode", {}).get("elements", [])}
    assert used == set(names)
    fields = {name for fields in sl651.RECORD_FIELDS.values() for name in fields}
    rows = {ours for ours, compare in names.values() if compare.startswith(("row", "series", "state"))}
    assert rows
    assert rows <= fields


def test_valid_frames_mean_what_their_sources_say(
    frames: dict[str, Any], names: dict[tuple[str, str], tuple[str, str]]
) -> None:
    wrong, n_values = [], 0
    for row in (row for row in frames.values() if row["valid"]):
        message = sl651.decode(raw(row))
        assert message.deviations == ()
        for where, said in (("expect", row["expect"]), ("own", row["own_decode"])):
            for name, value in said.items():
                n_values += 1
                ours, compare = names[where, name]
                if compare == "elements":
                    found = differing_elements(message, names, value)
                else:
                    found = [one for one in [differs(message, ours, compare, value)] if one]
                wrong += [f"{row['id']}: {one}" for one in found]
    assert n_values > 400
    assert not wrong, "\n".join(wrong)


def test_contradictions_are_those_listed(frames: dict[str, Any]) -> None:
    assert frames["derived-nonbcd"]["own_decode"]["elements"][-1] == ["VT", "nonbcd:1a15"]
    assert frames["derived-nonbcd"]["expect"] == {"VT": "invalid"}
    assert set(OWN_OVERRULED) == {"derived-nonbcd"}
    (state,) = [r.values for r in sl651.decode(raw(frames["reservoir-32"])).records]
    assert set(PROSE_STATE) == {"reservoir-32"}
    assert (state["box_open"], state["pump_stopped"]) == (True, True)


def test_invalid_frames_are_refused_with_reason_and_offset(frames: dict[str, Any]) -> None:
    refused = [row for row in frames.values() if not row["valid"]]
    assert len(refused) == 32
    for row in refused:
        with pytest.raises(BadFrame) as bad:
            sl651.decode(raw(row))
        cut = row["id"] in SAYS_CRC_BUT_IS_CUT
        said = "length" if cut else row["expect"]["error"].split()[0]
        assert bad.value.reason == said, row["id"]
        assert bad.value.offset == (11 if said == "length" else len(raw(row)) - 2), row["id"]
        if said == "crc" and "!=" in row["expect"]["error"]:
            counted, printed = row["expect"]["error"].split()[1].split("!=")
            assert (bad.value.expected, bad.value.found) == (counted, printed), row["id"]


@pytest.mark.parametrize(
    ("change", "reason", "offset"),
    [
        (lambda f: b"", "start", 0),
        (lambda f: b"\x7d" + f[1:], "start", 0),
        (lambda f: f[:10], "cut", 10),
        (lambda f: f[:11] + b"\x40" + f[12:], "direction", 11),
        (lambda f: f[:13] + b"\x05" + f[14:], "begin", 13),
        (lambda f: f[:-3] + b"\x20" + f[-2:], "end", 57),
        (lambda f: f[:-1], "length", 11),
    ],
)
def test_what_is_no_frame_is_refused(frames: dict[str, Any], change: Any, reason: str, offset: int) -> None:
    with pytest.raises(BadFrame) as bad:
        sl651.decode(change(raw(frames["csdn-30-02"])))
    assert (bad.value.reason, bad.value.offset) == (reason, offset)


def resealed(frame: bytes) -> bytes:
    """The frame with its length and CRC made right again, so that what lies inside is read."""
    body = frame[14:-3]
    head = frame[:11] + (frame[11] & 0xF0 | len(body) >> 8).to_bytes(1, "big") + bytes([len(body) & 0xFF])
    whole = head + frame[13:14] + body + frame[-3:-2]
    return whole + crc16(whole).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("body", "reason", "offset"),
    [
        ("0003591011154947F1F10012345678", "body", 29),
        ("0003591011154947F1F2001234567848", "definition", 23),
        ("0003591011154947F1F1001234567848F0F0591011154939230000", "body", 39),
        ("0003591011154947F1F1001234567848F0F05910111549F460000000", "body", 39),
        ("0003591011154947F1F1001234567848F0F05910111549F458000000", "definition", 38),
        ("0003591011154947F1F1001234567848F0F0591011154904180000", "body", 39),
        ("0003591011154947F1F1001234567848F0F05910111549041800000A3923000000", "step", 39),
        ("0003591011154947F1F1001234567848F0F059101115490418000000392300000127", "step", 39),
        ("0003591011154947F1F1001234567848F0F05910111549041800001039230000", "body", 44),
        ("0003591011154947F1F1001234567848F0F059101115490418000010F46000", "step", 39),
        ("0003591011154947F1F1001234567848F0F059101115494518000400", "definition", 38),
        ("000359", "body", 16),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(frames: dict[str, Any], body: str, reason: str, offset: int) -> None:
    frame = raw(frames["csdn-30-02"])
    with pytest.raises(BadFrame) as bad:
        sl651.decode(resealed(frame[:14] + bytes.fromhex(body) + frame[-3:]))
    assert (bad.value.reason, bad.value.offset) == (reason, offset)


# ── streams ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_glued_and_split_streams_give_every_frame(frames: dict[str, Any]) -> None:
    good = [raw(row) for row in frames.values() if row["valid"]]
    stream = b"".join(good)
    assert sl651.splitter().feed(stream) == good
    one_by_one = sl651.splitter()
    assert [frame for byte in stream for frame in one_by_one.feed(bytes([byte]))] + one_by_one.close() == good


@pytest.mark.parametrize("noise", [b"\r\n", b"\x7e", b"\x7e\x7e", b"\x01", b"\x7e\x7e\x7e\x01" * 9, bytes(range(256))])
def test_noisy_streams_find_their_way_back(frames: dict[str, Any], noise: bytes) -> None:
    good = [raw(row) for row in frames.values() if row["valid"]]
    split = sl651.splitter()
    found = split.feed(noise + noise.join(good) + noise) + split.close()
    assert [one for one in found if isinstance(one, bytes)] == good
    assert len(found) == 2 * len(good) + 1


def test_broken_frames_are_told_once_and_hide_nothing(frames: dict[str, Any]) -> None:
    good, bad = raw(frames["csdn-34-05"]), raw(frames["derived-bad-crc"])
    split = sl651.splitter()
    broken, after = split.feed(bad + good)
    assert isinstance(broken, BadFrame)
    assert (broken.reason, after) == ("crc", good)
    (alone,) = split.feed(bad)
    assert isinstance(alone, BadFrame)
    cut = sl651.splitter()
    assert cut.feed(good[:50]) == []
    (left,) = cut.close()
    assert isinstance(left, BadFrame)
    assert left.reason == "cut"
    assert cut.close() == []


def test_a_false_start_does_not_hold_back_the_frame_behind_it(frames: dict[str, Any]) -> None:
    good = raw(frames["csdn-30-02"])
    promise_of_4000_bytes = good[:11] + b"\x0f\xa0\x02"
    found = sl651.splitter().feed(promise_of_4000_bytes + good)
    assert [one for one in found if isinstance(one, bytes)] == [good]


def test_frames_within_frames_cost_no_more_than_their_length(frames: dict[str, Any]) -> None:
    checked: list[int] = []

    def check(frame: bytes) -> None:
        checked.append(len(frame))
        w.check(frame)

    head = b"\x7e\x7e" + b"\x03" * 9 + b"\x0f\x03\x02"  # wherever such a frame ends, an end character stands
    split = Resync(Shape((w.HEX_MARK,), w.size, check, w.ASCII_HEAD, w.MAX_FRAME_BYTES, "7E7E"))
    told = split.feed(head * 4000)
    assert {type(one) for one in told} == {BadFrame}
    assert len(checked) <= PATIENCE + 2 * len(head) * 4000 / checked[0]
    good = raw(frames["csdn-30-02"])
    after = [*split.feed(b"\0" * w.MAX_FRAME_BYTES), *split.feed(good)]
    assert [one for one in after if isinstance(one, bytes)] == [good]


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=600), cuts=st.lists(st.integers(0, 600), max_size=8))
def test_random_bytes_raise_nothing_but_bad_frames(data: bytes, cuts: list[int]) -> None:
    with pytest.raises(BadFrame):
        sl651.decode(data)
    split, last = sl651.splitter(), 0
    for cut in [*sorted(cuts), len(data)]:
        assert not [one for one in split.feed(data[last:cut]) if isinstance(one, bytes)]
        last = max(last, cut)
    assert split.feed(b"") + split.close() is not None


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_frames_raise_nothing_but_bad_frames(frames: dict[str, Any], data: st.DataObject) -> None:
    row = data.draw(st.sampled_from([row for row in frames.values() if len(row["frame"]) > 40]))
    frame = bytearray(raw(row))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(8, len(frame) - 4))
        piece = data.draw(
            st.sampled_from([b"", b"\xff", b"\x04\x18", b"\xf4\x60", b"\xf1\xf1", b"\x45", b"\x16", b"\0"])
        )
        frame[at : at + data.draw(st.integers(0, 3))] = piece
    sealed = resealed(bytes(frame))
    for candidate in (bytes(frame), sealed):
        try:
            message = sl651.decode(candidate, frozenset(data.draw(st.sets(st.sampled_from(sorted(sl651.LENIENT))))))
        except BadFrame:
            continue
        json.dumps(message.fields, ensure_ascii=False, allow_nan=False).encode()
        for record in message.records:
            assert set(record.values) <= set(sl651.RECORD_FIELDS[record.kind])
        sl651.answers(message, datetime(2026, 7, 1, tzinfo=UTC))


def test_this_is_the_codec_of_its_name() -> None:
    assert codec("sl651") is sl651  # type: ignore[comparison-overlap]
    assert sl651.MAX_FRAME_BYTES == 24 + 4095 + 5
