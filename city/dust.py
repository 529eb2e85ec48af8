"""The housing bureau's dust and noise monitors: one at the gate of each site that is not finished."""

import numpy as np
import polars as pl

from city.clock import Span
from city.geography import METRES_PER_DEGREE
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable


def build(profile: Profile, sites: SourceTable, span: Span, streams: Streams) -> SourceTable:
    """One monitor a site under work, up to 30 m from the site's point."""
    rng = streams.get("dust")
    frame = sites.frame.filter(pl.col("stage") != "竣工")
    n = frame.height
    updated = np.datetime64(span.end, "us") - rng.integers(1800, 120 * 86400, n).astype("timedelta64[s]")
    monitors = pl.DataFrame(
        {
            "mn": [monitor_number("YC", profile.code, i) for i in range(1, n + 1)],
            "project_code": frame["project_code"],
            "monitor_name": [f"{name}扬尘{i}号点" for i, name in enumerate(frame["project_name"], 1)],
            "lng": np.round(frame["lng"].to_numpy() + rng.uniform(-30, 30, n) / METRES_PER_DEGREE, 6),
            "lat": np.round(frame["lat"].to_numpy() + rng.uniform(-30, 30, n) / METRES_PER_DEGREE, 6),
            "install_date": [span.day_before(int(d)) for d in rng.integers(20, 600, n)],
            "update_time": updated,
        }
    )
    return SourceTable("housing.dust_monitor", monitors, ("mn",), "mn", None, "update_time")


def monitor_number(kind: str, city_code: str, index: int) -> str:
    """An MN of 20 characters: who runs it, the city, its number."""
    return f"CR{kind}{city_code}{index:010d}"
