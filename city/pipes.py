"""The urban office: underground pipe segments as surveyed lines."""

import numpy as np
import polars as pl
import shapely

from city.clock import Span
from city.geography import METRES_PER_DEGREE, County, Places, scatter
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable

# class: (share, sub-class, materials, diameters mm, design pressure kPa or None, owner)
_CLASSES = {
    "给水": (0.26, "配水管", ["球墨铸铁", "PE"], [100, 200, 300, 600], (250, 1000), "水务集团"),
    "排水": (0.28, "雨水管", ["混凝土", "HDPE"], [300, 500, 800, 1200], None, "排水管理处"),
    "燃气": (0.2, "中压", ["PE", "钢"], [63, 110, 200, 315], (100, 400), "燃气有限公司"),
    "热力": (0.03, "热水", ["钢"], [200, 400], (1000, 1600), "热力公司"),
    "电力": (0.1, "电缆", ["铜"], [110, 150], None, "供电公司"),
    "通信": (0.09, "光缆", ["PVC"], [50, 110], None, "铁塔公司"),
    "工业": (0.03, "工业气体", ["钢"], [150, 300], (1600, 4000), "化工园区管委会"),
    "综合管廊": (0.01, "干线管廊", ["混凝土"], [3000, 4000], None, "管廊公司"),
}


def build(profile: Profile, counties: list[County], span: Span, streams: Streams, n: int) -> SourceTable:
    """`n` segments; `geometry` is WKB (CGCS2000) of a line of three to five vertices."""
    rng = streams.get("pipes")
    places = scatter(counties, n, rng)
    names = list(_CLASSES)
    kind = rng.choice(names, n, p=[_CLASSES[k][0] for k in names])
    lines, metres = _lines(places, rng)
    pressure = [None if (p := _CLASSES[k][4]) is None else float(round(rng.uniform(*p))) for k in kind]
    laid = [span.day_before(int(d)) for d in rng.integers(100, 14000, n)]
    forms = rng.random(n) < 0.8
    frame = pl.DataFrame(
        {
            "GXBH": [f"GX{code}{i:07d}" for i, code in enumerate(places.county, 1)],
            "GXLX": kind,
            "GXZL": [_CLASSES[k][1] for k in kind],
            "CZ": [str(rng.choice(_CLASSES[k][2])) for k in kind],
            "GJ": [float(rng.choice(_CLASSES[k][3])) for k in kind],
            "MS": np.round(rng.gamma(4, 0.45, n) + 0.3, 2),
            "YL": pressure,
            "CD": np.round(metres, 1),
            "QSDW": [f"{profile.short_zh}{_CLASSES[k][5]}" for k in kind],
            "XZQH": [None if gone else str(c) for c, gone in zip(places.county, rng.random(n) < 0.02, strict=True)],
            "MSRQ": [d.strftime("%Y-%m-%d" if f else "%Y%m%d") for d, f in zip(laid, forms, strict=True)],
            "ZT": rng.choice(["使用", "废弃", "规划"], n, p=[0.94, 0.04, 0.02]),
            "geometry": shapely.to_wkb(lines),
        }
    )
    return SourceTable("urban.pipe", frame, ("GXBH",), "GXBH")


def _lines(places: Places, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Lines of at most 300 m that wander from each place, and their lengths in metres."""
    n = len(places)
    heading = rng.uniform(0, 2 * np.pi, n)[:, None] + np.cumsum(rng.normal(0, 0.25, (n, 4)), axis=1)
    step = rng.uniform(15, 75, (n, 4))
    step[:, 2:] *= (rng.random((n, 2)) < 0.6).cumprod(axis=1)
    north = np.concatenate([np.zeros((n, 1)), np.cumsum(step * np.cos(heading), axis=1)], axis=1)
    east = np.concatenate([np.zeros((n, 1)), np.cumsum(step * np.sin(heading), axis=1)], axis=1)
    lat = np.round(places.lat[:, None] + north / METRES_PER_DEGREE, 7)
    lon = places.lon[:, None] + east / (METRES_PER_DEGREE * np.cos(np.radians(places.lat))[:, None])
    kept = 3 + (step[:, 2:] > 0).sum(axis=1)
    points = np.stack([np.round(lon, 7), lat], axis=2)
    lines = np.array([shapely.LineString(line[:k]) for line, k in zip(points, kept, strict=True)], dtype=object)
    return lines, step.sum(axis=1)
