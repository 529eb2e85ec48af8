"""The water bureau: river and rain stations, rivers with their warning and guarantee levels."""

import numpy as np
import polars as pl

from city.clock import Span
from city.geography import County, Places, scatter
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable

_RIVERS = {
    "42": ["长江", "清江", "香溪河", "黄柏河", "沮河", "漳河", "渔洋河"],
    "52": ["乌江", "湘江", "赤水河", "芙蓉江", "桐梓河", "习水河", "洛安江"],
}


def build(
    profile: Profile, counties: list[County], span: Span, streams: Streams, sizes: tuple[int, int]
) -> SourceTable:
    """One row per station of `sizes` (river, rain); `_base_m` is a river's level on an ordinary day."""
    rivers, rains = sizes
    n = rivers + rains
    rng = streams.get("hydrology")
    places = scatter(counties, n, rng, rural=True)
    order = rng.permutation(n)
    is_river = order < rivers
    places = _gauge_at_the_river(places, int(np.argmin(order)), int(np.argmax(order)))
    base = np.round(rng.uniform(40, 620, n), 2)
    warning = np.round(base + rng.uniform(3, 7, n), 2)
    guarantee = np.round(warning + rng.uniform(1, 2, n), 2)
    highest = np.round(guarantee + rng.uniform(0.6, 2.5, n), 2)
    river = rng.choice(_RIVERS[profile.code[:2]], n)

    def at_rivers(values: np.ndarray) -> list[float | None]:
        return [float(v) if here else None for v, here in zip(values, is_river, strict=True)]

    frame = pl.DataFrame(
        {
            "stcd": [f"SW{code}{i:05d}" for i, code in enumerate(places.county, 1)],
            "rtuAddr": [f"{profile.code}{i:04X}" for i in range(1, n + 1)],
            "stnm": [
                f"{c}{'水文' if r else '雨量'}站{i}"
                for i, (c, r) in enumerate(zip(places.county_name, is_river, strict=True), 1)
            ],
            "sttp": np.where(is_river, "河道站", "雨量站"),
            "rvnm": [str(name) if here else None for name, here in zip(river, is_river, strict=True)],
            "adcode": places.street,
            "lgtd": places.lon,
            "lttd": places.lat,
            "wrz": at_rivers(warning),
            "grz": at_rivers(guarantee),
            "obhtz": at_rivers(highest),
            "esstym": [span.day_before(int(d)) for d in rng.integers(400, 15000, n)],
            "_base_m": at_rivers(base),
        }
    )
    return SourceTable("water.station", frame, ("stcd",), "stcd")


def _gauge_at_the_river(places: Places, river: int, gauge: int) -> Places:
    """One rain station stands at a river station, 180 m off: rain there and high water are one danger."""
    beside = places.take(np.array([river])).moved(np.array([0.0]), np.array([180.0]))
    names = ("lon", "lat", "county", "county_name", "street")
    columns = {name: getattr(places, name).copy() for name in names}
    for name, column in columns.items():
        column[gauge] = getattr(beside, name)[0]
    return Places(**columns)
