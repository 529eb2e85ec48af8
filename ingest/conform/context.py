"""What conform must be told, because it looks at no clock and no store."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from core.geo import AreaIndex
from ingest.conform.clocks import DeviceClocks


@dataclass(frozen=True, slots=True)
class ConformContext:
    """When a payload came, the city's key for personal values, area codes and polygons.

    `known_places` has the columns id, lon, lat (WGS 84) of a register's objects that landed before; None when the
    feed is no register or nothing landed yet. `clocks` remember when devices of a stream were last heard; without
    them each payload is judged by itself.
    """

    received_at: datetime
    hash_key: bytes = field(repr=False)
    areas: AreaIndex
    known_places: pl.DataFrame | None = None
    clocks: DeviceClocks = field(default_factory=DeviceClocks)
