"""Devices that `simulation.yaml` declares: they say at even intervals what their values are, in the feed's protocol."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from city.declared import Declared, DeviceKind, suits, where_of
from city.live.noise import chance
from city.live.quantity import Quantity, quantity, rains
from city.live.regular import Regular
from city.live.utterance import Said, Utterance
from city.live.wires import Report, Wire, wire_of
from core.declarations import DeclarationError

Row = Mapping[str, Any]
_REPORTS = 141


@dataclass(frozen=True, slots=True)
class Line:
    """What all devices of one feed share."""

    feed_id: str
    raw_feed: str
    wire: Wire
    kind: DeviceKind
    metrics: frozenset[str]


@dataclass(slots=True)
class DeclaredDevice(Regular):
    """One device. `sky_key` is that of the rain over it: devices of one county share it."""

    line: Line
    quantities: tuple[Quantity, ...]
    sky_key: int
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def channel(self) -> str:  # type: ignore[override]
        """What it connects to."""
        return self.line.wire.channel

    @property
    def raw_feed(self) -> str:  # type: ignore[override]
        """The feed under which its bytes arrive."""
        return self.line.raw_feed

    def moments(self, start: int, end: int) -> Iterator[int]:
        """At even intervals; more often while something happens, where such devices do so."""
        step, share = self.line.kind.alarming_s, self.line.kind.chance
        if step is None:
            for at in Regular.moments(self, start, end):
                if share == 1.0 or chance(self.key, at, _REPORTS) < share or any(i.is_on(at) for i in self.incidents):
                    yield at
            return
        offset = 0 if self.line.wire.is_on_whole_minutes else 1 + self.key % (step - 1)
        for at in range(start + (offset - start) % step, end, step):
            if at % self.every_s < step or self._is_raining(at) or any(i.is_on(at) for i in self.incidents):
                yield at

    def _is_raining(self, at: int) -> bool:
        """Whether it measures rain, and some falls."""
        return any(q.each_mm and not q.rain_hours for q in self.quantities) and rains(self.sky_key, at)

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """One report with all its values."""
        flag = self.flag(at)
        values: dict[str, float] = {}
        for one in self.quantities:
            quiet = one.at(at, self.key, self.sky_key, values, flag in ("maintenance", "calibration"))
            values[one.name] = self.value(one.name, at, quiet)
        rounded: dict[str, float | str] = {one.name: round(values[one.name], one.decimals) for one in self.quantities}
        rounded |= {name: text.format(device=self.device_id, at=at) for name, text in self.texts.items()}
        frame, token = self.line.wire.frame(Report(self.device_id, at, sent_at, rounded, flag))
        said = (Said(self.line.feed_id, self.device_id, at),)
        n_readings = sum(name in self.line.metrics for name in rounded)
        yield Utterance(sent_at, self.channel, self.raw_feed, self.device_id, frame, token, said, n_readings)


def declared_devices(
    declared: Declared, feed_id: str, rows: Sequence[Row], city: str, seed: int
) -> list[DeclaredDevice]:
    """The devices of one feed, one a row of its register that suits it. Raises DeclarationError."""
    kind, contract = declared.devices[feed_id], declared.contracts[feed_id]
    _, device_column = declared.register_of(feed_id)
    columns = {column.name for column in contract.columns}
    if unknown := sorted(set(kind.values) - columns):
        raise DeclarationError(
            f"devices/{feed_id}/values: {unknown[0]!r} is no column of its contract; there are "
            f"{', '.join(sorted(columns))}"
        )
    line = Line(
        feed_id,
        contract.raw_feed,
        wire_of(contract, kind),
        kind,
        frozenset(c.name for c in contract.columns if c.is_metric),
    )
    key_of = partial(device_key, city, seed)
    found = []
    for row in rows:
        if not suits(row, kind.where):
            continue
        device_id = str(row[device_column])
        fitting = {
            name: spec
            for name, spec in kind.values.items()
            if "where" not in spec or suits(row, where_of(spec["where"]))
        }
        quantities = tuple(quantity(name, spec, row) for name, spec in fitting.items() if "says" not in spec)
        words = {**row, "device": "{device}", "at": "{at}"}
        texts = {name: spec["says"].format_map(words) for name, spec in fitting.items() if "says" in spec}
        sky_key = key_of(f"sky/{row.get('_county') or device_id}")
        found.append(DeclaredDevice(device_id, key_of(device_id), kind.every_s, line, quantities, sky_key, texts))
    return found


def device_key(city: str, seed: int, device_id: str) -> int:
    """The number that a device's chances hang on."""
    return zlib.crc32(f"{city}/{seed}/{device_id}".encode())
