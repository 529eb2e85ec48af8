"""The fire brigade: key units and their daily inspections."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from city import naming
from city.clock import Span
from city.geography import County, scatter, to_gcj02
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable

_TYPES = ["宾馆", "商场", "医院", "学校", "工厂", "仓库", "高层住宅", "写字楼", "娱乐场所", "养老院"]
_NAMES = ["大酒店", "购物中心", "医院", "中学", "制造厂", "物流仓库", "小区", "大厦", "娱乐城", "养老院"]
_HEIGHTS_M = np.array([45, 28, 40, 18, 12, 10, 82, 75, 14, 12])
_ITEMS = np.array(["疏散通道", "灭火器", "消火栓", "报警系统", "用电安全", "动火作业"])


@dataclass(frozen=True)
class FireBrigade:
    """Both feeds of the fire brigade."""

    units: SourceTable
    inspections: SourceTable


def build(profile: Profile, counties: list[County], span: Span, streams: Streams, n: int) -> FireBrigade:
    """`n` units in GCJ-02 and one inspection a unit on most days."""
    rng = streams.get("fire")
    places = scatter(counties, n, rng)
    lon, lat = to_gcj02(places.lon, places.lat)
    kind = rng.choice(len(_TYPES), n, p=[0.14, 0.13, 0.07, 0.12, 0.16, 0.08, 0.1, 0.08, 0.07, 0.05])
    height = np.round(_HEIGHTS_M[kind] * rng.uniform(0.6, 1.5, n), 1)
    area = np.round(rng.gamma(2.0, 6000, n) + 300, 0)
    brands = naming.firms(n, profile.short_zh, rng)
    updated = np.datetime64(span.end, "us") - rng.integers(1800, 300 * 86400, n).astype("timedelta64[s]")
    frame = pl.DataFrame(
        {
            "dwbm": [f"XF{code}{i:05d}" for i, code in enumerate(places.county, 1)],
            "dwmc": [f"{b[:4]}{_NAMES[k]}{i}" for i, (b, k) in enumerate(zip(brands, kind, strict=True), 1)],
            "tyshxydm": naming.blank_some(naming.credit_codes(places.county, rng), 0.06, rng),
            "dwlx": [_TYPES[k] for k in kind],
            "hzwxdj": rng.choice(["高危单位", "重点单位", "一般单位"], n, p=[0.12, 0.7, 0.18]),
            "xzqh": places.street,
            "dz": naming.blank_some([f"{c}建设路{i % 300 + 1}号" for i, c in enumerate(places.county_name)], 0.05, rng),
            "jd": lon,
            "wd": lat,
            "jzgd": height,
            "jzmj": area,
            "rysl": np.maximum(5, area * rng.uniform(0.01, 0.08, n)).astype(np.int64),
            "sswhl": np.round(np.clip(rng.normal(91, 6, n), 40, 100), 1),
            "aqglr": naming.people(n, rng),
            "aqglrdh": naming.blank_some(naming.phones(n, rng), 0.04, rng),
            "jcrq": [span.day_before(int(d)) for d in rng.integers(600, 14000, n)],
            "gxsj": updated,
        }
    )
    units = SourceTable("fire.unit", frame, ("dwbm",), "dwbm", None, "gxsj")
    return FireBrigade(units, _inspections(frame["dwbm"].to_numpy(), span, streams))


def _inspections(units: np.ndarray, span: Span, streams: Streams) -> SourceTable:
    """About one a unit and day, fewer at weekends; a failed one is put right within a day or stays open."""
    rng = streams.get("fire.inspection")
    days = span.dates
    weekend = (days.astype(int) + 3) % 7 >= 5
    done = rng.random((len(units), len(days))) < np.where(weekend, 0.62, 0.96)
    unit, day = np.nonzero(done)
    m = len(unit)
    at = days[day].astype("datetime64[us]") + rng.integers(8 * 3600, 17 * 3600, m).astype("timedelta64[s]")
    entered = at + rng.integers(300, 5 * 3600, m).astype("timedelta64[s]")
    careless = rng.beta(1.2, 14, len(units))
    failed = rng.random(m) < careless[unit]
    put_right = at + rng.integers(1800, 20 * 3600, m).astype("timedelta64[s]")
    rectified = failed & (rng.random(m) < 0.8) & (put_right < np.datetime64(span.end, "us") - np.timedelta64(3600, "s"))
    entered = np.where(rectified, np.maximum(entered, put_right + np.timedelta64(600, "s")), entered)
    due = days[day] + rng.choice([3, 7, 15], m)
    order = np.argsort(entered, kind="stable")
    order = order[span.holds(at, entered)[order]]
    failed, m = failed[order], len(order)
    names = np.array(naming.people(len(units), rng))
    frame = pl.DataFrame(
        {
            "xcbh": [f"XC{i:08d}" for i in range(1, m + 1)],
            "dwbm": units[unit][order],
            "xcsj": at[order],
            "xcxm": rng.choice(_ITEMS, m, p=[0.25, 0.2, 0.17, 0.16, 0.17, 0.05]),
            "xcjg": np.where(failed, "不合格", "合格"),
            "yhs": np.where(failed, rng.integers(1, 6, m), 0),
            "zgsj": pl.Series(np.where(rectified, put_right, np.datetime64("NaT"))[order]),
            "zgqx": pl.Series(np.where(failed, due[order], np.datetime64("NaT"))).cast(pl.Date),
            "xcr": names[unit][order],
            "lrsj": entered[order],
        }
    )
    return SourceTable("fire.inspection", frame, ("xcbh",), "dwbm", "xcsj", "lrsj")
