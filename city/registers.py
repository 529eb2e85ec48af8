"""Registers of departments, drawn as `simulation.yaml` of their system declares them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from city.clock import Span
from city.columns import Cells, Drawing, draw_column
from city.declared import Declared, Department, Placing, Rows, suits
from city.geography import County, Places, scatter
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable
from core.contract import Contract
from core.declarations import DeclarationError

_TYPES: Mapping[str, pl.DataType] = {
    "string": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us"),
    "boolean": pl.Boolean(),
}


def draw_registers(
    declared: Declared,
    profile: Profile,
    counties: list[County],
    span: Span,
    streams: Streams,
    scale: float,
    made: Mapping[str, SourceTable],
) -> dict[str, SourceTable]:
    """Every declared register by feed id; `made` are tables that others made and that rows may belong to.

    Raises DeclarationError for registers that wait for each other.
    """
    found: dict[str, SourceTable] = {}
    waiting = {id: one for id, one in declared.departments.items() if one.rows is not None}
    while waiting:
        ready = [id for id, one in waiting.items() if not (one.rows and one.rows.each in waiting)]
        if not ready:
            raise DeclarationError(
                f"registers {', '.join(sorted(waiting))} wait for each other: `each` goes in a circle"
            )
        for feed_id in ready:
            department = waiting.pop(feed_id)
            found[feed_id] = _register(
                department, declared.contracts[feed_id], profile, counties, span, streams, scale, {**made, **found}
            )
    return found


def _register(
    department: Department,
    contract: Contract,
    profile: Profile,
    counties: list[County],
    span: Span,
    streams: Streams,
    scale: float,
    made: Mapping[str, SourceTable],
) -> SourceTable:
    assert department.rows is not None
    rng = streams.get(f"register.{department.feed_id}")
    parent, kinds, moments = None, None, None
    if department.rows.each:
        parent = _parents(department, made, profile, scale)
        if department.rows.every_s or department.rows.per_day:
            index, moments = _over_time(parent.height, department.rows, span, rng)
            parent = parent[index]
        places = _beside(parent, made[department.rows.each], department.place, rng)
    else:
        kinds = _kinds(department, profile, scale, rng)
        places = _scattered(department.place, counties, len(kinds), rng)
        if department.place.together_m:
            places = _together(places, kinds, department.place.together_m)
    owner = made[department.rows.each].key[0] if department.rows.each else ""
    chain = department.place.chain or 1
    drawing = Drawing(profile, span, rng, places, contract.datum, parent, kinds, moments, owner, chain)
    for name, spec in department.columns.items():
        # A stream of its own for each column: another column moves no value of this one.
        drawing.rng = streams.get(f"register.{department.feed_id}/{name}")
        try:
            draw_column(name, spec, drawing)
        except DeclarationError as error:
            raise DeclarationError(f"departments/{department.feed_id}/columns/{name}: {error}") from error
    types = {column.physical_name: column.logical_type for column in contract.columns}
    # Served in the contract's order, whatever the order in which one column needs another.
    names = [
        *(name for name in types if name in drawing.columns),
        *(name for name in drawing.columns if name not in types),
    ]
    frame = pl.DataFrame([_series(name, drawing.columns[name], types.get(name)) for name in names])
    frame = frame.with_columns(
        pl.Series("_lon", places.lon.tolist(), dtype=pl.Float64),
        pl.Series("_lat", places.lat.tolist(), dtype=pl.Float64),
        pl.Series("_county", places.county.tolist(), dtype=pl.String),
        pl.Series("_county_name", places.county_name.tolist(), dtype=pl.String),
        pl.Series("_street", places.street.tolist(), dtype=pl.String),
    )
    if moments is not None and contract.cursor_field:  # what is sent after the end is not there yet
        frame = frame.filter(pl.col(contract.cursor_field) < span.end).sort(contract.cursor_field)
    return table_of(contract, frame)


def table_of(contract: Contract, frame: pl.DataFrame) -> SourceTable:
    """Rows of a feed as its department holds them: key, event and cursor are those of the contract."""
    physical = {column.name: column.physical_name for column in contract.columns}
    key = tuple(physical[name] for name in contract.key)
    event = contract.event_time
    return SourceTable(contract.id, frame, key, key[0], event.physical_name if event else None, contract.cursor_field)


def _series(name: str, column: Cells, logical_type: str | None) -> pl.Series:
    values = column.tolist()
    if not values:
        return pl.Series(name, [], dtype=_TYPES.get(logical_type or "", pl.String()))
    if logical_type == "integer":
        values = [None if value is None else int(value) for value in values]
    elif logical_type == "number":
        values = [None if value is None or value != value else float(value) for value in values]
    elif (
        logical_type is None
        or isinstance(values[0], bytes)
        or (logical_type in ("date", "timestamp") and isinstance(values[0], str))
    ):
        return pl.Series(name, values, strict=False)
    return pl.Series(name, values, dtype=_TYPES[logical_type], strict=False)


def _kinds(department: Department, profile: Profile, scale: float, rng: np.random.Generator) -> Cells:
    """The kind of each row, '' where there is one only."""
    assert department.rows is not None
    counts = department.rows.kinds or {"": department.rows.count}
    # A city that does not count the system has none of it: `system check` tells of a count that nobody knows.
    sizes = [profile.count(one, scale) if one in profile.sizes else 0 for one in counts.values()]
    kinds = np.repeat(np.array(list(counts), dtype=object), sizes)
    return rng.permutation(kinds) if len(counts) > 1 else kinds


def _together(places: Places, kinds: Cells, north_m: float) -> Places:
    """The first row of the second kind stands beside the first of the first."""
    first, second = (int(np.argmax(kinds == kind)) for kind in sorted(set(kinds.tolist()))[:2])
    index = np.arange(len(places))
    index[second] = first
    there = places.take(index)
    return there.moved(np.zeros(len(places)), np.where(np.arange(len(places)) == second, north_m, 0.0))


def _scattered(place: Placing, counties: list[County], n: int, rng: np.random.Generator) -> Places:
    is_rural = place.scatter == "land"
    if not place.chain:
        return scatter(counties, n, rng, rural=is_rural)
    heads = scatter(counties, -(-n // place.chain), rng, rural=is_rural)
    head, link = np.divmod(np.arange(n), place.chain)
    # A chain stays within the 400 m that `scatter` keeps to the county's edge.
    return heads.take(head).moved(np.zeros(n), -place.step_m * link)


def _parents(department: Department, made: Mapping[str, SourceTable], profile: Profile, scale: float) -> pl.DataFrame:
    """The rows that each row belongs to."""
    rows = department.rows
    assert rows is not None
    if rows.each not in made:
        raise DeclarationError(f"departments/{department.feed_id}/rows: no register {rows.each!r} is simulated")
    frame = made[rows.each].frame
    if rows.where:
        frame = frame.filter(pl.Series([suits(row, rows.where) for row in frame.to_dicts()], dtype=pl.Boolean))
    times = 1 if not rows.times else profile.count(rows.times, scale) if rows.times in profile.sizes else 0
    return frame[np.repeat(np.arange(frame.height), times)]


def _over_time(n: int, rows: Rows, span: Span, rng: np.random.Generator) -> tuple[Cells, Cells]:
    """Which of `n` things each reading or event is of, and when it was, in the order of time."""
    start = np.datetime64(span.start, "us")
    if rows.every_s:
        steps = np.arange(0, span.days * 86_400, rows.every_s).astype("timedelta64[s]")
        return np.tile(np.arange(n), len(steps)), np.repeat(start + steps, n)
    of = np.repeat(np.arange(n), rng.poisson(rows.per_day * span.days, n))
    after = rng.integers(0, span.days * 86_400, len(of))
    order = np.argsort(after, kind="stable")
    return of[order], start + after[order].astype("timedelta64[s]")


def _beside(parent: pl.DataFrame, table: SourceTable, place: Placing, rng: np.random.Generator) -> Places:
    """Points near the parents', which need places of their own."""
    if "_county" not in parent.columns:
        raise DeclarationError(f"register {table.feed_id} has no places that rows of another one could stand beside")
    names = ("_lon", "_lat", "_county", "_county_name", "_street")
    lon, lat, county, county_name, street = (parent[name].to_numpy() for name in names)
    there, n = Places(lon, lat, county, county_name, street), parent.height
    return there.moved(rng.uniform(-place.within_m, place.within_m, n), rng.uniform(-place.within_m, place.within_m, n))
