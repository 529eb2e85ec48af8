"""Gate passages of the workers of construction sites, day by day."""

import base64

import numpy as np
import polars as pl

from city import naming
from city.clock import Span
from city.streams import Streams
from city.table import SourceTable

_POSTS = ["项目经理", "安全员", "总监", "塔吊司机", "电工"]
_CERTIFIED = ("安全员", "塔吊司机", "电工")
_FACE_CHARS = 40


def attendance(sites: SourceTable, crew: int, span: Span, streams: Streams) -> SourceTable:
    """In and out of each of `crew` workers a site on each working day; a few forget to pass the gate on the way out."""
    codes, county = sites.frame["project_code"].to_numpy(), sites.frame["_county"].to_numpy()
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
