"""A made-up week of one town, row by row, with everything that disturbs a rule engine. See STORY.md.

Times are minutes since Monday 00:00 in Beijing. A row comes in at its event time plus a little, unless it says later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from alerting.engine import Registry
from alerting.rules import MaintenanceWindow
from core.contract import Contract
from core.stages import landed_schema
from rule_parts import SHAPES, asset

MONDAY = datetime(2026, 7, 5, 16, tzinfo=UTC)  # 00:00 on 6 July in Beijing
DAY = 24 * 60
GAS, RIVER, RAIN = "urban.gas_reading", "water.river_reading", "water.rain_reading"
VEHICLE, DRIVER = "transport.vehicle_position", "transport.driver_behaviour"
POND, OUTFALL, FIRE = "emergency.tailings_sensor", "ecology.outfall_reading", "fire.device_state"


@dataclass(frozen=True)
class Row:
    """One row: minutes of the event and of its coming in, and its cells."""

    feed_id: str
    at: float
    came: float
    cells: dict[str, Any]
    flags: str = ""


def at(minute: float) -> datetime:
    return MONDAY + timedelta(minutes=minute)


def town() -> Registry:
    """Two gas detectors behind one gateway, a river and its gauge 300 m away, a coach, a pond, an outfall, a panel."""
    devices = [
        asset("urban:D1", "urban:S1", gateway_id="GW1", space_type="valve_well", area_code="420502"),
        asset("urban:D2", "urban:S2", gateway_id="GW1", space_type="adjacent_space", area_code="420502"),
        asset(
            "water:H1",
            "water:RIVER",
            lon=111.3,
            lat=30.7,
            warning_level_m=50.0,
            guarantee_level_m=51.0,
            historical_max_level_m=52.5,
            area_code="420502",
        ),
        asset("water:G1", "water:GAUGE", lon=111.3, lat=30.7027, area_code="420502"),
        asset("transport:T1", "transport:V1", vehicle_type="tour_coach", speed_limit_kmh=100.0),
        *(asset(f"emergency:X{i}", "emergency:POND", area_code="420581") for i in range(1, 4)),
        asset("ecology:M1", "ecology:O1", cod_limit_mg_l=50.0, nh3_n_limit_mg_l=5.0, ph_min=6.0, ph_max=9.0),
        asset("fire:U1", "fire:UNIT"),
    ]
    pond = asset("emergency:POND", dry_beach_min_m=70.0, pond_class="3", dam_height_m=80.0, area_code="420581")
    return Registry(SHAPES, {pond.id: pond}, {d.id: d for d in devices})


def windows() -> tuple[MaintenanceWindow, ...]:
    """Tuesday morning: the well of D2 is being worked at."""
    return (MaintenanceWindow("device", "urban:D2", at(DAY + 480), at(DAY + 600), at(DAY + 400), "valve exchange"),)


def gas(
    device: str, minute: float, lel: float, flag: str = "normal", came: float | None = None, flags: str = ""
) -> Row:
    cells = {"device_id": device, "methane_pct_lel": lel, "methane_pct_vol": lel / 20, "quality_flag": flag}
    return Row(GAS, minute, minute + 0.01 if came is None else came, cells, flags)


def every(start: float, end: float, step: float) -> Iterator[float]:
    n = 0
    while start + n * step < end:
        yield start + n * step
        n += 1


def week() -> list[Row]:
    """All rows in the order in which they come in."""
    rows = [*_gas(), *_storm(), *_coach(), *_pond(), *_outfall(), *_fire()]
    return sorted(rows, key=lambda row: (round(row.came, 2), row.feed_id, row.at))


def _gas() -> Iterator[Row]:
    quiet = [m for m in every(0, 7 * DAY, 15) if not 6 * DAY + 600 <= m < 6 * DAY + 720]
    for minute in quiet:  # on Sunday the gateway is dead from ten to twelve
        yield gas("D1", minute, 2.0)
        if not 3 * DAY + 540 <= minute < 3 * DAY + 720:  # on Thursday D2 keeps its rows, see below
            yield gas("D2", minute, 1.0)
    for n, lel in enumerate([12, 26, 31, 40, 55, 62, 58, 47, 30, 22, 15, 9, 6, 4, 3, 3]):  # Monday 08:07, every 20 s
        yield gas("D1", 487 + n / 3, float(lel))
    for n in range(12):  # Monday 14:00: a test gas, flagged
        yield gas("D1", 840 + n / 3, 60.0, "calibration")
    for n in range(60):  # Tuesday 08:30: high, but the window of maintenance is open
        yield gas("D2", DAY + 510 + n, 80.0)
    yield gas("D1", DAY + 900.1, 70.0)  # Tuesday 15:00: one reading of five seconds
    yield gas("D1", DAY + 900.1 + 5 / 60, 2.0)
    for n, lel in enumerate([30, 33, 36, 39, 35, 28, 12, 8, 5, 4, 3, 2]):  # Wednesday 10:00: pairs come the wrong way
        minute = 2 * DAY + 602 + n / 3
        yield gas("D1", minute, float(lel), came=minute + (0.5 if n % 2 == 0 else 0.01))
    for n, minute in enumerate(every(3 * DAY + 540, 3 * DAY + 720, 1)):  # Thursday: D2 was offline for three hours
        lel = 45.0 if 60 <= n < 75 else 1.0
        yield gas("D2", minute, lel, came=3 * DAY + 721, flags="late")
    for minute in (4 * DAY + 300.0, 4 * DAY + 301.0):  # Friday 05:00: back-filled quiet rows in the middle of a leak
        yield gas("D2", minute - 120, 0.5, came=minute + 0.2, flags="late")
    for n in range(20):
        yield gas("D2", 4 * DAY + 299.5 + n / 4, 28.0)
    for n in range(6):
        yield gas("D2", 4 * DAY + 305 + n / 4, 2.0)


def _storm() -> Iterator[Row]:
    """Wednesday evening: 55 mm in three hours at the gauge while the river rises over its warning level."""
    for minute in every(0, 7 * DAY, 60):
        hours = (minute - (2 * DAY + 1140)) / 60
        rise = 3.2 * max(0.0, 1 - abs(hours - 4) / 6)
        yield Row(RIVER, minute, minute + 0.4, {"device_id": "H1", "level_m": round(48.0 + rise, 2)})
    for minute in every(2 * DAY + 1080, 3 * DAY + 240, 5):
        storm = 2.5 if 2 * DAY + 1140 <= minute < 2 * DAY + 1260 else 0.0
        yield Row(RAIN, minute, minute + 0.2, {"device_id": "G1", "rain_mm": storm})
        if minute == 2 * DAY + 1200:
            yield Row(RAIN, minute, minute + 7, {"device_id": "G1", "rain_mm": storm})  # sent twice


def _coach() -> Iterator[Row]:
    """Friday: driving from 06:00 with a stop of 15 minutes, a real rest at 11:40; three minutes too fast at 09:00."""
    for minute in every(4 * DAY + 360, 4 * DAY + 780, 1):
        m = minute - 4 * DAY
        stands = 480 <= m < 495 or 700 <= m < 730 or m >= 770
        speed = 0.0 if stands else 112.0 if 540 <= m < 543 else 78.0
        cells = {"device_id": "T1", "speed_kmh": speed, "acc_on": m < 775, "alarm_bits": 0}
        yield Row(VEHICLE, minute, minute + 0.05, cells)
    for minute, behaviour in ((610, "phone_call"), (614, "phone_call"), (650, "fatigue")):
        cells = {"alarm_key": f"T1-{minute}", "device_id": "T1", "behaviour": behaviour}
        yield Row(DRIVER, 4 * DAY + minute, 4 * DAY + minute + 0.1, cells)


def _pond() -> Iterator[Row]:
    """Saturday: the beach of two points shrinks to 75 m (orange each, red together), a third stays wide."""
    for minute in every(5 * DAY, 6 * DAY, 30):
        hours = (minute - 5 * DAY) / 60
        shrink = 35.0 if 8 <= hours < 14 else 0.0
        for i, wide in ((1, 110.0), (2, 111.0), (3, 140.0)):
            beach = wide - (shrink if i < 3 else 0)
            yield Row(POND, minute, minute + 0.3, {"point_id": f"X{i}", "dry_beach_m": beach, "quality_flag": "normal"})


def _outfall() -> Iterator[Row]:
    """Saturday: one sample over the limit is nothing, two of three are."""
    for n, minute in enumerate(every(5 * DAY + 600, 5 * DAY + 840, 10)):
        cod = {3: 61.0, 8: 70.0, 10: 72.0, 11: 130.0, 12: 131.0}.get(n, 22.0)
        flag = "fault" if n == 4 else "normal"
        yield Row(OUTFALL, minute, minute + 0.5, {"device_id": "M1", "cod_mg_l": cod, "quality_flag": flag})


def _fire() -> Iterator[Row]:
    """Sunday 15:00: a detector, a second one a minute later, reset after ten minutes."""
    for minute, part, bits in (
        (900, "P1", {"fire": True}),
        (901, "P2", {"fire": True, "fault": False}),
        (910, "U1", {"is_reset": True}),
    ):
        m = 6 * DAY + minute
        cells = {"state_key": f"{part}-{minute}", "device_id": "U1", "part_id": part, **bits}
        yield Row(FIRE, m, m + 0.02, cells)


def frame_of(contract: Contract, rows: list[Row], first: int) -> pl.DataFrame:
    """Rows as conform would hand them on to landing."""
    schema = landed_schema(contract)
    event = contract.event_time.landed_name if contract.event_time else ""
    records = [
        {
            **dict.fromkeys(schema),
            **row.cells,
            event: at(row.at),
            "_row": str(first + i),
            "_received_at": came(row),
            "_flags": row.flags,
        }
        for i, row in enumerate(rows)
    ]
    return pl.DataFrame(records, schema=schema)


def came(row: Row) -> datetime:
    """The instant of the tick that a row came in with: hundredths of a minute."""
    return at(round(row.came, 2))
