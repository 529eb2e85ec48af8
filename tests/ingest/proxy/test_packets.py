"""Packets on their way to the broker: however they come in pieces, only what is too large is replaced."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.stream.oversize import HEAD_BYTES, Oversize, oversize_in
from ingest.devices.proxy.packets import CONNECT_BYTES, MalformedPacket, PublishLimiter

MOST = 1000
HELLO = b"\x10\x04abcd"


def packet(first: int, rest: bytes) -> bytes:
    """A packet with its fixed header."""
    length, size = b"", len(rest)
    while size >= 128:
        length, size = length + bytes([size % 128 | 128]), size // 128
    return bytes([first]) + length + bytes([size]) + rest


def publish(topic: bytes, body: bytes, qos: int = 1, mid: int = 7) -> bytes:
    """A PUBLISH with the flag of a repeat."""
    head = len(topic).to_bytes(2) + topic + (mid.to_bytes(2) if qos else b"")
    return packet(0x38 | qos << 1, head + body)


def limited(data: bytes, cuts: list[int]) -> tuple[bytes, list[tuple[str, int]], PublishLimiter]:
    """What passes of bytes that come in pieces."""
    said: list[tuple[str, int]] = []
    limiter = PublishLimiter(MOST, lambda topic, size: said.append((topic, size)))
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    out = b"".join(limiter.feed(data[a:b]) for a, b in pairwise(places) if a < b)
    return out, said, limiter


Packets = st.lists(
    st.tuples(
        st.sampled_from((b"a/b/1", b"t", "路/灯".encode(), b"x" * 200)),
        st.integers(0, 2),
        st.integers(1, 0xFFFF),
        st.sampled_from((0, 1, 100, 130, 700, 995, 1200, 20_000)),
    ),
    max_size=8,
)


@pytest.mark.case("live.G9")
@settings(max_examples=150)
@given(Packets, st.lists(st.integers(0, 2**20), max_size=12))
def test_whatever_the_pieces_only_large_messages_are_replaced(
    packets: list[tuple[bytes, int, int, int]], cuts: list[int]
) -> None:
    sent, expected, large = HELLO, HELLO, []
    for topic, qos, mid, size in packets:
        body = b"{" * size
        one = publish(topic, body, qos, mid)
        sent += one
        if 2 + len(topic) + (2 if qos else 0) + size > MOST:
            large.append((topic.decode(), size))
            one = publish(topic, Oversize(size, MOST, body[:HEAD_BYTES]).pack(), qos, mid)
        expected += one + b"\xc0\x00"
        sent += b"\xc0\x00"
    out, said, limiter = limited(sent, cuts)
    assert (out, said, limiter.is_within, limiter.has_begun) == (expected, large, False, True)


@pytest.mark.case("live.G9")
def test_a_message_under_way_is_held_back_and_trickles_all_but_its_last_byte() -> None:
    whole = publish(b"a/b/1", b"y" * 100_000)
    limiter = PublishLimiter(MOST, lambda *_: None)
    assert limiter.feed(HELLO) == HELLO
    assert limiter.trickle() == limiter.feed(whole[:10]) == limiter.trickle() == b""
    assert limiter.feed(whole[10:-1]) == b""
    assert limiter.is_within
    trickled = b"".join(limiter.trickle() for _ in range(2 * HEAD_BYTES))
    rest = limiter.feed(whole[-1:])
    assert len(rest) == 1
    assert trickled + rest == publish(b"a/b/1", Oversize(100_000, MOST, b"y" * HEAD_BYTES).pack())


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"\x32\x05abcde", "first packet of type 3"),
        (b"GET / HTTP/1.1\r\n", "first packet of type 4"),
        (packet(0x10, b"x" * (CONNECT_BYTES + 1)), "CONNECT with"),
        (HELLO + packet(0x82, b"x" * 2000), "packet of type 8 with 2000 bytes"),
        (HELLO + b"\x32\xff\xff\xff\xff\x01", "length of more than four bytes"),
        (HELLO + packet(0x32, b"\xff\xff" + b"x" * 2000), "its topic ends at byte 65539"),
    ],
)
def test_what_no_client_sends_ends_the_connection(sent: bytes, said: str) -> None:
    for cuts in ([], list(range(12))):
        with pytest.raises(MalformedPacket, match=said):
            limited(sent, cuts)


def test_what_stands_in_is_read_as_it_was_written() -> None:
    one = Oversize(9_000_000, MOST, b'[{"deviceId":')
    assert oversize_in(one.pack()) == one
    assert oversize_in(b'{"deviceId": "QY-1"}') is oversize_in(one.pack()[:25]) is None
