"""Geological hazards of the resources office: points, devices, device readings."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from city import naming, sky, weather
from city.clock import Span
from city.geography import County, Floats, Places, scatter
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable
from city.truth import Truth

_HAZARDS = np.array(["滑坡", "崩塌", "泥石流", "地面塌陷", "不稳定斜坡"])
_TYPES = np.array(["GNSS", "裂缝", "倾角", "雨量", "含水率"])
_BASIC_EVERY_H = 4


@dataclass(frozen=True)
class ResourcesOffice:
    """The three geological feeds."""

    points: SourceTable
    devices: SourceTable
    readings: SourceTable


@dataclass(frozen=True)
class GeoSizes:
    """Register sizes: points, points with basic devices, those devices, points with automatic sets, those sets."""

    points: int
    basic_points: int
    basic_devices: int
    automatic_points: int
    automatic_devices: int


def build(
    profile: Profile,
    counties: list[County],
    storms: list[sky.Storm],
    span: Span,
    streams: Streams,
    truth: Truth,
    sizes: GeoSizes,
) -> ResourcesOffice:
    """Points, devices and readings; one accelerating slope goes to `truth`."""
    rng = streams.get("geology")
    places = scatter(counties, sizes.points, rng, rural=True)
    numbers = np.array([f"{county}{i:06d}" for i, county in enumerate(places.county, 1)])
    points = _points(profile, places, numbers, span, rng)
    devices, sites = _devices(places, numbers, span, rng, sizes)
    readings = _readings(devices, sites, storms, span, streams, truth)
    return ResourcesOffice(
        SourceTable("resources.geo_point", points, ("统一编号",), "统一编号"),
        SourceTable("resources.geo_device", devices, ("dev_sn",), "dev_sn", None, "update_time"),
        readings,
    )


def _points(
    profile: Profile, places: Places, numbers: np.ndarray, span: Span, rng: np.random.Generator
) -> pl.DataFrame:
    n = len(places)
    hazard = rng.choice(_HAZARDS, n, p=[0.58, 0.18, 0.06, 0.05, 0.13])
    households = rng.gamma(0.9, 9, n).astype(int)
    wealth = np.round(rng.gamma(1.0, 260, n), 1)
    monitor = rng.random(n) < 0.93
    return pl.DataFrame(
        {
            "统一编号": numbers,
            "名称": [f"{c}{i}号{h}" for i, (c, h) in enumerate(zip(places.county_name, hazard, strict=True), 1)],
            "灾害类型": hazard,
            "规模": rng.choice(["特大型", "大型", "中型", "小型"], n, p=[0.01, 0.07, 0.3, 0.62]),
            "稳定性": rng.choice(["差", "较差", "好"], n, p=[0.2, 0.6, 0.2]),
            "行政区划代码": np.where(rng.random(n) < 0.5, places.street, places.county),
            "经度": places.lon,
            "纬度": places.lat,
            "威胁户数": households,
            "威胁人数": (households * rng.uniform(2.5, 4.2, n)).astype(int),
            "威胁财产(万元)": [None if g else float(v) for v, g in zip(wealth, rng.random(n) < 0.1, strict=True)],
            "监测责任人": [p if m else None for p, m in zip(naming.people(n, rng), monitor, strict=True)],
            "责任人电话": [p if m else None for p, m in zip(naming.phones(n, rng), monitor, strict=True)],
            "登记日期": [span.day_before(int(d)) for d in rng.integers(200, 5000, n)],
        }
    )


def _devices(
    places: Places, numbers: np.ndarray, span: Span, rng: np.random.Generator, sizes: GeoSizes
) -> tuple[pl.DataFrame, Places]:
    """Devices shared out over their points so that every chosen point has at least one."""
    owners, classes = [], []
    for label, n_points, n_devices in (
        ("普适型", sizes.basic_points, sizes.basic_devices),
        ("自动化", sizes.automatic_points, sizes.automatic_devices),
    ):
        chosen = rng.choice(len(places), n_points, replace=False)
        spare = rng.choice(chosen, n_devices - n_points)
        owners.append(np.sort(np.concatenate([chosen, spare])))
        classes += [label] * n_devices
    owner = np.concatenate(owners)
    n = len(owner)
    spots = places.take(owner).moved(rng.uniform(-60, 60, n), rng.uniform(-60, 60, n))
    updated = np.datetime64(span.end, "us") - rng.integers(3600, 200 * 86400, n).astype("timedelta64[s]")
    frame = pl.DataFrame(
        {
            "dev_sn": [f"{'PS' if c == '普适型' else 'ZD'}{i:06d}" for i, c in enumerate(classes, 1)],
            "point_no": numbers[owner],
            "dev_class": classes,
            "dev_type": rng.choice(_TYPES, n, p=[0.34, 0.28, 0.14, 0.14, 0.1]),
            "lon": spots.lon,
            "lat": spots.lat,
            "install_date": [span.day_before(int(d)) for d in rng.integers(210, 1500, n)],
            "update_time": updated,
        }
    )
    return frame, spots


def _readings(
    devices: pl.DataFrame, sites: Places, storms: list[sky.Storm], span: Span, streams: Streams, truth: Truth
) -> SourceTable:
    rng = streams.get("geology.reading")
    n, hours = len(devices), span.hours
    kind = devices["dev_type"].to_numpy()
    basic = (devices["dev_class"] == "普适型").to_numpy()
    rain = sky.rain_mm(storms, sites, span, streams.get("geology.rain"))
    due = ~basic[:, None] | ((np.arange(hours)[None, :] + np.arange(n)[:, None]) % _BASIC_EVERY_H == 0)
    hit, begin = _incident(devices, kind, span, rng, truth)
    arrives = (rng.random((n, hours)) > 0.003) & weather.alive(n, hours, rng)
    device, hour = np.nonzero(due & (arrives | (np.arange(n) == hit)[:, None]))
    wet = np.cumsum(rain, axis=1)
    creep = rng.gamma(0.8, 0.0008, n)[:, None] * np.arange(hours) + 0.004 * wet
    creep += rng.uniform(0, 40, n)[:, None]
    creep[hit, begin:] += 6.0 * np.expm1(np.arange(hours - begin) / max(6.0, (hours - begin) / 4))
    moist = np.clip(24 + 16 * (1 - np.exp(-sky.rolling_sum(rain, min(48, hours)) / 40)), 5, 60)
    m = len(device)
    state = weather.quality_codes(n, hours, rng)
    state[hit] = 0
    volt = 12.4 + 0.5 * np.cos(2 * np.pi * (hour - 14) / 24) + rng.normal(0, 0.05, m)
    moved = creep[device, hour] + rng.normal(0, 0.12, m) + 60.0 * (state[device, hour] == weather.MAINTENANCE)
    shown = np.where(state == weather.CALIBRATION, 45.0, rain)
    received = span.times[hour] + rng.integers(8, 200, m).astype("timedelta64[s]")
    frame = pl.DataFrame(
        {
            "dev_sn": devices["dev_sn"].to_numpy()[device],
            "mon_time": span.times[hour],
            "disp": _of(kind, "GNSS", device, moved, 2),
            "crack": _of(kind, "裂缝", device, np.maximum(moved * 0.6, 0), 2),
            "tilt": _of(kind, "倾角", device, moved * 0.01, 3),
            "rain": _of(kind, "雨量", device, shown[device, hour], 1),
            "moist": _of(kind, "含水率", device, moist[device, hour] + rng.normal(0, 0.3, m), 1),
            "volt": np.round(volt, 2),
            "state": state[device, hour].astype(str),
            "recv_time": received,
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))
    order = np.argsort(received, kind="stable")
    table = SourceTable(
        "resources.geo_reading", frame[order], ("dev_sn", "mon_time"), "dev_sn", "mon_time", "recv_time"
    )
    table.protected = set(np.flatnonzero((device == hit)[order]).tolist())
    return table


def _of(kind: np.ndarray, wanted: str, device: np.ndarray, values: Floats, decimals: int) -> Floats:
    """Rounded values for devices of the wanted type, else NaN."""
    return np.where((kind == wanted)[device], np.round(values, decimals), np.nan)


def _incident(
    devices: pl.DataFrame, kind: np.ndarray, span: Span, rng: np.random.Generator, truth: Truth
) -> tuple[int, int]:
    """One GNSS slope speeds up until the end of the history: (device row, first hour)."""
    candidates = np.flatnonzero((kind == "GNSS") & (devices["dev_class"] == "自动化").to_numpy())
    if not len(candidates):
        candidates = np.flatnonzero((devices["dev_class"] == "自动化").to_numpy())[:1]
        kind[candidates] = "GNSS"
    hit = int(rng.choice(candidates))
    begin = max(0, span.hours - min(72, span.hours // 2))
    start = span.start + timedelta(hours=begin)
    point = str(devices["point_no"][hit])
    truth.incident("resources.geo_reading", point, "displacement_tangent_angle_deg>=85", "red", start, span.end)
    return hit, begin
