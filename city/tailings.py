"""Tailings ponds of the emergency office: ponds, monitoring points, hourly readings driven by rain."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from city import naming, sky, weather
from city.clock import Span
from city.geography import County, Floats, scatter, to_gcj02
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable
from city.truth import Truth

_BEACH_MIN_M = {1: 150.0, 2: 100.0, 3: 70.0, 4: 50.0, 5: 40.0}
_CLASS_ZH = {1: "一等", 2: "二等", 3: "三等", 4: "四等", 5: "五等"}
# Red depth of the phreatic line by dam height, straight between the ends that GB 50863 gives.
_HEIGHTS_M, _RED_DEPTHS_M = (0, 30, 60, 100, 150, 300), (2, 2, 4, 6, 8, 10)
_STATES = np.array(["正常", "维护", "校准", "故障"])
# Point kinds in the order they stand on a dam: water (level, beach, rain), seepage, pore pressure, displacement.
POINT_KINDS = "wsspdsspdspd"
DISPLACEMENT_MM = 12.0  # what a surface point has moved since it was installed, by the end of the built days


@dataclass(frozen=True)
class PondOffice:
    """The three tailings feeds; `ponds` is already in GCJ-02, with `_lon`, `_lat` helper columns before the shift."""

    ponds: SourceTable
    points: SourceTable
    readings: SourceTable


def build(
    profile: Profile,
    counties: list[County],
    storms: list[sky.Storm],
    span: Span,
    streams: Streams,
    truth: Truth,
    sizes: tuple[int, int],
) -> PondOffice:
    """Ponds and points of `sizes` (ponds, points a pond) with one beach incident in `truth`."""
    n, per_pond = sizes
    rng = streams.get("tailings")
    places = scatter(counties, n, rng, rural=True)
    grade = rng.choice([2, 3, 4, 5], n, p=[0.1, 0.35, 0.35, 0.2])
    height = np.round(np.array([130.0, 75, 45, 24])[grade - 2] * rng.uniform(0.85, 1.2, n), 1)
    beach_min = np.array([_BEACH_MIN_M[int(g)] for g in grade])
    level_max = np.round(rng.uniform(180, 900, n), 2)
    codes = np.array([f"WK{county}{i:03d}" for i, county in enumerate(places.county, 1)])
    lon, lat = to_gcj02(places.lon, places.lat)
    owners = naming.firms(n, profile.short_zh, rng)
    frame = pl.DataFrame(
        {
            "WKKBM": codes,
            "WKKMC": [f"{c}{i:02d}尾矿库" for i, c in enumerate(places.county_name, 1)],
            "QYMC": owners,
            "TYSHXYDM": naming.blank_some(naming.credit_codes(places.county, rng), 0.08, rng),
            "XZQHDM": places.county,
            "DB": [_CLASS_ZH[int(g)] for g in grade],
            "BG": height,
            "KR": np.round(height**2 * rng.uniform(0.05, 0.12, n), 1),
            "GTZXCD": beach_min,
            "KSWSX": level_max,
            "XYRK": _people_downstream(n, rng),
            "TCRQ": [span.day_before(int(d)) for d in rng.integers(1500, 9000, n)],
            "_lon": places.lon,
            "_lat": places.lat,
            "_gcj_lon": lon,
            "_gcj_lat": lat,
        }
    )
    ponds = SourceTable("emergency.tailings_pond", frame, ("WKKBM",), "WKKBM")
    around = places.take(np.repeat(np.arange(n), per_pond))
    spots = around.moved(rng.uniform(-180, 180, n * per_pond), rng.uniform(-180, 180, n * per_pond))
    points = pl.DataFrame(
        {
            "测点编码": [f"{code}-{j:02d}" for code in codes for j in range(1, per_pond + 1)],
            "尾矿库编码": np.repeat(codes, per_pond),
            "断面": [f"{'ABC'[j % 3]}-{'ABC'[j % 3]}'" for _ in codes for j in range(per_pond)],
            "安装日期": [span.day_before(int(d)) for d in rng.integers(300, 1500, n * per_pond)],
            "经度": spots.lon,
            "纬度": spots.lat,
            # What the live sensors need to know of their pond: its limits, and which of them a point measures.
            "_kind": [POINT_KINDS[j % len(POINT_KINDS)] for _ in codes for j in range(per_pond)],
            "_beach_min_m": np.repeat(beach_min, per_pond),
            "_level_max_m": np.repeat(level_max, per_pond),
            "_red_depth_m": np.repeat(np.interp(height, _HEIGHTS_M, _RED_DEPTHS_M), per_pond),
            "_deepest_red_m": np.repeat(_deepest_red_m(height), per_pond),
        }
    )
    rain = sky.rain_mm(storms, places, span, streams.get("tailings.rain"))
    pond = _Ponds(codes, height, beach_min, level_max, rain)
    readings = _readings(pond, points["测点编码"].to_list(), per_pond, span, streams, truth)
    return PondOffice(ponds, SourceTable("emergency.tailings_point", points, ("测点编码",), "测点编码"), readings)


def _people_downstream(n: int, rng: np.random.Generator) -> list[int | None]:
    """People downstream of each pond; some are not counted yet."""
    counts = rng.gamma(1.2, 180, n).astype(int)
    return [None if gone else int(c) for c, gone in zip(counts, rng.random(n) < 0.06, strict=True)]


def _deepest_red_m(height_m: Floats) -> Floats:
    """The largest red limit of the phreatic depth that any reading of GB 50863 gives a dam of each height."""
    deepest: Floats = np.array(_RED_DEPTHS_M[1:], dtype=float)[
        np.searchsorted(_HEIGHTS_M[1:-1], height_m, side="right")
    ]
    return deepest


@dataclass(frozen=True)
class _Ponds:
    codes: np.ndarray
    height: Floats
    beach_min: Floats
    level_max: Floats
    rain: Floats


def _water(pond: _Ponds, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Pool rise over the usual level, beach and phreatic depth, all m, each (ponds, hours), before any incident."""
    n, hours = pond.rain.shape
    rise = np.zeros((n, hours))
    for hour in range(1, hours):
        rise[:, hour] = rise[:, hour - 1] * 0.985 + pond.rain[:, hour] * 0.006
    rise = np.minimum(rise, 0.9)
    usual = pond.beach_min * rng.uniform(1.7, 2.6, n)
    beach = np.maximum(usual[:, None] * (1 - 0.25 * rise), 1.25 * pond.beach_min[:, None])
    red: Floats = np.interp(pond.height, _HEIGHTS_M, _RED_DEPTHS_M)
    depth = (red * rng.uniform(1.6, 2.2, n))[:, None] - 0.6 * rise
    return rise, beach, depth


