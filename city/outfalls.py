"""The ecology bureau: outfalls with automatic monitoring and what each may let out."""

import numpy as np
import polars as pl

from city import naming
from city.clock import Span
from city.dust import monitor_number
from city.geography import County, scatter
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable

# Limits of outfalls by class: COD and ammonia nitrogen, mg/L.
_LIMITS = ((50.0, 5.0), (60.0, 8.0), (100.0, 15.0), (500.0, 45.0))
_WATERS = ["长江", "清江", "黄柏河", "沮漳河", "乌江", "湘江", "赤水河", "芙蓉江"]


def build(profile: Profile, counties: list[County], span: Span, streams: Streams, n: int) -> SourceTable:
    """One row per outfall, dotted names for nested records."""
    rng = streams.get("outfalls")
    places = scatter(counties, n, rng)
    owners = naming.firms(n, profile.short_zh, rng)
    limit = [_LIMITS[i] for i in rng.integers(0, len(_LIMITS), n)]
    half = _WATERS[:4] if profile.code.startswith("42") else _WATERS[4:]
    frame = pl.DataFrame(
        {
            "outfallCode": [f"PK{code}{i:05d}" for i, code in enumerate(places.county, 1)],
            "mn": [monitor_number("WS", profile.code, i) for i in range(1, n + 1)],
            "outfallName": [f"{owner[2:6]}总排口{i}" for i, owner in enumerate(owners, 1)],
            "company.name": owners,
            "company.uscc": naming.blank_some(naming.credit_codes(places.county, rng), 0.05, rng),
            "adcode": places.county,
            "lng": places.lon,
            "lat": places.lat,
            "receivingWater": rng.choice(half, n),
            "limits.cod": [cod for cod, _ in limit],
            "limits.nh3n": [ammonia for _, ammonia in limit],
            "limits.phMin": np.full(n, 6.0),
            "limits.phMax": np.full(n, 9.0),
            "installDate": [span.day_before(int(d)) for d in rng.integers(100, 2500, n)],
        }
    )
    return SourceTable("ecology.outfall", frame, ("outfallCode",), "outfallCode")
