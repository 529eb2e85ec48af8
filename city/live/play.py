"""Play a plan to a running gateway and broker, and note what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl

from city.live.acknowledged import Acknowledged, folder_of
from city.live.dialect import dialects
from city.live.fleet import Fleet
from city.live.line import Line
from city.live.mqtt import Publisher
from city.live.plan import Plan
from city.live.regular import Regular
from city.live.schedule import spoken
from city.live.surroundings import Surroundings
from city.live.utterance import Utterance
from city.live.vehicles import Vehicle
from city.truth import Truth

TEND_EVERY_S = 1.0
FLUSH_EVERY_S = 5.0
CHUNK_S = 5
MOST_PENDING = 4000
DRAIN_S = 60.0
# A gateway lets one address have some thousand connections; devices beyond share lines, as behind a relay.
MOST_LINES = 3000


@dataclass
class Played:
    """How a play went: utterances said, acknowledged readings by feed, refused ones, what was left unanswered."""

    said: int = 0
    acknowledged: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    resent: int = 0
    left: int = 0


async def play(
    home: Path,
    plan: Plan,
    stop: asyncio.Event,
    now: Callable[[], datetime],
    around: Surroundings,
    *,
    speed: float | None = 1.0,
    speakers: Sequence[Regular] | None = None,
) -> Played:
    """Say everything of a plan, `speed` times faster than life (None: as fast as it is answered), until `stop`.

    Returns when all is said and answered, or a minute after. Expected alerts go into `truth.parquet`, acknowledged
    rows into `city/live/acknowledged/`. Raises RuntimeError for a port or a password that nobody knows.
    """
    speakers = Fleet.load(home).speakers(plan.incidents) if speakers is None else speakers
    note_truth(home, plan)
    ledger = Acknowledged(folder_of(home))
    stage = _Stage(around, speakers, ledger, now)
    async with asyncio.TaskGroup() as tasks:
        running = [*stage.open(tasks), tasks.create_task(stage.tend())]
        try:
            await stage.say_all(plan, speakers, speed, stop)
            await stage.drain(stop)
        finally:
            ledger.flush()
            for task in running:
                task.cancel()
    return stage.played()


def note_truth(home: Path, plan: Plan) -> None:
    """Add a plan's expected alerts to the city's truth; those that stand there are not added again."""
    truth, path = Truth(), home / "city" / "truth.parquet"
    plan.note(truth)
    rows = truth.frame()
    if path.exists():
        rows = pl.concat([pl.read_parquet(path), rows]).unique(maintain_order=True)
    rows.write_parquet(path)


class _Stage:
    """All lines of one play."""

    def __init__(
        self, around: Surroundings, speakers: Sequence[Regular], ledger: Acknowledged, now: Callable[[], datetime]
    ) -> None:
        self._around, self._ledger, self._now = around, ledger, now
        self._said, self._refused = 0, Counter[str]()
        self._lines: list[tuple[str, Line]] = []
        self._line_of: dict[tuple[str, str], Line] = {}
        self._publishers: dict[str, Publisher[Utterance]] = {}
        self._clock = asyncio.get_running_loop().time
        for channel in sorted({one.channel for one in speakers}):
            around.port(channel)  # where nothing says so, nobody plays
        self._make_lines(speakers)

    def _make_lines(self, speakers: Sequence[Regular]) -> None:
        by_channel: dict[str, list[str]] = defaultdict(list)
        for one in speakers:
            if one.channel != "mqtt":
                by_channel[one.channel].append(one.device_id)
            elif (department := one.raw_feed.partition(".")[0]) not in self._publishers:
                self._publishers[department] = self._publisher(department)
        spoken_in = dialects({one.device_id: one for one in speakers if isinstance(one, Vehicle)})
        share = -(-sum(map(len, by_channel.values())) // MOST_LINES) or 1
        for channel, devices in by_channel.items():
            for start in range(0, len(devices), share):
                some = devices[start : start + share]
                line = Line(channel, spoken_in[channel], some, self._heard, self._not_wanted)
                self._lines.append((channel, line))
                self._line_of.update(dict.fromkeys(((channel, device) for device in some), line))
        _allow_files(len(self._lines) + 200)

    def _publisher(self, department: str) -> Publisher[Utterance]:
        return Publisher(department, self._around.password(department), f"{department}-gateway", self._heard)

    @property
    def pending(self) -> int:
        """Utterances that are not answered yet."""
        lines = sum(line.pending for _, line in self._lines)
        return lines + sum(publisher.pending for publisher in self._publishers.values())

    def open(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Begin to connect everything."""
        place = self._around.place
        opened = [tasks.create_task(line.keep_open(partial(place, channel))) for channel, line in self._lines]
        return opened + [tasks.create_task(p.keep_open(partial(place, "mqtt"))) for p in self._publishers.values()]

    async def tend(self) -> None:
        """Repeat what got no answer; write what was acknowledged."""
        flushed = self._clock()
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            now = self._now()
            for _, line in self._lines:
                line.tend(now)
            if self._clock() - flushed > FLUSH_EVERY_S:
                self._ledger.flush()
                flushed = self._clock()

    async def say_all(self, plan: Plan, speakers: Sequence[Regular], speed: float | None, stop: asyncio.Event) -> None:
        """Everything at its time; no faster than it is answered."""
        begun = self._clock()
        for number, one in enumerate(spoken(speakers, plan.starts_at, plan.ends_at, CHUNK_S)):
            if stop.is_set() or one.at >= plan.ends_at:
                return
            if speed is not None:
                wait_s = begun + (one.at - plan.starts_at) / speed - self._clock()
                if wait_s > 0 and await _stopped(stop, wait_s):
                    return
            if number % 100 == 0:
                await asyncio.sleep(0)
                while speed is None and self.pending > MOST_PENDING and not stop.is_set():
                    await asyncio.sleep(0.01)
            self._offer(one)

    def _offer(self, one: Utterance) -> None:
        self._said += 1
        if one.channel == "mqtt":
            topic = f"{one.raw_feed.replace('.', '/')}/{one.device_id}"
            self._publishers[one.raw_feed.partition(".")[0]].offer(topic, one.body, one)
        else:
            self._line_of[one.channel, one.device_id].offer(one)

    async def drain(self, stop: asyncio.Event) -> None:
        """Wait for the last answers."""
        until = self._clock() + DRAIN_S
        while self.pending and self._clock() < until and not stop.is_set():
            await asyncio.sleep(0.05)

    def _heard(self, one: Utterance) -> None:
        at, each = self._now(), one.n_readings // max(1, len(one.said))
        for said in one.said:
            self._ledger.add(said, each, at)

    def _not_wanted(self, one: Utterance) -> None:
        self._refused[one.raw_feed] += 1

    def played(self) -> Played:
        """The account."""
        resent = sum(line.resent for _, line in self._lines) + sum(p.resent for p in self._publishers.values())
        return Played(self._said, self._ledger.counts, self._refused, resent, self.pending)


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait, and say whether somebody ended it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    return stop.is_set()


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def as_line(played: Played) -> Mapping[str, object]:
    """An account that a shell can print."""
    return {
        "said": played.said,
        "acknowledged": dict(sorted(played.acknowledged.items())),
        "refused": dict(sorted(played.refused.items())),
        "resent": played.resent,
        "left": played.left,
    }