def _readings(
    pond: _Ponds, point_ids: list[str], per_pond: int, span: Span, streams: Streams, truth: Truth
) -> SourceTable:
    rng = streams.get("tailings.reading")
    n, hours = len(pond.codes), span.hours
    rise, beach, depth = _water(pond, rng)
    pore = rng.uniform(35, 140, n)[:, None] * (1 + 0.35 * rise)
    hit, begin, length = _incident(pond, span, rng, truth)
    ramp = np.clip((np.arange(hours) - begin) / max(4, length // 3), 0, 1) * (np.arange(hours) < begin + length)
    beach[hit] *= 1 - ramp * (1 - 0.72 * pond.beach_min[hit] / beach[hit])
    depth[hit] *= 1 - 0.62 * ramp
    pore[hit] *= 1 + 0.8 * ramp
    moved = np.cumsum(rng.gamma(0.6, 0.006, (n, hours)), axis=1)
    creep = moved - moved[:, -1:]  # since installation: the live sensors go on where these readings end
    kinds = np.array([POINT_KINDS[j % len(POINT_KINDS)] for j in range(per_pond)] * n)
    owner = np.repeat(np.arange(n), per_pond)
    size = (n * per_pond, hours)
    spread = rng.uniform(0.92, 1.08, n * per_pond)[:, None]
    quiet = np.broadcast_to((np.arange(hours) < begin - 12) | (np.arange(hours) > begin + length + 12), size)
    state = weather.quality_codes(*size, rng, quiet | (owner != hit)[:, None])
    lifted = np.where(state == weather.CALIBRATION, 0.5, 1.0)
    values = {
        "干滩长度(m)": _sensor(beach[owner] * lifted + rng.normal(0, 0.25, size), kinds == "w", 2),
        "浸润线埋深(m)": _sensor(depth[owner] * spread + rng.normal(0, 0.01, size), kinds == "s", 3),
        "孔隙水压力(kPa)": _sensor(np.maximum(pore[owner] * spread + rng.normal(0, 0.4, size), 12), kinds == "p", 2),
        "表面位移(mm)": _sensor(DISPLACEMENT_MM + creep[owner] * spread + rng.normal(0, 0.15, size), kinds == "d", 2),
        "库水位(m)": _sensor((pond.level_max - 3)[owner][:, None] + rise[owner] + 0.01 * spread, kinds == "w", 3),
        "降雨量(mm)": _sensor(pond.rain[owner], kinds == "w", 1),
    }
    kept = (rng.random(size) > 0.002).T.ravel()
    frame = pl.DataFrame(
        {
            "测点编码": np.tile(np.array(point_ids), hours)[kept],
            "监测时间": np.repeat(span.times, size[0])[kept],
            **{name: matrix.T.ravel()[kept] for name, matrix in values.items()},
            "状态": _STATES[state.T.ravel()[kept]],
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))
    frame = frame.with_columns(_day=pl.col("监测时间").dt.strftime("%Y%m%d"))
    table = SourceTable("emergency.tailings_reading", frame, ("测点编码", "监测时间"), "测点编码", "监测时间")
    safe = np.broadcast_to(~quiet & (owner == hit)[:, None], size).T.ravel()[kept]
    table.protected = set(np.flatnonzero(safe).tolist())
    return table


def _sensor(values: Floats, fitted: np.ndarray, decimals: int) -> Floats:
    """Rounded values where the point has this sensor, else NaN."""
    return np.where(fitted[:, None], np.round(values, decimals), np.nan)


def _incident(pond: _Ponds, span: Span, rng: np.random.Generator, truth: Truth) -> tuple[int, int, int]:
    """One pond loses its beach while pore pressure climbs: (pond, first hour, hours)."""
    hit = int(rng.integers(len(pond.codes)))
    length = min(36, span.hours // 2)
    begin = int(rng.integers(span.hours // 4, span.hours - length))
    start, end = span.start + timedelta(hours=begin), span.start + timedelta(hours=begin + length)
    truth.incident("emergency.tailings_reading", str(pond.codes[hit]), "dry_beach_m<dry_beach_min_m", "red", start, end)
    return hit, begin, length
