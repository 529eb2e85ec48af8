"""What tests of rules share: the committed rule tables as one folder, shapes of all feeds, and batches by hand."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from alerting.engine import Asset, Engine, Registry, shapes_of
from alerting.engine.episode import EpisodeChange
from alerting.rules import RULE_FILES
from core.catalogue import load_contracts
from core.stream.live import LiveBatch, micros
from orchestration.project import PROJECT, seed_folders, table_of

SEEDS = seed_folders(PROJECT)
CONTRACTS = load_contracts()
SHAPES = shapes_of(CONTRACTS.values())
CITY = Registry(SHAPES)


def rules_folder(folder: Path) -> Path:
    """A copy of the rule tables of this checkout, to be edited at will."""
    target = folder / "rules"
    target.mkdir()
    for name in RULE_FILES:
        shutil.copy(table_of(PROJECT, name), target / name)
    return target


def batch(feed_id: str, received_at: datetime, rows: Sequence[Mapping[str, Any]], **defaults: Any) -> LiveBatch:
    """Rows as one LIVE batch; instants may be datetimes. Every row has the columns of the first."""
    names = list(dict.fromkeys([*rows[0], *defaults]))
    columns = {name: [_plain({**defaults, **row}.get(name)) for row in rows] for name in names}
    return LiveBatch(feed_id, received_at, "test", columns)


def gas(
    at: datetime, methane_pct_lel: float, device: str = "D1", received_at: datetime | None = None, flags: str = ""
) -> LiveBatch:
    """One reading of one gas detector, as intake marked it."""
    row = {
        "device_id": device,
        "observed_at": at,
        "methane_pct_lel": methane_pct_lel,
        "quality_flag": "normal",
        "_flags": flags,
    }
    return batch("urban.gas_reading", received_at or at, [row])


def asset(
    asset_id: str,
    object_id: str | None = None,
    lon: float | None = None,
    lat: float | None = None,
    area_code: str | None = None,
    **attributes: Any,
) -> Asset:
    """A registered object or device."""
    return Asset(asset_id, object_id, None, None, lon, lat, area_code, attributes)


def _plain(value: Any) -> Any:
    return micros(value) if isinstance(value, datetime) else value


def set_cell(folder: Path, table: str, key: str, column: str, value: str) -> None:
    """Change one cell of a rule table: of the row whose first column is `key`."""
    path = folder / table
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    row = next(row for row in rows if next(iter(row.values())) == key)
    row[column] = value
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def registry(*assets: Any) -> Registry:
    devices = {t.id: t for t in assets if t.object_id is not None}
    return Registry(SHAPES, {t.id: t for t in assets if t.object_id is None}, devices)


def fold(engine: Engine, batches: Sequence[LiveBatch]) -> list[EpisodeChange]:
    """Each batch, and the clock a second after the last one."""
    out = [change for b in batches for change in engine.fold(b)]
    return out + engine.fold(LiveBatch("clock", batches[-1].received_at + timedelta(seconds=1), "", {}))


def tracks_of(engine: Engine, rule_id: str) -> Any:
    """A rule's states as a snapshot has them."""
    return orjson.loads(engine.snapshot())["rules"][rule_id]["tracks"]
