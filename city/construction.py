"""The housing bureau: construction sites and gate passages of their workers."""

import base64
from dataclasses import dataclass

import numpy as np
import polars as pl

from city import naming
from city.clock import Span
from city.geography import County, scatter
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable

_POSTS = ["项目经理", "安全员", "总监", "塔吊司机", "电工"]
_CERTIFIED = ("安全员", "塔吊司机", "电工")
_FACE_CHARS = 40


@dataclass(frozen=True)
class HousingBureau:
    """Both feeds of the housing bureau."""

    sites: SourceTable
    attendance: SourceTable


def build(
    profile: Profile, counties: list[County], span: Span, streams: Streams, sizes: tuple[int, int]
) -> HousingBureau:
    """`sizes` is (sites, workers a site)."""
    n, crew = sizes
    rng = streams.get("construction")
    places = scatter(counties, n, rng)
    stage = rng.choice(["基坑", "主体", "装饰", "竣工"], n, p=[0.2, 0.45, 0.28, 0.07])
    pit = np.where(rng.random(n) < 0.85, np.round(rng.gamma(3, 2.4, n), 1), np.nan)
    updated = np.datetime64(span.end, "us") - rng.integers(1800, 120 * 86400, n).astype("timedelta64[s]")
    builders = naming.firms(n, profile.short_zh, rng)
    codes = np.array([f"GD{county}{i:05d}" for i, county in enumerate(places.county, 1)])
    frame = pl.DataFrame(
        {
            "project_code": codes,
            "project_name": [
                f"{c}{b[2:4]}家园{i}期工程"
                for i, (c, b) in enumerate(zip(places.county_name, builders, strict=True), 1)
            ],
            "builder_uscc": naming.blank_some(naming.credit_codes(places.county, rng), 0.05, rng),
            "builder_name": builders,
            "area_code": np.where(rng.random(n) < 0.7, places.street, places.county),
            "lng": places.lon,
            "lat": places.lat,
            "stage": stage,
            "pit_depth": pit,
            "crane_count": rng.integers(0, 7, n),
            "worker_count": crew + rng.integers(0, 200, n),
            "special_work": np.where((pit > 5) | (stage == "主体"), "是", "否"),
            "start_date": [span.day_before(int(d)) for d in rng.integers(30, 900, n)],
            "manager": naming.people(n, rng),
            "manager_tel": naming.blank_some(naming.phones(n, rng), 0.05, rng),
            "update_time": updated,
        }
    ).with_columns(pl.col("pit_depth").fill_nan(None))
    sites = SourceTable("housing.site", frame, ("project_code",), "project_code", None, "update_time")
    return HousingBureau(sites, _attendance(codes, places.county, crew, span, streams))


def _crew(codes: np.ndarray, county: np.ndarray, crew: int, span: Span, rng: np.random.Generator) -> pl.DataFrame:
    """Every worker: site, name, identity number, post, certificate."""
    n = len(codes) * crew
    posts = np.array([(_POSTS + ["普工"] * crew)[j % crew] for j in range(n)])
    certified = np.isin(posts, _CERTIFIED)
    expiry = np.datetime64(span.end, "D") + rng.integers(-25, 1400, n)
    return pl.DataFrame(
        {
            "project_code": np.repeat(codes, crew),
            "worker_name": naming.people(n, rng),
            "id_card": naming.resident_ids(rng.choice(county, n), rng),
            "post": posts,
            "cert_no": [
                f"T{i:012d}" if c else None for i, c in zip(rng.integers(10**11, 10**12, n), certified, strict=True)
            ],
            "cert_expire": pl.Series(np.where(certified, expiry, np.datetime64("NaT"))).cast(pl.Date),
        }
    )


def _attendance(codes: np.ndarray, county: np.ndarray, crew: int, span: Span, streams: Streams) -> SourceTable:
    """In and out of each worker on each working day; a few forget to pass the gate on the way out."""
    rng = streams.get("construction.attendance")
    workers = _crew(codes, county, crew, span, rng)
    days = span.dates
    sunday = (days.astype(int) + 3) % 7 == 6
    present = rng.random((len(workers), len(days))) < np.where(sunday, 0.22, 0.92)
    worker, day = np.nonzero(present)
    m = len(worker)
    morning = days[day].astype("datetime64[us]") + rng.normal(7.2 * 3600, 1500, m).astype("timedelta64[s]")
    evening = days[day].astype("datetime64[us]") + rng.normal(17.9 * 3600, 2400, m).astype("timedelta64[s]")
    leaves = rng.random(m) > 0.01
    who = np.concatenate([worker, worker[leaves]])
    passed = np.concatenate([morning, evening[leaves]])
    inward = np.arange(len(who)) < m
    stored = passed + rng.integers(3, 150, len(who)).astype("timedelta64[s]")
    order = np.argsort(stored, kind="stable")
    order = order[span.holds(passed, stored)[order]]
    who, passed, stored, inward = who[order], passed[order], stored[order], inward[order]
    total = len(who)
    faces = np.frombuffer(base64.b64encode(rng.bytes(total * _FACE_CHARS * 3 // 4)), dtype=f"S{_FACE_CHARS}")
    record = pl.int_range(1, total + 1, eager=True).cast(pl.String).str.zfill(9)
    frame = workers[who].with_columns(
        ("R" + record).alias("id"),
        pl.Series("direction", np.where(inward, "进", "出")),
        pl.Series("face_photo", faces.astype(str)),
        pl.Series("pass_time", passed),
        pl.Series("create_time", stored),
    )
    columns = ["id", "project_code", "worker_name", "id_card", "post", "direction"]
    columns += ["cert_no", "cert_expire", "face_photo", "pass_time", "create_time"]
    return SourceTable("housing.attendance", frame.select(columns), ("id",), "project_code", "pass_time", "create_time")
