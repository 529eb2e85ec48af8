"""What a device says at one moment, ready for the wire."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Said:
    """One row that an utterance carries, as the acknowledgement of the utterance counts it."""

    feed_id: str
    device_id: str
    observed_at: int  # whole seconds since 1970 UTC


@dataclass(frozen=True, slots=True)
class Utterance:
    """One frame, or the body of one message.

    `at` is the second it is said in, which is later than its readings where a device kept them. `token` is what the
    answer repeats; '' for MQTT, whose packet numbers are the connection's own.
    """

    at: float
    channel: str  # mqtt, or a protocol
    raw_feed: str
    device_id: str  # as the wire names the speaker
    body: bytes
    token: str
    said: tuple[Said, ...]
    n_readings: int


class Speaker(Protocol):
    """A device. Pure: the same utterances whenever it is asked."""

    channel: str
    raw_feed: str
    device_id: str

    def utterances(self, start: int, end: int) -> Iterator[Utterance]:
        """What it says of the seconds from `start` to `end` (excluded), in the order it says it."""
        ...
