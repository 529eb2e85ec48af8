"""Frames of one protocol: what a frame is, whose it is, whether its sender may speak, what is owed once it is safe.

The doors (`session` for TCP, `datagram` for UDP) bring frames here. Not here: sockets, and waiting for the broker.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from core.contract import Contract
from core.stream.live import micros
from core.stream.raw import RawEntry
from ingest.devices.bad_frames import BadEntry, BadFrames
from ingest.devices.counts import Counts
from ingest.devices.known import KnownDevices, Standing
from ingest.devices.links import LinkTracker
from ingest.devices.unknown_devices import UnknownDevices
from ingest.protocols import BadFrame, Codec, Message, codec

DEVICE_ID_CHARACTERS = 64
PARTS = 256  # frames of one message
BEGUN = 4096  # messages in parts that devices of one protocol may have begun


class Refused(Exception):
    """A frame of a device that may not speak; `replies` tell it so where the protocol has words for that.

    `heard` is what goes to RAW all the same: it lands nowhere, but danger in it rings.
    """

    def __init__(
        self,
        raw_feed: str,
        device_id: str,
        standing: Standing,
        replies: tuple[bytes, ...],
        heard: tuple[TakenFrame, ...],
    ) -> None:
        super().__init__(f"{raw_feed}: device {device_id!r} is {standing}")
        self.raw_feed, self.device_id, self.standing = raw_feed, device_id, standing
        self.replies, self.heard = replies, heard


class Deviates(BadFrame):
    """A frame of a device that may speak, with a deviation that its source does not tolerate."""

    def __init__(self, raw_feed: str, device_id: str, option: str, found: str) -> None:
        super().__init__(option, 0, found, f"a frame to the standard; option {option} takes it")
        self.raw_feed, self.device_id = raw_feed, device_id


@dataclass(frozen=True, slots=True)
class TakenFrame:
    """A frame that is in order: `entry` (None: nothing to keep) must be safe before `replies` are sent.

    `is_part` says that the entry is a frame of a message that has not come whole.
    """

    raw_feed: str
    device_id: str
    entry: RawEntry | None
    replies: tuple[bytes, ...]
    is_part: bool = False


@dataclass(slots=True)
class Begun:
    """A message of which parts are missing: its frames by number, and what was answered to them."""

    frames: dict[int, bytes] = field(default_factory=dict)
    answered: set[bytes] = field(default_factory=set)
    wanted: int = 0  # the first packet that was asked for again


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a frame comes from."""

    carrier: str
    address: str


