"""All devices of a built city, each as a speaker."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from city.declared import Declared, declared
from city.live import fire, vehicles
from city.live.devices import declared_devices, device_key
from city.live.incident import Incident
from city.live.noise import chance
from city.live.regular import Regular

_BYSTANDER = 111

Rows = Sequence[Mapping[str, Any]]
Key = Callable[[str], int]


@dataclass(frozen=True)
class Coded:
    """Devices whose frames or movements take code of their own: by the register, with their rhythm in seconds.

    `column` of the register names the speaker, who may speak for several devices. In an incident one is heard at least
    every `alarming_s`.
    """

    register: str
    column: str
    every_s: int
    at_most_s: int
    alarming_s: int
    make: Callable[[Rows, Key, int], Sequence[Regular]]


_CODED: Mapping[str, Coded] = {
    fire.STATE_FEED: Coded("fire.device", fire.SPEAKER, 1800, 3600, fire.ALARMING_S, fire.transmission_units),
    vehicles.POSITION_FEED: Coded("transport.vehicle", "zdh", 30, 300, 30, vehicles.vehicles),
}


@dataclass(frozen=True)
class Fleet:
    """The registers of a city's devices (good rows, the departments' own column names), by feed id."""

    city: str
    seed: int
    registers: Mapping[str, Rows]
    declared: Declared

    @classmethod
    def load(cls, home: Path) -> Fleet:
        """The devices of the city built under `home`; raises FileNotFoundError when there is none."""
        facts = json.loads((home / "city" / "build.json").read_text(encoding="utf-8"))
        files = sorted((home / "city" / "live").glob("*.parquet"))
        registers = {path.stem: pl.read_parquet(path).to_dicts() for path in files}
        return cls(facts["city"], facts["seed"], registers, declared())

    def speakers(
        self,
        incidents: Iterable[Incident] = (),
        thin: float = 1.0,
        feeds: Sequence[str] | None = None,
        bystanders: float = 1.0,
    ) -> list[Regular]:
        """Every device with its incidents, by raw feed and number.

        Devices without an incident report up to `thin` times more rarely, and only the share `bystanders` of them is
        there at all; `feeds` leaves only some raw feeds.
        """
        by_device: dict[str, list[Incident]] = defaultdict(list)
        for incident in incidents:
            by_device[incident.device_id].append(incident)
        found: list[Regular] = []
        for raw_feed, at_most_s, devices in self._kinds():
            if feeds is not None and raw_feed not in feeds:
                continue
            for one in devices():
                one.incidents = tuple(sorted(by_device.get(one.device_id, ()), key=lambda i: i.starts_at))
                if one.incidents:
                    found.append(one)
                elif chance(one.key, _BYSTANDER) < bystanders:
                    one.every_s = min(max(one.every_s, int(one.every_s * thin)), max(one.every_s, at_most_s))
                    found.append(one)
        return found

    def speaker_column(self, feed_id: str) -> tuple[str, str, str]:
        """Register of a pushed feed, and its columns that name the speaker and the object that it tells of."""
        register, column = self.declared.register_of(feed_id)
        coded = _CODED.get(self.declared.contracts[feed_id].raw_feed)
        owner = register.by_concept("object_id")
        return register.id, coded.column if coded else column, owner.physical_name if owner else column

    def reports_within_s(self, feed_id: str) -> int:
        """How long a device of a feed may take, while an incident is on, until it is heard."""
        if coded := _CODED.get(self.declared.contracts[feed_id].raw_feed):
            return coded.alarming_s
        kind = self.declared.devices[feed_id]
        return kind.alarming_s or kind.every_s

    def key(self, device_id: str) -> int:
        """The number that a device's chances hang on."""
        return device_key(self.city, self.seed, device_id)

    def _kinds(self) -> Iterator[tuple[str, int, Callable[[], Sequence[Regular]]]]:
        """Raw feed, how often devices are heard at least, and how they are made."""
        for feed_id, kind in sorted(self.declared.devices.items()):
            if (rows := self.registers.get(self.declared.register_of(feed_id)[0].id)) is not None:
                make = partial(declared_devices, self.declared, feed_id, rows, self.city, self.seed)
                yield self.declared.contracts[feed_id].raw_feed, kind.at_most_s, make
        for raw_feed, coded in _CODED.items():
            if raw_feed in self.declared.contracts and (rows := self.registers.get(coded.register)) is not None:
                yield raw_feed, coded.at_most_s, partial(coded.make, rows, self.key, coded.every_s)
