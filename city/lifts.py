"""The market office: the register of lifts, as its workbook has it (column names are group/field)."""

import numpy as np
import polars as pl

from city import naming
from city.clock import Span
from city.geography import County, scatter
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable

_KINDS = ["乘客电梯", "载货电梯", "自动扶梯", "观光电梯"]
_LOADS_KG = np.array([630, 800, 1000, 1250, 1600, 2000])


def build(profile: Profile, counties: list[County], span: Span, streams: Streams, n: int) -> SourceTable:
    """`n` lifts in CGCS2000; dates are text in the three forms that the office mixes."""
    rng = streams.get("lifts")
    places = scatter(counties, n, rng)
    kind = rng.choice(_KINDS, n, p=[0.72, 0.12, 0.12, 0.04])
    users = naming.firms(n, profile.short_zh, rng)
    age_days = rng.integers(200, 9000, n)
    since_check = rng.integers(2, 395, n)
    frame = pl.DataFrame(
        {
            "设备信息/设备代码": [f"3{1 + i % 3}10{code}{i:06d}" for i, code in enumerate(places.county, 1)],
            "设备信息/注册编号": naming.blank_some(
                [f"TZ{code}{i:06d}" for i, code in enumerate(places.county, 1)], 0.05, rng
            ),
            "设备信息/设备名称": [f"{u[2:4]}{i % 9 + 1}号梯" for i, u in enumerate(users)],
            "设备信息/类别": kind,
            "使用单位/名称": users,
            "使用单位/统一社会信用代码": naming.blank_some(naming.credit_codes(places.county, rng), 0.07, rng),
            "使用单位/地址": naming.blank_some(
                [f"{c}人民路{i % 400 + 1}号" for i, c in enumerate(places.county_name)], 0.05, rng
            ),
            "使用单位/区划代码": np.where(rng.random(n) < 0.6, places.street, places.county),
            "位置/经度": places.lon,
            "位置/纬度": places.lat,
            "技术参数/层站": np.where(kind == "自动扶梯", 2, rng.integers(3, 34, n)),
            "技术参数/额定载重": np.where(kind == "自动扶梯", np.nan, rng.choice(_LOADS_KG, n)),
            "技术参数/额定速度": np.where(kind == "自动扶梯", 0.5, rng.choice([1.0, 1.5, 1.75, 2.0, 2.5], n)),
            "技术参数/投用日期": _mixed_dates(span, age_days, rng),
            "检验/上次检验": _mixed_dates(span, since_check, rng),
            "检验/下次检验": _mixed_dates(span, since_check - 365, rng),
            "运行/近一年困人": rng.poisson(0.35, n),
            "维保/电话": naming.blank_some(naming.phones(n, rng), 0.03, rng),
        }
    ).with_columns(pl.col("技术参数/额定载重").fill_nan(None))
    return SourceTable("market.elevator", frame, ("设备信息/设备代码",), "设备信息/设备代码")


def _mixed_dates(span: Span, days_ago: np.ndarray, rng: np.random.Generator) -> list[str]:
    forms = ["%Y-%m-%d", "%Y年%m月%d日", "%Y/%m/%d"]
    picks = rng.choice(3, len(days_ago), p=[0.6, 0.25, 0.15])
    return [span.day_before(int(d)).strftime(forms[p]) for d, p in zip(days_ago, picks, strict=True)]