class FrameHandler:
    """The handler of one protocol, shared by its doors."""

    def __init__(
        self,
        protocol: str,
        contracts: Sequence[Contract],
        known: KnownDevices,
        links: LinkTracker,
        bad: BadFrames,
        unknown_devices: UnknownDevices,
        counts: Counts,
        now: Callable[[], datetime],
    ) -> None:
        self.protocol = protocol
        self.codec: Codec = codec(protocol)
        self.now = now
        self.links, self.counts = links, counts
        self._known, self._bad, self._unknown_devices = known, bad, unknown_devices
        self.raw_feeds = tuple(sorted({contract.raw_feed for contract in contracts}))
        self._lenient = {feed: _lenient_of(feed, contracts) for feed in self.raw_feeds}
        self._begun: OrderedDict[tuple[object, ...], Begun] = OrderedDict()
        self.lenient = frozenset[str]().union(*self._lenient.values())

    def take(self, frame: bytes, peer: Peer) -> TakenFrame:
        """Judge one frame. Raises BadFrame or Refused."""
        now = self.now()
        message = self.codec.decode(frame, self.lenient)
        raw_feed = self._admit(message, frame, peer, now)
        replies = self.codec.answers(message, now)
        if message.part is None:
            return TakenFrame(raw_feed, message.device_id, _entry(message, frame, now), replies)
        begun = self._collect(message, frame)
        begun.answered.update(replies)
        if len(begun.frames) < message.part[1]:
            replies += self._ask_again(message, begun, now)
            entry = RawEntry(message.device_id, micros(now), frame)
            return TakenFrame(raw_feed, message.device_id, entry, replies, is_part=True)
        frames = [begun.frames[number] for number in sorted(begun.frames)]
        whole = self.codec.join(frames, self.lenient)
        replies += tuple(one for one in self.codec.answers(whole, now) if one not in begun.answered)
        return TakenFrame(raw_feed, message.device_id, _entry(whole, b"".join(frames), now), replies)

    def remember(self, frame: bytes) -> None:
        """Take a part that an earlier process had answered; what cannot be read is left to the device to repeat."""
        with suppress(BadFrame):
            message = self.codec.decode(frame, self.lenient)
            if message.part is not None:
                self._collect(message, frame).answered.update(self.codec.answers(message, self.now()))

    def note_bad(
        self, bad: BadFrame, data: bytes, peer: Peer, device: tuple[str, str] | None = None
    ) -> TakenFrame | None:
        """Count a bad stretch, on a device's account when it is one's, and keep its bytes while there is room.

        `device` is the raw feed and id of the one that the connection belongs to. What a known device sends and cannot
        be read is refused in the protocol's own words; when an alarm seems to be in it, it goes to RAW all the same, so
        that intake tells somebody. None when there is nothing to store and nothing to say.
        """
        now = self.now()
        self.counts.bad.labels(self.protocol).inc()
        if isinstance(bad, Deviates):
            device = (bad.raw_feed, bad.device_id)
        if device is not None:
            self.links.bad(*device, str(bad), now)
        sender = "/".join(device) if device else peer.address
        if not self._bad.has_room(sender, now):
            self._bad.count(device[0] if device else self.raw_feeds[0], peer.carrier)
            return None
        raw_feed, device_id = device or self._likely(data)
        denial = self._denial(data, now) if device_id else ()
        if device_id and self.codec.alarm_in(data):
            self._bad.note(sender)
            return TakenFrame(raw_feed, device_id, RawEntry(device_id, micros(now), data), denial)
        found = f"{bad.reason} at byte {bad.offset}: {bad.found}"
        self._bad.keep(raw_feed, peer.carrier, sender, BadEntry(device_id, data, found, bad.expected, now))
        return TakenFrame(raw_feed, device_id, None, denial) if denial else None

    def _denial(self, data: bytes, now: datetime) -> tuple[bytes, ...]:
        """The protocol's words to the sender of a frame that was refused, where it has some."""
        deny: Callable[[bytes, datetime], bytes | None] = getattr(self.codec, "deny", _nothing)
        told = deny(data, now)
        return (told,) if told is not None else ()

    def _ask_again(self, message: Message, begun: Begun, now: datetime) -> tuple[bytes, ...]:
        """Ask for packets that are missing once the last has come, and on when one that was asked for has."""
        assert message.part is not None
        number, total = message.part
        resend = getattr(self.codec, "resend", None)
        if resend is None or total not in begun.frames or number not in (total, begun.wanted):
            return ()
        missing = [wanted for wanted in range(1, total + 1) if wanted not in begun.frames]
        first = self.codec.decode(begun.frames[min(begun.frames)], self.lenient)
        asked: tuple[bytes, ...] = resend(first, missing, now)
        begun.wanted = missing[0]
        return asked

    def _likely(self, data: bytes) -> tuple[str, str]:
        """Feed and device that a bad frame seems to be from, to file it there; the first feed and '' without a hint."""
        with suppress(BadFrame):
            device_id = self.codec.decode(data, frozenset(self.codec.LENIENT)).device_id
            raw_feed, standing = self._known.standing(self.raw_feeds, device_id)
            if standing == "known":
                return raw_feed, device_id
        return self.raw_feeds[0], ""

    def _admit(self, message: Message, frame: bytes, peer: Peer, now: datetime) -> str:
        """The raw feed of a message whose sender may speak, and needs no tolerance that its source does not have."""
        device_id = message.device_id
        if not device_id or len(device_id) > DEVICE_ID_CHARACTERS or not device_id.isprintable():
            raise BadFrame("device id", 0, repr(device_id[:80]), f"1 to {DEVICE_ID_CHARACTERS} printable characters")
        raw_feed, standing = self._known.standing(self.raw_feeds, device_id)
        if standing != "known":
            self.links.refused(raw_feed, device_id, standing, peer.carrier, peer.address, now)
            self.counts.refused.labels(self.protocol, standing).inc()
            refusal: Callable[[Message], tuple[bytes, ...]] = getattr(self.codec, "refusal", _no_words)
            heard = self._of_stranger(message, frame, now) if standing == "unknown" else ()
            raise Refused(raw_feed, device_id, standing, refusal(message), heard)
        unwanted = [name for name in message.deviations if name not in self._lenient[raw_feed]]
        if unwanted:
            raise Deviates(raw_feed, device_id, unwanted[0], self.codec.LENIENT.get(unwanted[0], "a deviation"))
        link = self.links.heard(raw_feed, device_id, peer.carrier, peer.address, now)
        if message.deviations:
            link.deviations.update(message.deviations)
        self.counts.frames.labels(self.protocol).inc()
        return raw_feed

    def _of_stranger(self, message: Message, frame: bytes, now: datetime) -> tuple[TakenFrame, ...]:
        """What is heard of a device in no register, for each feed that it may belong to: nobody knows which."""
        is_alarm = bool(self.codec.alarm_in(frame))
        if not is_alarm and not message.records:
            return ()
        device_id, values = message.device_id, [record.values for record in message.records]
        entry = RawEntry(device_id, micros(now), frame)
        return tuple(
            TakenFrame(feed, device_id, entry, ())
            for feed in self.raw_feeds
            if self._unknown_devices.may_speak(feed, device_id, values, now, is_alarm=is_alarm)
        )

    def _collect(self, message: Message, frame: bytes) -> Begun:
        """The message that a part belongs to, with the part in it; a whole one is no longer remembered."""
        assert message.part is not None
        number, total = message.part
        if not 1 <= number <= total <= PARTS:
            raise BadFrame("part", 0, f"{number} of {total}", f"1 to {PARTS} of as many")
        key = (message.device_id, message.kind, message.fields.get("part_key"), total)
        if self._begun.get(key, Begun()).frames.get(number, frame) != frame:
            del self._begun[key]  # the device began another message of this kind
        begun = self._begun.setdefault(key, Begun())
        begun.frames[number] = frame
        if len(begun.frames) == total:
            del self._begun[key]
        while len(self._begun) > BEGUN:
            self._begun.popitem(last=False)
        return begun


def _entry(message: Message, body: bytes, now: datetime) -> RawEntry | None:
    """What is kept of a whole message; one without records (a heartbeat, a registration) leaves nothing."""
    return RawEntry(message.device_id, micros(now), body) if message.records else None


def _lenient_of(raw_feed: str, contracts: Sequence[Contract]) -> frozenset[str]:
    """The tolerances that the contracts of a raw feed agree on."""
    options: list[Mapping[str, object]] = [one.server.options for one in contracts if one.raw_feed == raw_feed]
    named = [one.get("lenient", ()) for one in options]
    return frozenset(str(option) for several in named if isinstance(several, list | tuple) for option in several)


def _no_words(_message: Message) -> tuple[bytes, ...]:
    return ()


def _nothing(_data: bytes, _now: datetime) -> bytes | None:
    return None
