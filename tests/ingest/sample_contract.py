"""Small contracts made by hand, so that a test shows everything it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl

from core.boundaries import load_areas
from core.contract import CLOSES_FROM_SHARE, Column, Contract, Server
from core.geo import AreaIndex
from core.stages import Note, RawTable
from ingest.conform import ConformContext, Conformed, conform
from ingest.parse.columns import expected_names

RECEIVED = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
HASH_KEY = b"sample key of thirty-two bytes.."


def column(name: str, logical_type: Any = "string", **agreed: Any) -> Column:
    """A column whose physical name is its own name unless told otherwise."""
    return Column(name, agreed.pop("physical_name", name), name, name, logical_type, **agreed)


def contract(*columns: Column, **agreed: Any) -> Contract:
    """A feed with these columns, one of which must be a key."""
    kind, options = agreed.pop("kind", "api"), agreed.pop("options", {})
    if not any(c.key_position for c in columns):
        raise AssertionError("a sample needs a key column")
    whole: dict[str, Any] = {
        "id": "sample.feed",
        "version": "1.0.0",
        "status": "active",
        "name_zh": "样",
        "name_en": "sample",
        "domain": "d",
        "subdomain": "s",
        "department_code": "sample",
        "department_zh": "样",
        "owner": "o",
        "steward": "s",
        "server": Server(kind, "local", None, agreed.pop("file_format", None), options),
        "table": "feed",
        "grain": "row",
        "entities": (),
        "columns": columns,
        "rules": (),
        "snapshot": "incremental",
        "closes_from_share": CLOSES_FROM_SHARE,
        "may_be_quiet": False,
        "cursor_field": None,
        "alarm_columns": (),
        "place_columns": (),
        "overlap": 0,
        "datum": "WGS84",
        "explode": None,
        "object_type": None,
        "protocol": None,
        "metrics": (),
        "drift_mode": "evolve",
        "cadence": timedelta(hours=1),
        "late_after": timedelta(hours=2),
        "silent_after": timedelta(hours=6),
        "retention": timedelta(days=365),
    }
    return Contract(**{**whole, **agreed})


@cache
def areas() -> AreaIndex:
    """Codes and polygons, read once."""
    return load_areas()


def raw(agreed: Contract, *rows: Mapping[str, str | None]) -> RawTable:
    """Rows as a parser gives them: text, every expected column, `_row` numbered from 1."""
    names = list(dict.fromkeys([*expected_names(agreed), *(name for row in rows for name in row)]))
    data = {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in names}
    return RawTable(pl.DataFrame({"_row": [str(n) for n in range(1, len(rows) + 1)], **data}))


def shape(agreed: Contract, *rows: Mapping[str, str | None], known: pl.DataFrame | None = None) -> Conformed:
    """Conform rows with the sample key, received at RECEIVED."""
    return conform(raw(agreed, *rows), agreed, ConformContext(RECEIVED, HASH_KEY, areas(), known))


def found(shaped: Conformed) -> list[tuple[str, str, str]]:
    """(reason, outcome, place) of every note."""
    return [(note.reason, note.outcome, note.locator) for note in shaped.notes]


def only(notes: tuple[Note, ...]) -> Note:
    """The one note that a test expects."""
    (note,) = notes
    return note
