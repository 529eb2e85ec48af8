"""JT/T 808 streams: glued, split, noisy, hostile. Only `BadFrame` is ever raised, and every sound frame comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.protocols import BadFrame, Message, codec
from ingest.protocols.jt808 import encode, wire
from ingest.protocols.jt808.decode import POSITIONS
from ingest.protocols.jt808.platform import PLATFORM
from ingest.protocols.jt808.terminal import TERMINAL

JT808 = codec("jt808")
SENDER = encode.Sender("13800000001")
NOW = datetime(2026, 8, 15, 2, 30, tzinfo=UTC)
PLACE = encode.Position(NOW, 111.286543, 30.691234, speed_kmh=72, direction_deg=180, altitude_m=66)
BEAT = encode.heartbeat(SENDER, 7)
TOLERANT = frozenset(JT808.LENIENT)
MESSAGE_IDS = sorted({*POSITIONS, *TERMINAL, *PLATFORM, 0x0FFF})


def split(stream: bytes, step: int, lenient: frozenset[str] = frozenset()) -> list[bytes | BadFrame]:
    splitter = JT808.splitter(lenient)
    pieces = [piece for at in range(0, len(stream), step) for piece in splitter.feed(stream[at : at + step])]
    return pieces + splitter.close()


def some_frames() -> list[bytes]:
    """Frames with every byte that is escaped, in both editions."""
    early = encode.Sender("13800000002", 2013)
    awkward = encode.item(0xF0, bytes([0x7D, 0x7E, 0x7D, 0x01, 0x7E, 0x02]))
    full = encode.Position(NOW, 111.2, 30.6, items=(encode.mileage(1.5), awkward))
    return [
        encode.heartbeat(early, 0x7E7E),
        encode.location(SENDER, 0x7D02, full),
        encode.authentication(early, 3, "~}~"),
        *encode.location_batch(early, 4, [full] * 30),
    ]


def captured(shared_dir: Path) -> list[bytes]:
    lines = (shared_dir / "protocols" / "jt808.jsonl").read_text("utf-8").splitlines()
    return [bytes.fromhex(json.loads(line)["frame"]) for line in lines]


# ── cutting ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("step", [1, 2, 3, 50, 100_000])
def test_glued_frames_come_apart_however_they_arrive(step: int) -> None:
    frames = some_frames() * 3
    assert split(b"".join(frames), step) == frames


@pytest.mark.parametrize("step", [1, 5, 100_000])
def test_one_flag_may_end_a_frame_and_begin_the_next(step: int) -> None:
    frames = some_frames()
    stream = frames[0] + b"".join(frame[1:] for frame in frames[1:])
    assert split(stream, step) == frames


@pytest.mark.parametrize("step", [1, 5, 100_000])
def test_noise_costs_one_fault_a_stretch(step: int) -> None:
    frames = some_frames()
    pieces = split(b"\r\n" + b"GET / HTTP/1.1\r\n".join(frames), step)
    assert [piece for piece in pieces if isinstance(piece, bytes)] == frames
    faults = [piece.reason for piece in pieces if isinstance(piece, BadFrame)]
    assert len(faults) == len(frames)
    assert faults[0] == "no start flag"
    assert all(fault.startswith("no frame between frames") for fault in faults[1:])


def test_a_broken_frame_costs_itself_alone() -> None:
    broken = bytearray(encode.location(SENDER, 1, PLACE))
    broken[20] ^= 1
    pieces = split(BEAT + bytes(broken) + BEAT, 9)
    assert pieces[0] == pieces[2] == BEAT
    with pytest.raises(BadFrame, match="wrong checksum"):
        JT808.decode(bytes(broken))


def test_a_lost_end_flag_costs_one_frame() -> None:
    pieces = split(BEAT[:-1] + BEAT + BEAT, 4)
    assert sum(piece == BEAT for piece in pieces) == 3  # the next frame's start flag ends the first


def test_an_endless_stretch_is_let_go_and_counted_once() -> None:
    splitter = JT808.splitter()
    for _ in range(1000):
        assert splitter.feed(b"\x00" * 4096) == []
    assert len(splitter._held) <= JT808.MAX_FRAME_BYTES  # type: ignore[attr-defined]
    fault, beat = splitter.feed(b"\x7e" + BEAT)
    assert isinstance(fault, BadFrame)
    assert fault.found == "4096000 bytes"
    assert beat == BEAT


def test_the_end_of_a_stream_leaves_nothing_unsaid() -> None:
    (cut,) = split(BEAT[:-1], 100)
    assert isinstance(cut, BadFrame)
    assert cut.reason == "incomplete, no end flag"
    beat, noise = split(BEAT + b"abc", 100)
    assert beat == BEAT
    assert isinstance(noise, BadFrame)
    assert split(BEAT + b"\x7e\x7e\x7e", 1) == [BEAT]


def test_the_longest_frame_fits() -> None:
    body = bytes([0x7E]) * wire.MAX_BODY_BYTES
    frame = encode.frame(encode.Sender("13800000001"), 0x0FFF, 1, body, part=(1, 2))
    assert split(frame, 512) == [frame]
    assert len(frame) <= JT808.MAX_FRAME_BYTES
    with pytest.raises(ValueError, match="use frames"):
        encode.frame(SENDER, 0x0FFF, 1, body + b"\0")


# ── offsets ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_offset_points_at_the_byte_as_it_came() -> None:
    # Serial 7E7E is escaped to four bytes, so the body starts two later than it would.
    short = encode.frame(encode.Sender("13800000002", 2013), 0x0200, 0x7E7E, b"\0" * 27)
    with pytest.raises(BadFrame, match="position too short") as caught:
        JT808.decode(short)
    assert caught.value.offset == 1 + 12 + 2
    assert str(caught.value) == "position too short at byte 15: found 27 bytes, expected at least 28"


def test_a_checksum_that_is_escaped_is_found() -> None:
    # The issue of a public project: unescape first, then the last byte is the checksum.
    frame = bytes.fromhex("7e00020000978290002147029e7d017e")
    assert JT808.decode(frame).fields["serial"] == 0x029E


# ── hostile ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def survive(data: bytes) -> None:
    """Everything that a gateway does with bytes, strict and tolerant."""
    for lenient in (frozenset[str](), TOLERANT):
        for frame in (*(p for p in split(data, 64, lenient) if isinstance(p, bytes)), data):
            for read in (JT808.decode, lambda one, tolerated: JT808.join([one], tolerated)):
                message = read_or_fault(read, frame, lenient)
                if isinstance(message, BadFrame):
                    assert 0 <= message.offset <= max(len(frame), JT808.MAX_FRAME_BYTES)
                    continue
                JT808.answers(message, NOW)
                for record in message.records:
                    assert set(record.values) <= set(JT808.RECORD_FIELDS[record.kind])


def read_or_fault(
    read: Callable[[bytes, frozenset[str]], Message], frame: bytes, lenient: frozenset[str]
) -> Message | BadFrame:
    try:
        return read(frame, lenient)
    except BadFrame as fault:
        return fault


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_bytes_raise_only_a_bad_frame(data: bytes) -> None:
    survive(data)
    survive(b"\x7e" + data + b"\x7e")


@given(st.sampled_from(MESSAGE_IDS), st.binary(max_size=120), st.sampled_from([2013, 2019]))
@settings(max_examples=600, deadline=None)
def test_random_bodies_in_sound_frames_raise_only_a_bad_frame(message_id: int, body: bytes, edition: int) -> None:
    survive(encode.frame(encode.Sender("13800000001", edition), message_id, 1, body))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_mutated_frames_raise_only_a_bad_frame(data: st.DataObject) -> None:
    frame = bytearray(data.draw(st.sampled_from(some_frames())))
    for at in data.draw(st.lists(st.integers(0, len(frame) - 1), min_size=1, max_size=4)):
        frame[at] = data.draw(st.integers(0, 255))
    survive(bytes(frame))


@pytest.mark.shared
def test_mutated_captures_raise_only_a_bad_frame(shared_dir: Path) -> None:
    frames = captured(shared_dir)
    assert len(frames) >= 160
    for number, frame in enumerate(frames):
        for at in range(0, len(frame), 7):
            mutated = bytearray(frame)
            mutated[at] = (mutated[at] * 31 + number) & 0xFF
            survive(bytes(mutated))
            survive(frame[:at])
