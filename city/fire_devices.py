"""The fire brigade's devices: a transmission unit in each fire unit, and three sensors behind it."""

from datetime import UTC, datetime

import numpy as np
import polars as pl

from city.clock import Span
from city.geography import METRES_PER_DEGREE
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable
from ingest.protocols import gb26875

UNIT = "传输装置"
# Kind of sensor: (its part as the unit names it, the field of its quantity).
SENSORS = {
    "剩余电流": (gb26875.Part("general", 1, "residual_current_detector", 1, 1), "current_a"),
    "线缆温度": (gb26875.Part("general", 1, "cable_temperature_detector", 1, 2), "temperature_c"),
    "消防水压": (gb26875.Part("hydrant", 1, "pressure_switch", 1, 3), "pressure_kpa"),
}
# Smallest static pressure at the worst point (GB 50974-2014 5.2.2): high public buildings need more.
_TALL_M, _TALL_MPA, _LOW_MPA = 50.0, 0.10, 0.07
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def build(profile: Profile, units: SourceTable, span: Span, streams: Streams) -> SourceTable:
    """Four devices a unit, a few metres from the unit's own point (GCJ-02 like it)."""
    rng = streams.get("fire.device")
    frame, kinds = units.frame, [UNIT, *SENSORS]
    each, n = len(kinds), len(kinds) * frame.height
    owner = np.repeat(np.arange(frame.height), each)
    addresses = [address(profile.code, i) for i in range(1, frame.height + 1)]
    updated = np.datetime64(span.end, "us") - rng.integers(1800, 300 * 86400, n).astype("timedelta64[s]")
    tall = frame["jzgd"].to_numpy() > _TALL_M
    devices = pl.DataFrame(
        {
            "sbbm": [_number(unit, kind) for unit in addresses for kind in kinds],
            "dwbm": frame["dwbm"].to_numpy()[owner],
            "czdz": np.array(addresses)[owner],
            "sblx": kinds * frame.height,
            "sbmc": [f"{name}{kind}" for name in frame["dwmc"] for kind in kinds],
            "zxsy": np.where(tall, _TALL_MPA, _LOW_MPA)[owner],
            "jd": np.round(frame["jd"].to_numpy()[owner] + rng.uniform(-12, 12, n) / METRES_PER_DEGREE, 6),
            "wd": np.round(frame["wd"].to_numpy()[owner] + rng.uniform(-12, 12, n) / METRES_PER_DEGREE, 6),
            "azrq": [span.day_before(int(d)) for d in rng.integers(100, 2000, n)],
            "gxsj": updated,
        }
    )
    return SourceTable("fire.device", devices, ("sbbm",), "sbbm", None, "gxsj")


def address(city_code: str, index: int) -> str:
    """Six address bytes as hexadecimal: the city's code as digits, then the number of the unit."""
    return f"{city_code}{index:06X}"


def sensor_id(unit_address: str, kind: str) -> str:
    """How the protocol names a sensor behind a unit: by codes and addresses of its part."""
    part, field = SENSORS[kind]
    objects = [gb26875.analogue(part, field, 0.0, _ANY_TIME)]
    frame = gb26875.packet(gb26875.Unit(unit_address), 1, _ANY_TIME, 3, objects)
    return str(gb26875.decode(frame).records[0].values["device_id"])


def _number(unit_address: str, kind: str) -> str:
    return unit_address if kind == UNIT else sensor_id(unit_address, kind)
