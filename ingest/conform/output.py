"""Put conformed values into the landed shape: masked, typed, with the columns that every landed file has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract import Contract
from core.geo import AreaIndex
from core.mask import PERSONAL_NUMBER, hash_series
from core.stages import landed_schema
from ingest.conform.context import ConformContext
from ingest.conform.places import Places
from ingest.conform.receipt import Receipt
from ingest.parse.columns import ROW, expected_names


def build_frame(
    raw: pl.DataFrame,
    contract: Contract,
    values: dict[str, pl.Series],
    found: Places | None,
    context: ConformContext,
    receipt: Receipt,
    flags: pl.Series,
    kept: npt.NDArray[np.bool_],
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The frame that lands and hash → clear value of the personal columns in it."""
    chosen = None if kept.all() else pl.Series(kept)
    secrets: dict[str, str] = {}
    columns: dict[str, pl.Series] = {}
    for column in contract.landed_columns:
        series = _chosen(values[column.name], chosen)
        if column.mask == "hash":
            series, clear = hash_series(context.hash_key, series.cast(pl.String))
            secrets |= clear
        columns[column.landed_name] = series
    height = int(kept.sum())
    lon, lat = (None, None) if found is None else (found.lon[kept], found.lat[kept])
    nothing = pl.Series([None], dtype=pl.Float64).new_from_index(0, height)
    columns["_row"] = _chosen(raw[ROW], chosen)
    columns["_received_at"] = _chosen(receipt.at, chosen)
    columns["_flags"] = _chosen(flags, chosen)
    columns["_event_time_sent"] = _chosen(receipt.event_time_sent, chosen)
    columns["_extra"] = _chosen(_extra(raw, contract), chosen)
    columns["_area_code"] = _areas(contract, columns, lon, lat, context.areas, height)
    columns["_lon"] = nothing if lon is None else pl.Series(lon, dtype=pl.Float64, nan_to_null=True)
    columns["_lat"] = nothing if lat is None else pl.Series(lat, dtype=pl.Float64, nan_to_null=True)
    schema = landed_schema(contract)
    # A cast costs as much as a small column takes to read, also where there is nothing to cast.
    cast = [columns[name] if columns[name].dtype == kind else columns[name].cast(kind) for name, kind in schema.items()]
    return pl.DataFrame(dict(zip(schema, cast, strict=True))), secrets


def _chosen(series: pl.Series, chosen: pl.Series | None) -> pl.Series:
    return series if chosen is None else series.filter(chosen)


def _extra(raw: pl.DataFrame, contract: Contract) -> pl.Series:
    """Unknown columns as JSON. Nobody agreed what they hold, so numbers that may be personal are taken out."""
    unknown = [name for name in raw.columns if name != ROW and name not in expected_names(contract)]
    if not unknown:
        return pl.Series([None], dtype=pl.String).new_from_index(0, raw.height)
    texts = [pl.col(name).str.replace_all(PERSONAL_NUMBER, "***") for name in unknown]
    return raw.select(pl.struct(texts).struct.json_encode().alias("_extra")).to_series()


def _areas(
    contract: Contract,
    columns: dict[str, pl.Series],
    lon: npt.NDArray[np.float64] | None,
    lat: npt.NDArray[np.float64] | None,
    areas: AreaIndex,
    height: int,
) -> pl.Series:
    """County of the place; where a row has no place, or lies outside all counties, that of its area code."""
    coded = contract.by_concept("area_code")
    by_code = None if coded is None else columns[coded.landed_name].str.slice(0, 6)
    if lon is None or lat is None:
        return pl.Series([None], dtype=pl.String).new_from_index(0, height) if by_code is None else by_code
    by_place = pl.Series(areas.locate(lon, lat), dtype=pl.String)
    return by_place if by_code is None else by_place.zip_with(by_place.is_not_null(), by_code)
