"""What all speakers say, in the order it is said."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from city.live.utterance import Speaker, Utterance

CHUNK_S = 60


def spoken(speakers: Sequence[Speaker], start: int, end: int, chunk_s: int = CHUNK_S) -> Iterator[Utterance]:
    """Utterances about the seconds from `start` to `end` (excluded), by the instant they are said.

    What a device kept for later comes when it is said, after `end` if need be.
    """
    waiting: list[tuple[float, int, Utterance]] = []
    number = 0
    for begin in range(start, end, chunk_s):
        until = min(begin + chunk_s, end)
        for speaker in speakers:
            for one in speaker.utterances(begin, until):
                heapq.heappush(waiting, (one.at, number, one))
                number += 1
        while waiting and waiting[0][0] < until:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
