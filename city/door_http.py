"""Serving tables over HTTP: every record is written once as JSON text, so that a page is only a slice."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from city.clock import BEIJING
from city.table import SourceTable

_ISO = "%Y-%m-%dT%H:%M:%S+08:00"


def iso(value: Any) -> Any:
    """Times with the Beijing offset and dates as ISO text; everything else as it is."""
    if isinstance(value, datetime):
        return value.strftime(_ISO)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    times = [pl.col(n).dt.strftime(_ISO) for n, t in frame.schema.items() if isinstance(t, pl.Datetime)]
    dates = [pl.col(n).dt.strftime("%Y-%m-%d") for n, t in frame.schema.items() if t == pl.Date]
    return frame.with_columns(times + dates)


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """`a.b` becomes an object `a` with a field `b`."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        *path, leaf = name.split(".")
        place = out
        for step in path:
            place = place.setdefault(step, {})
        place[leaf] = iso(value)
    return out


def _dump(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _records(table: SourceTable, explode: str | None) -> tuple[list[str], list[int]]:
    """JSON text of every record and the row position whose cursor it carries."""
    frame = table.frame
    nested = any("." in name for name in table.columns)
    if not nested:
        bodies = (
            _texts(frame.select(table.columns)).select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()
        )
        uids = frame["_uid"].to_list()
        spoilt = [i for i, uid in enumerate(uids) if uid in table.loose] if table.loose else []
        for index in spoilt:
            row = frame.select(table.columns).row(index, named=True)
            bodies[index] = _dump(_nested({**row, **table.loose[uids[index]]}))
        return bodies, list(range(len(bodies)))
    rows = [
        {**row, **table.loose.get(uid, {})}
        for row, uid in zip(frame.select(table.columns).to_dicts(), frame["_uid"], strict=True)
    ]
    if explode is None:
        return [_dump(_nested(row)) for row in rows], list(range(len(rows)))
    groups: dict[Any, dict[str, Any]] = {}
    for row in rows:
        whole = _nested(row)
        item = whole.pop(explode)
        groups.setdefault(row[table.key[0]], {**whole, explode: []})[explode].append(item)
    return [_dump(record) for record in groups.values()], list(range(len(groups)))


def records(table: SourceTable, explode: str | None = None) -> pl.DataFrame:
    """The feed's records in sending order: `cursor` in epoch seconds or null, `body` as JSON text."""
    bodies, positions = _records(table, explode)
    cursor: pl.Series | None = None
    if table.sent:
        local = table.frame[table.sent].dt.replace_time_zone(BEIJING.key)
        cursor = local.dt.epoch("s")[positions]
    frame = pl.DataFrame({"cursor": cursor if cursor is not None else [None] * len(bodies), "body": bodies})
    return frame.with_columns(pl.col("cursor").cast(pl.Int64))


def write(table: SourceTable, path: Path, explode: str | None = None) -> None:
    """Write the feed's records as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    records(table, explode).write_parquet(path, compression="lz4")


def parse_since(text: str) -> int:
    """Epoch seconds of a cursor as a client sends it back: ISO 8601 (a lost `+` is forgiven) or plain Beijing time."""
    moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
    aware = moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)
    return int(aware.astimezone(UTC).timestamp())


def source_ref(table: SourceTable, row: dict[str, Any]) -> str:
    """Primary key values as sent, joined with `|`; an empty key part stays empty."""
    sent = {**row, **table.loose.get(row["_uid"], {})}
    return "|".join("" if sent[name] is None else str(iso(sent[name])) for name in table.key)
