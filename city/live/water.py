"""River and rain stations, in SL 651."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from city.live.noise import between, chance, wave
from city.live.regular import Regular
from city.live.utterance import Said, Utterance
from ingest.protocols import sl651

TIMED = 0x32
RIVER_FEED, RAIN_FEED = "water.river_reading", "water.rain_reading"
STEP_S = 300


@dataclass(slots=True)
class WaterStation(Regular):
    """What both kinds share: reports that the centre confirms with their serial number."""

    channel = "sl651"
    raw_feed = RIVER_FEED
    station_class = ""

    def spoken(
        self, at: int, sent_at: float, feed_id: str, values: dict[str, float], n_readings: int
    ) -> Iterator[Utterance]:
        """One timed report; SL 651 tells whole minutes."""
        sender = sl651.Sender(self.device_id, self.station_class)
        serial = 1 + at // 60 % 0xFFFE
        group = sl651.Group(datetime.fromtimestamp(at, UTC), values)
        (frame,) = sl651.report(sender, TIMED, serial, datetime.fromtimestamp(sent_at, UTC), [group])
        said = (Said(feed_id, self.device_id, at),)
        yield Utterance(sent_at, self.channel, self.raw_feed, self.device_id, frame, str(serial), said, n_readings)


@dataclass(slots=True)
class RiverStation(WaterStation):
    """`base_m` is the level on an ordinary day. Reports lie on whole minutes, a few after the hour."""

    base_m: float

    station_class = "river"

    def moments(self, start: int, end: int) -> Iterator[int]:
        """Every five minutes while something happens, else every `every_s`."""
        first = start + -start % STEP_S
        for at in range(first, end, STEP_S):
            if at % self.every_s < STEP_S or any(i.is_on(at) for i in self.incidents):
                yield at

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """Level and battery."""
        level = self.base_m + 0.12 * wave(at, 4) + between(-0.02, 0.02, self.key, at, 61)
        values = {"level_m": round(self.value("level_m", at, level), 3), "battery_v": 12.6}
        yield from self.spoken(at, sent_at, RIVER_FEED, values, 1)


@dataclass(slots=True)
class RainStation(WaterStation):
    """Every five minutes in rain; in dry weather only every `every_s`, so that it is known to live."""

    station_class = "rain"

    def moments(self, start: int, end: int) -> Iterator[int]:
        """Ends of five minutes."""
        first = start + -start % STEP_S
        for at in range(first, end, STEP_S):
            if at % self.every_s < STEP_S or self._shower_mm(at) or any(i.is_on(at) for i in self.incidents):
                yield at

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """Rain of the five minutes."""
        rain = self.value("rain_mm", at, self._shower_mm(at))
        yield from self.spoken(at, sent_at, RAIN_FEED, {"rain_5min_mm": round(rain, 1)}, 1)

    def _shower_mm(self, at: int) -> float:
        """An ordinary shower now and then: an hour of at most 3 mm, so that no day comes near a warning."""
        hour = at // 3600
        if chance(self.key, hour, 62) >= 0.03:
            return 0.0
        return round(between(0.0, 0.25, self.key, at, 63), 1)
