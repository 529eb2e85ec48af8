"""The HJ 212 splitter on glued, cut and noisy streams, and hostile bytes: nothing but BadFrame ever comes out."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.protocols import BadFrame, Message, hj212
from ingest.protocols.hj212.crc import crc

EVERYTHING = frozenset(hj212.LENIENT)


def framed(cp: str) -> bytes:
    data = f"QN=20260615120000123;ST=39;CN=2011;PW=123456;MN=DUST0001;Flag=5;CP=&&{cp}&&".encode()
    return b"##%04d%s%04X" % (len(data), data, crc(data))


FRAMES = [
    framed("DataTime=20260615115900;a34002-Rtd=61.5,a34002-Flag=N;LA-Rtd=58.2"),
    framed(""),
    framed("i11001-Info=//清洗管路 ## 12//"),
]
BROKEN = [FRAMES[0][:40], FRAMES[0][:-4] + b"0000", b"##0999" + FRAMES[1][6:], b"##9999" + FRAMES[1][6:], b"##0000"]
NOISE = [b"", b"\r\n", b"\n", b"#", b"##", b"##12", b"noise", b"\x00\xff", b"&&1C80"]


def cut(stream: bytes, places: list[int], lenient: frozenset[str] = frozenset()) -> list[bytes | tuple[str, str]]:
    """What a splitter makes of a stream that comes in pieces."""
    splitter = hj212.splitter(lenient)
    ends = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    found = [one for start, end in pairwise(ends) for one in splitter.feed(stream[start:end])] + splitter.close()
    return [one if isinstance(one, bytes) else (one.reason, one.found) for one in found]


def test_a_frame_comes_out_as_soon_as_it_is_whole() -> None:
    splitter = hj212.splitter()
    assert splitter.feed(FRAMES[0][:-1]) == []
    assert splitter.feed(FRAMES[0][-1:]) == [FRAMES[0]]
    assert splitter.feed(b"\r\n") == []
    assert splitter.close() == []


def test_a_frame_that_lost_bytes_does_not_hold_back_the_next() -> None:
    splitter = hj212.splitter()
    assert splitter.feed(FRAMES[0][:40]) == []
    assert splitter.feed(FRAMES[1]) == [FRAMES[0][:40], FRAMES[1]]


def test_a_length_that_cannot_be_does_not_hold_back_the_next() -> None:
    splitter = hj212.splitter()
    assert splitter.feed(b"##9999abc") == []
    assert splitter.feed(FRAMES[1]) == [b"##9999abc", FRAMES[1]]


def test_noise_without_end_is_given_up_in_stretches() -> None:
    splitter = hj212.splitter()
    found = splitter.feed(b"x" * (2 * hj212.MAX_FRAME_BYTES + 5))
    assert [type(one) for one in found] == [BadFrame, BadFrame]
    (rest,) = splitter.close()
    assert isinstance(rest, BadFrame)
    assert rest.found.startswith("5 bytes")


def test_an_unfinished_frame_at_the_end_is_handed_out_to_be_refused() -> None:
    splitter = hj212.splitter()
    assert splitter.feed(FRAMES[0][:50]) == []
    assert splitter.close() == [FRAMES[0][:50]]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.sampled_from([*FRAMES, *BROKEN, *NOISE]), max_size=8).map(b"".join),
    st.lists(st.integers(0, 3000), max_size=12),
)
def test_pieces_make_no_difference(stream: bytes, places: list[int]) -> None:
    whole = cut(stream, [])
    assert cut(stream, places) == whole
    assert cut(stream, list(range(len(stream)))) == whole


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(FRAMES), st.sampled_from(NOISE[:3] + NOISE[6:])), min_size=1, max_size=6))
def test_all_good_frames_come_out_of_noise(pairs: list[tuple[bytes, bytes]]) -> None:
    found = cut(b"".join(frame + noise for frame, noise in pairs), [])
    assert [one for one in found if isinstance(one, bytes)] == [frame for frame, _ in pairs]


@settings(deadline=None, max_examples=300)
@given(
    st.binary(max_size=200) | st.lists(st.sampled_from([*FRAMES, *BROKEN, *NOISE]), max_size=4).map(b"".join),
    st.sampled_from([frozenset(), EVERYTHING]),
)
def test_random_bytes_raise_only_bad_frames(data: bytes, lenient: frozenset[str]) -> None:
    assert_harmless(data, lenient)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mutated_frames_raise_only_bad_frames(data: st.DataObject) -> None:
    frame = bytearray(data.draw(st.sampled_from(FRAMES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if len(frame) < 8:
            return
    assert_harmless(bytes(frame), EVERYTHING)
    segment = bytes(frame[6:-4])  # with a right length and check the segment itself is put to the test
    assert_harmless(b"##%04d%s%04X" % (len(segment), segment, crc(segment)), EVERYTHING)


def assert_harmless(data: bytes, lenient: frozenset[str]) -> None:
    splitter = hj212.splitter(lenient)
    for frame in (data, *splitter.feed(data), *splitter.close()):
        if isinstance(frame, BadFrame):
            continue
        outcome = decoded(frame, lenient)
        if isinstance(outcome, BadFrame):
            assert 0 <= outcome.offset <= len(frame)
            continue
        for record in outcome.records:
            assert set(record.values) <= set(hj212.RECORD_FIELDS[record.kind])


def decoded(frame: bytes, lenient: frozenset[str]) -> Message | BadFrame:
    try:
        message = hj212.decode(frame, lenient)
        if message.part is None:
            assert hj212.join([frame], lenient).records == message.records
    except BadFrame as error:
        return error
    return message
