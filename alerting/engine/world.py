"""What the engine knows about the city: where a feed keeps its keys and times, and the objects behind them.

Pure records; `alerting.registry` fills them from landed registers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.contract import Contract


@dataclass(frozen=True, slots=True)
class FeedShape:
    """Landed names of the columns that every rule on a feed needs; None where the feed has none."""

    feed_id: str
    department: str
    device: str | None
    object: str | None
    area: str | None
    event_id: str | None
    at: str | None
    quality: str | None
    is_stream: bool = False  # devices push it, each by its own clock
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)  # physical, of numbers
    spot: tuple[tuple[str, str], ...] = ()  # where inside the object a row is: role and column


@dataclass(frozen=True, slots=True)
class Asset:
    """One object or device of a register. `id` and `object_id` are `<department>:<code>`."""

    id: str
    object_id: str | None
    object_type: str | None
    name_zh: str | None
    lon: float | None
    lat: float | None
    area_code: str | None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registry:
    """Shapes of feeds, objects and devices by their unified id."""

    shapes: Mapping[str, FeedShape]
    objects: Mapping[str, Asset] = field(default_factory=dict)
    devices: Mapping[str, Asset] = field(default_factory=dict)
    _numbers: dict[str, frozenset[float]] = field(default_factory=dict, repr=False, compare=False)

    def attribute(self, asset_id: str, name: str) -> Any:
        """A register's value for a device, or for the object it stands at; None when neither says."""
        device = self.devices.get(asset_id)
        if device is not None and device.attributes.get(name) is not None:
            return device.attributes[name]
        owner = self.objects.get(asset_id) or (self.objects.get(device.object_id or "") if device else None)
        return owner.attributes.get(name) if owner else None

    def numbers(self, name: str) -> frozenset[float]:
        """All numbers that an attribute has anywhere in the registers; collected once."""
        if name not in self._numbers:
            assets = (*self.devices.values(), *self.objects.values())
            found = (t.attributes.get(name) for t in assets)
            self._numbers[name] = frozenset(
                float(v) for v in found if isinstance(v, int | float) and not isinstance(v, bool)
            )
        return self._numbers[name]

    def place(self, object_id: str, device_id: str | None) -> tuple[float | None, float | None, str | None]:
        """Longitude, latitude, area code: of the device where it says so, else of its object."""
        assets = [self.devices.get(device_id or ""), self.objects.get(object_id), self.devices.get(object_id)]
        known = [asset for asset in assets if asset is not None]
        spot = next(((t.lon, t.lat) for t in known if t.lon is not None and t.lat is not None), (None, None))
        return *spot, next((t.area_code for t in known if t.area_code), None)


def shape_of(contract: Contract) -> FeedShape:
    """The columns of a feed by what they mean."""

    def landed(concept: str) -> str | None:
        column = contract.by_concept(concept)
        return column.landed_name if column else None

    event_time = contract.event_time
    return FeedShape(
        feed_id=contract.id,
        department=contract.department_code,
        device=landed("device_id"),
        object=landed("object_id"),
        area=landed("area_code"),
        event_id=landed("event_id"),
        at=event_time.landed_name if event_time else None,
        quality=landed("quality_flag"),
        is_stream=contract.is_stream,
        ranges={
            column.landed_name: (column.minimum, column.maximum)
            for column in contract.columns
            if column.minimum is not None or column.maximum is not None
        },
        spot=tuple((role, contract.column(name).landed_name) for role, name in contract.place_columns),
    )


def shapes_of(contracts: Iterable[Contract]) -> dict[str, FeedShape]:
    """Shapes of all feeds that say when something happened."""
    return {contract.id: shape_of(contract) for contract in contracts if not contract.is_register}
