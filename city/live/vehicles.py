"""Vehicle terminals, in JT/T 808: positions on the road and in the depot, behaviour, and what a tunnel kept back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from city.geography import METRES_PER_DEGREE
from city.live.noise import DAY_S, between, chance
from city.live.regular import Regular
from city.live.utterance import Said, Utterance
from ingest.protocols.jt808 import encode

POSITION_FEED, BEHAVIOUR_FEED = "transport.vehicle_position", "transport.driver_behaviour"
PARKED_S = 600
# A working day: so many minutes on the road, so many of rest, four times; never by night, never four hours on end.
_DRIVE_S, _REST_S, _TURNS = 80 * 60, 45 * 60, 4
_FIRST_HOUR = (5.8, 7.5)
# Every so many reports a road may lead through a tunnel of three minutes, where reports are kept.
_STRETCH, _TUNNEL_S, _TUNNELS = 40, 180, 0.02
_LAP_S = 5400
_ACC_ON, _POSITIONED = 0b01, 0b10


@dataclass(slots=True)
class Vehicle(Regular):
    """One terminal. `home` is longitude and latitude of the depot (CGCS2000)."""

    edition: int
    limit_kmh: float
    home: tuple[float, float]

    channel = "jt808"
    raw_feed = POSITION_FEED

    @property
    def sender(self) -> encode.Sender:
        """How its frames name it."""
        return encode.Sender(self.device_id, self.edition)

    def moments(self, start: int, end: int) -> Iterator[int]:
        """Every `every_s` on the road, every ten minutes in the depot, and at once when something happens."""
        phase = int(chance(self.key, 81) * self.every_s)
        first = start + (phase - start) % self.every_s
        for at in range(first, end, self.every_s):
            if at % PARKED_S < self.every_s or self.is_driving(at) or any(i.is_on(at) for i in self.incidents):
                yield at

    def is_driving(self, at: int) -> bool:
        """Whether it is on the road: by its working day, unless an incident keeps it there."""
        if self.incidents and (kept := self.mark("drives", at)) is not None:
            return bool(kept)
        local = at + 8 * 3600
        day, second = divmod(local, DAY_S)
        begin = between(*_FIRST_HOUR, self.key, day, 82) * 3600
        turn, within = divmod(second - begin, _DRIVE_S + _REST_S)
        return 0 <= turn < _TURNS and within < _DRIVE_S

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """One position, nothing inside a tunnel, and after it all that was kept."""
        slot = at // self.every_s
        stretch, place = divmod(slot, _STRETCH)
        inside = _TUNNEL_S // self.every_s
        tunnel = (
            0 < inside >= place
            and chance(self.key, stretch, 83) < _TUNNELS
            and self.is_driving(at)
            and not (self.incidents and self.is_tense(at))
        )
        if tunnel and place < inside:
            return
        if tunnel:
            yield self._kept(at, sent_at, place)
        position = self._position(at)
        frame = encode.location(self.sender, _serial(at), position)
        said = [Said(POSITION_FEED, self.device_id, at)]
        if position.items:
            said.append(Said(BEHAVIOUR_FEED, self.device_id, at))
        yield self._said(sent_at, frame, _serial(at), tuple(said))

    def _kept(self, at: int, sent_at: float, count: int) -> Utterance:
        moments = [at - back * self.every_s for back in range(count, 0, -1)]
        positions = [self._position(moment) for moment in moments]
        serial = _serial(at) + 1
        (frame,) = encode.location_batch(self.sender, serial, positions, is_backfill=True)
        said = tuple(Said(POSITION_FEED, self.device_id, moment) for moment in moments)
        return self._said(sent_at - 0.05, frame, serial, said)

    def _said(self, sent_at: float, frame: bytes, serial: int, said: tuple[Said, ...]) -> Utterance:
        return Utterance(sent_at, self.channel, self.raw_feed, self.device_id, frame, str(serial), said, len(said))

    def _position(self, at: int) -> encode.Position:
        drives = self.is_driving(at)
        lon, lat = self._place(at) if drives else self.home
        speed = self.limit_kmh * between(0.45, 0.78, self.key, at, 84) if drives else 0.0
        bit = self.mark("alarm_bit", at)
        position = encode.Position(
            datetime.fromtimestamp(at, UTC),
            lon,
            lat,
            round(self.value("speed_kmh", at, speed), 1),
            int(chance(self.key, at // 60, 85) * 360) if drives else 0,
            80,
            alarm_bits=0 if bit is None else 1 << int(bit),
            status_bits=_POSITIONED | (_ACC_ON if drives else 0),
        )
        seen = self.mark("behaviour", at)
        if seen is None or any(i.is_on(at) and at - i.starts_at >= self.every_s for i in self.incidents):
            return position
        number = at // 10 % 0xFFFF_FFFF
        tired = 7 if int(seen) == 1 else 0
        item = encode.dsm(position, int(seen), self.device_id[-7:], number, fatigue_degree=tired)
        return encode.Position(
            position.observed_at,
            lon,
            lat,
            position.speed_kmh,
            position.direction_deg,
            position.altitude_m,
            position.alarm_bits,
            position.status_bits,
            (item,),
        )

    def _place(self, at: int) -> tuple[float, float]:
        """A round trip about the depot."""
        turn = 2 * math.pi * (at % _LAP_S / _LAP_S + chance(self.key, 86))
        radius = between(800, 2500, self.key, 87)
        lon, lat = self.home
        north, east = radius * (1 - math.cos(turn)) / 2, radius * math.sin(turn) / 2
        return (
            round(lon + east / (METRES_PER_DEGREE * math.cos(math.radians(lat))), 6),
            round(lat + north / METRES_PER_DEGREE, 6),
        )


def _serial(at: int) -> int:
    """The number of a message; the highest are left to the session's own."""
    return at // 5 % 0xE000 & ~1


def vehicles(rows: Sequence[Mapping[str, Any]], key: Callable[[str], int], every_s: int) -> list[Regular]:
    """The terminals of a register of vehicles."""
    return [
        Vehicle(
            terminal := str(row["zdh"]),
            key(terminal),
            every_s,
            int(row["zdxy"][-4:]),
            float(row["xs"]),
            (float(row["_lon"]), float(row["_lat"])),
        )
        for row in rows
    ]
