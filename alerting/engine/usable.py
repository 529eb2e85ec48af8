"""Which rows may count: not those whose device says that they prove nothing, nor those of announced maintenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alerting.engine.rule import MaintenanceWindow
from alerting.engine.world import FeedShape, Registry
from alerting.marks import Received
from core.area import is_within
from core.stream.live import micros

Columns = Mapping[str, Sequence[Any]]

FAULT = "fault"  # the word of a quality field
AT_WORK = frozenset({"maintenance", "calibration"})  # whoever works on a device knows what it says
# What a device says of itself with which its readings prove nothing. Any other word, known or not, mutes nothing.
PROVES_NOTHING = AT_WORK | {FAULT}


class Usable:
    """The windows of maintenance that are known, over one registry."""

    def __init__(self, registry: Registry, windows: Sequence[MaintenanceWindow]) -> None:
        self._registry = registry
        self._planned = [(micros(w.starts_at), micros(w.ends_at), micros(w.known_at), w) for w in windows]

    def rows(self, shape: FeedShape, columns: Columns, received: int, mute: frozenset[str] = PROVES_NOTHING) -> Columns:
        """The columns without rows that prove nothing: with a word that mutes, or in a window of maintenance."""
        flags = columns.get(shape.quality or "")
        is_normal = flags is None or mute.isdisjoint(flags)
        windows = self._windows(shape.feed_id, received) if self._planned else []
        if is_normal and not windows:
            return columns
        is_good = [flag not in mute for flag in flags] if flags is not None else [True] * len(columns[shape.at or ""])
        if windows:
            keys, moments = columns[shape.device or shape.object or shape.at or ""], columns[shape.at or ""]
            receipts = Received(columns, received)
            for i, (key, told_at) in enumerate(zip(keys, moments, strict=True)):
                asset_id, at = f"{shape.department}:{key}", min(told_at, receipts.at(i))
                if any(start <= at < end and self._concerns(w, asset_id) for start, end, w in windows):
                    is_good[i] = False
        if all(is_good):
            return columns
        return {name: [v for v, good in zip(values, is_good, strict=True) if good] for name, values in columns.items()}

    def maintenance_end(self, feed_id: str, key: str, at: int, now: int) -> int:
        """End of the maintenance, known now, in which a key's silence is right; 0 outside."""
        if not self._planned:
            return 0
        asset_id = f"{feed_id.partition('.')[0]}:{key}"
        ends = [
            end for start, end, w in self._windows(feed_id, now) if start <= at < end and self._concerns(w, asset_id)
        ]
        return max(ends, default=0)

    def _windows(self, feed_id: str, known: int) -> list[tuple[int, int, MaintenanceWindow]]:
        """Windows that were known at an instant and may concern rows of a feed."""
        return [
            (start, end, w)
            for start, end, known_at, w in self._planned
            if known_at <= known and (w.scope != "feed" or w.code == feed_id)
        ]

    def _concerns(self, window: MaintenanceWindow, asset_id: str) -> bool:
        if window.scope == "feed":
            return True
        device = self._registry.devices.get(asset_id)
        object_id = (device.object_id if device else None) or asset_id
        if window.scope == "area":
            area = self._registry.place(object_id, asset_id)[2]
            return area is not None and is_within(area, window.code)
        return window.code == (asset_id if window.scope == "device" else object_id)
