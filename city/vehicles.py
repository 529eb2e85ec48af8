"""The transport bureau: key vehicles with their firms, drivers and terminals."""

import numpy as np
import polars as pl

from city import naming
from city.clock import Span
from city.geography import County, scatter, to_gcj02
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable

# kind: (share, plate colour, seats, speed limit km/h)
KINDS = {
    "班线客车": (0.24, "黄", (19, 55), 100.0),
    "旅游包车": (0.16, "黄", (29, 55), 100.0),
    "危货运输车": (0.2, "黄", (2, 3), 80.0),
    "校车": (0.1, "黄", (19, 56), 80.0),
    "重型货车": (0.18, "黄绿", (2, 3), 90.0),
    "渣土车": (0.12, "黄", (2, 3), 70.0),
}


def build(
    profile: Profile, counties: list[County], span: Span, streams: Streams, sizes: tuple[int, int, int]
) -> SourceTable:
    """One row per vehicle of `sizes` (vehicles, firms, drivers), depot in GCJ-02; each firm and driver has a vehicle.

    Helper columns `_lon`, `_lat` hold the depot in CGCS2000.
    """
    n, n_firms, n_drivers = sizes
    rng = streams.get("vehicles")
    depots = scatter(counties, n_firms, rng)
    # Every firm and every driver is used once before any is used again.
    firm = rng.permutation(np.arange(n) % n_firms)
    driver = rng.permutation(np.arange(n) % n_drivers)
    places = depots.take(firm).moved(rng.uniform(-120, 120, n), rng.uniform(-120, 120, n))
    lon, lat = to_gcj02(places.lon, places.lat)
    names = list(KINDS)
    kind = rng.choice(names, n, p=[KINDS[name][0] for name in names])
    owners = [f"{profile.short_zh}{_number(i)}运输有限公司" for i in range(1, n_firms + 1)]
    codes = naming.blank_some(naming.credit_codes(depots.county, rng), 0.06, rng)
    people, phones = naming.people(n_drivers, rng), naming.phones(n_drivers, rng)
    certificates = [f"{profile.code}{i:013d}" for i in rng.permutation(n_drivers * 3)[:n_drivers]]
    is_2019 = rng.random(n) < 0.5
    letters = rng.choice(np.array(list("ABCDEFGHJKLMNPQRSTUVWXYZ")), n)
    updated = np.datetime64(span.end, "us") - rng.integers(1800, 200 * 86400, n).astype("timedelta64[s]")
    frame = pl.DataFrame(
        {
            "clbh": [f"CL{profile.code}{i:06d}" for i in range(1, n + 1)],
            "zdh": [terminal_number(profile.code, i, late) for i, late in enumerate(is_2019, 1)],
            "zdxy": np.where(is_2019, "808-2019", "808-2013"),
            "clmc": [f"{k}{i:05d}号" for i, k in enumerate(kind, 1)],
            "cphm": [
                f"{_PROVINCE[profile.code[:2]]}{a}{i:05d}" for a, i in zip(letters, rng.permutation(n), strict=True)
            ],
            "cpys": [KINDS[k][1] for k in kind],
            "cllx": kind,
            "yhmc": [owners[i] for i in firm],
            "tyshxydm": [codes[i] for i in firm],
            "xzqh": places.county,
            "jd": lon,
            "wd": lat,
            "hdrs": [int(rng.integers(*KINDS[k][2])) for k in kind],
            "xs": [KINDS[k][3] for k in kind],
            "yyzt": np.where(rng.random(n) < 0.97, "营运", "停运"),
            "jsy": [people[i] for i in driver],
            "jsydh": [phones[i] for i in driver],
            "cyzgzh": [certificates[i] for i in driver],
            "djrq": [span.day_before(int(d)) for d in rng.integers(60, 3000, n)],
            "gxsj": updated,
            "_lon": places.lon,
            "_lat": places.lat,
        }
    )
    return SourceTable("transport.vehicle", frame, ("clbh",), "clbh", None, "gxsj")


_PROVINCE = {"42": "鄂", "52": "贵"}
_TENS = "零一二三四五六七八九"


def _number(index: int) -> str:
    """A firm's number in Chinese digits, so that no two firms share a name."""
    return "".join(_TENS[int(digit)] for digit in f"{index:03d}")


def terminal_number(city_code: str, index: int, is_2019: bool) -> str:
    """What a terminal calls itself, without the zeros that pad it: twelve digits, of another range since 2019."""
    return f"{city_code}{index + 500_000 * is_2019:06d}"
