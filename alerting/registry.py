"""Objects and devices of all landed registers, as the rule engine and the life cycle ask for them.

Not here: rules, readings, and the registers' history (`dbt_project` keeps that).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from alerting.engine.world import Asset, Registry, shapes_of
from core.contract import Contract
from core.settings import Home
from core.store.landed import live_files

__all__ = ["Asset", "Registry", "load_registry", "registry_of"]

_PROVENANCE = ("_batch_id", "_row", "_received_at", "_flags", "landed_on")


def load_registry(home: Home, engine: sa.Engine, contracts: Iterable[Contract]) -> Registry:
    """The registers as they stand: of every key the row that landed last."""
    known = list(contracts)
    registers = (c for c in known if c.is_register and {"object", "device"} & set(c.entities))
    return registry_of(known, {c.id: _newest_rows(c, live_files(engine, home, c.id)) for c in registers})


def registry_of(contracts: Iterable[Contract], frames: Mapping[str, pl.DataFrame]) -> Registry:
    """A registry from frames in landed shape, by feed id."""
    known = list(contracts)
    objects: dict[str, Asset] = {}
    devices: dict[str, Asset] = {}
    for contract in known:
        frame = frames.get(contract.id)
        if frame is None:
            continue
        for row in frame.iter_rows(named=True):
            if "object" in contract.entities and (asset := _thing(contract, row, "object_id")):
                objects[asset.id] = asset
            if "device" in contract.entities and (asset := _thing(contract, row, "device_id")):
                devices[asset.id] = asset
    return Registry(shapes_of(known), objects, devices)


def _newest_rows(contract: Contract, files: Sequence[Path]) -> pl.DataFrame:
    if not files:
        return pl.DataFrame()
    frame = pl.scan_parquet(list(files), missing_columns="insert", extra_columns="ignore").collect()
    return frame.unique(list(contract.key), keep="last", maintain_order=True)


def _thing(contract: Contract, row: Mapping[str, Any], concept: str) -> Asset | None:
    def cell(name: str) -> Any:
        column = contract.by_concept(name)
        return row.get(column.landed_name) if column else None

    code, owner = cell(concept), cell("object_id")
    if code is None:
        return None
    prefix = f"{contract.department_code}:"
    attributes = {
        name: value
        for name, value in row.items()
        if value is not None and name not in _PROVENANCE and isinstance(value, bool | int | float | str)
    }
    return Asset(
        id=f"{prefix}{code}",
        object_id=None if owner is None else f"{prefix}{owner}",
        object_type=contract.object_type,
        name_zh=cell("name_zh"),
        lon=row.get("_lon", cell("lon")),
        lat=row.get("_lat", cell("lat")),
        area_code=row.get("_area_code") or cell("area_code"),
        attributes=attributes,
    )
