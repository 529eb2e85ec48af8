"""Major hazard installations of the emergency office; the grade on record is the true one by GB 18218."""

import csv
from importlib.resources import files

import numpy as np
import polars as pl

from city import naming
from city.clock import Span
from city.geography import County, scatter, to_gcj02
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable

_GRADES_ZH = {1: "一级", 2: "二级", 3: "三级", 4: "四级"}
_R_RANGE = {1: (105.0, 260.0), 2: (52.0, 96.0), 3: (12.0, 47.0), 4: (0.0, 9.0)}
_ALPHA = ((1, 0.5), (30, 1.0), (50, 1.2), (100, 1.5))


def build(profile: Profile, counties: list[County], span: Span, streams: Streams, n: int) -> SourceTable:
    """One row per hazard unit and substance, places in GCJ-02, dotted names; `_single` marks lone substances."""
    rng = streams.get("hazards")
    places = scatter(counties, n, rng)
    lon, lat = to_gcj02(places.lon, places.lat)
    firms = naming.firms(n, profile.short_zh, rng)
    codes = naming.credit_codes(places.county, rng)
    phones = naming.phones(n, rng)
    chiefs = naming.people(n, rng)
    rows: list[dict[str, object]] = []
    for index, grade in enumerate(_grades(profile, n, rng)):
        low, high = ((0, 1), (1, 30), (30, 100), (100, 900))[int(rng.integers(4))]
        residents = int(rng.integers(low, high))
        head = {
            "hazardCode": f"WX{places.county[index]}{index + 1:04d}",
            "hazardName": f"{firms[index][2:6]}{['罐区', '库房', '装置'][index % 3]}{index + 1}",
            "hazardType": ["储罐区", "仓库", "生产单元"][index % 3],
            "grade": _GRADES_ZH[grade],
            "residents500m": residents,
            "online": bool(rng.random() < 0.93),
            "company.name": firms[index],
            "company.uscc": codes[index],
            "company.address": f"{places.county_name[index]}化工园区{index + 1}号" if rng.random() < 0.9 else None,
            "location.adcode": str(places.county[index]),
            "location.lng": float(lon[index]),
            "location.lat": float(lat[index]),
            "promise.date": span.day_before(int(rng.choice([1, 1, 1, 1, 2, 4]))),
            "responsible.name": chiefs[index],
            "responsible.phone": phones[index] if rng.random() < 0.95 else None,
        }
        stored = _stored(grade, _alpha(residents), rng)
        rows += [{**head, **substance, "_single": len(stored) == 1} for substance in stored]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return SourceTable("emergency.major_hazard", frame, ("hazardCode", "substances.cas"), "hazardCode")


def _grades(profile: Profile, n: int, rng: np.random.Generator) -> list[int]:
    """Grades in the profile's proportions, all four present."""
    pool = [int(grade) for grade, count in profile.hazard_grades.items() for _ in range(count)]
    drawn = [1, 2, 3, 4, *rng.permutation(pool).tolist()]
    exact = pool if n == len(pool) else drawn[:n]
    return [int(grade) for grade in rng.permutation(exact)]


def _alpha(residents: int) -> float:
    return next((alpha for limit, alpha in _ALPHA if residents < limit), 2.0)


def _stored(grade: int, alpha: float, rng: np.random.Generator) -> list[dict[str, object]]:
    """One to four substances whose R = α Σ β q/Q falls into the grade, with S = Σ q/Q ≥ 1; amounts in kg."""
    with files("city").joinpath("data/substances.csv").open(encoding="utf-8") as lines:
        known = [row for row in csv.DictReader(lines) if grade < 4 or float(row["beta"]) <= 2]
    count = int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1]))
    chosen = [known[i] for i in rng.choice(len(known), count, replace=False)]
    shares = rng.dirichlet(np.full(count, 3.0))
    low, high = _R_RANGE[grade]
    floor = 1.15 * alpha * max(float(row["beta"]) for row in chosen)
    total = float(rng.uniform(max(low, floor), high))
    return [
        {
            "substances.name": row["name"],
            "substances.cas": row["cas"],
            "substances.category": row["category"] or None,
            "substances.designMax": float(
                np.ceil(share * total / alpha / float(row["beta"]) * float(row["critical_t"]) * 100) * 10
            ),
        }
        for row, share in zip(chosen, shares, strict=True)
    ]
