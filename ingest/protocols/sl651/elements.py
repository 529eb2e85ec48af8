"""Elements of SL 651-2014 table C.1: guide byte, identifier, our field, digits and decimals; and their BCD values.

A frame says its own length and decimals beside every guide byte (table 26); the digits here are what we encode with.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ingest.protocols.frame import Value


@dataclass(frozen=True, slots=True)
class Element:
    """One element: N(digits, decimals) of table C.1, and our field, whose name carries the unit."""

    guide: int
    identifier: str
    field: str
    digits: int
    decimals: int

    @property
    def n_bytes(self) -> int:
        """Bytes of a value that is not negative."""
        return (self.digits + 1) // 2


# Guides with a fixed definition byte equal to themselves (notes a–d and f of table C.1), and the state word.
TIME, STATION, MANUAL, PICTURE, RAIN_SERIES, LEVEL_SERIES, VELOCITY_BATCH = 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xFD
LAST_LEVEL_SERIES, STEP, STATE, VENDOR = 0xFC, 0x04, 0x45, 0xFF
STATE_BYTES = 4
SERIES_POINTS, RAIN_STEP_MM, LEVEL_STEP_M = 12, 10, 100  # steps per unit: 0.1 mm and 0.01 m

_PLAIN: tuple[tuple[int, str, str, int, int], ...] = (
    (0x01, "AC", "section_area_m2", 8, 2),
    (0x02, "AI", "air_temp_c", 3, 1),
    (0x03, "C", "water_temp_c", 3, 1),
    (0x05, "DT", "duration_min", 4, 2),
    (0x06, "ED", "evaporation_day_mm", 5, 1),
    (0x07, "EJ", "evaporation_today_mm", 5, 1),
    (0x08, "FL", "pressure_hpa", 5, 0),
    (0x09, "GH", "gate_opening_m", 5, 2),
    (0x0A, "GN", "gate_group_no", 3, 0),
    (0x0B, "GS", "conveyance_kind", 1, 0),
    (0x0C, "GT", "gates_open", 3, 0),
    (0x0D, "GTP", "ground_temp_c", 3, 1),
    (0x0E, "H", "groundwater_depth_m", 6, 2),
    (0x0F, "HW", "wave_height_m", 5, 2),
    (0x18, "MST", "humidity_pct", 4, 1),
    (0x19, "NS", "pumps_running", 2, 0),
    (0x1A, "P1", "rain_1h_mm", 5, 1),
    (0x1B, "P2", "rain_2h_mm", 5, 1),
    (0x1C, "P3", "rain_3h_mm", 5, 1),
    (0x1D, "P6", "rain_6h_mm", 5, 1),
    (0x1E, "P12", "rain_12h_mm", 5, 1),
    (0x1F, "PD", "rain_day_mm", 5, 1),
    (0x20, "PJ", "rain_today_mm", 5, 1),
    (0x21, "PN01", "rain_1min_mm", 5, 1),
    (0x22, "PN05", "rain_5min_mm", 5, 1),
    (0x23, "PN10", "rain_10min_mm", 5, 1),
    (0x24, "PN30", "rain_30min_mm", 5, 1),
    (0x25, "PR", "rain_storm_mm", 5, 1),
    (0x26, "PT", "rain_total_mm", 6, 1),
    (0x27, "Q", "flow_m3s", 9, 3),
    (0x30, "QA", "outflow_m3s", 9, 3),
    (0x31, "QZ", "gate_flow_m3s", 9, 3),
    (0x32, "SW", "sediment_load_10kt", 11, 3),
    (0x33, "UC", "wind_sector", 2, 0),
    (0x34, "UE", "wind_force", 2, 0),
    (0x35, "US", "wind_speed_ms", 4, 1),
    (0x36, "VA", "mean_velocity_ms", 5, 3),
    (0x37, "VJ", "velocity_ms", 5, 3),
    (0x38, "VT", "battery_v", 4, 2),
    (0x39, "Z", "level_m", 7, 3),
    (0x3A, "ZB", "level_below_m", 7, 3),
    (0x3B, "ZU", "level_above_m", 7, 3),
    (0x44, "SQ", "sediment_kg_m3", 9, 3),
    (0x45, "ZT", "state_word", 8, 0),
    (0x46, "pH", "ph", 4, 2),
    (0x47, "DO", "dissolved_oxygen_mg_l", 4, 1),
    (0x48, "COND", "conductivity_us_cm", 5, 0),
    (0x49, "TURB", "turbidity_ntu", 3, 0),
    (0x4A, "CODMN", "cod_mn_mg_l", 4, 1),
    (0x4B, "REDOX", "redox_mv", 5, 1),
    (0x4C, "NH4N", "ammonia_n_mg_l", 6, 2),
    (0x4D, "TP", "total_p_mg_l", 5, 3),
    (0x4E, "TN", "total_n_mg_l", 5, 2),
    (0x4F, "TOC", "toc_mg_l", 4, 2),
    (0x50, "CU", "copper_mg_l", 7, 4),
    (0x51, "ZN", "zinc_mg_l", 6, 4),
    (0x52, "SE", "selenium_mg_l", 7, 5),
    (0x53, "AS", "arsenic_mg_l", 7, 5),
    (0x54, "THG", "mercury_mg_l", 7, 5),
    (0x55, "CD", "cadmium_mg_l", 7, 5),
    (0x56, "PB", "lead_mg_l", 7, 5),
    (0x57, "CHLA", "chlorophyll_a_mg_l", 4, 2),
    (0x70, "VTA", "mains_a_v", 4, 1),
    (0x71, "VTB", "mains_b_v", 4, 1),
    (0x72, "VTC", "mains_c_v", 4, 1),
    (0x73, "VIA", "mains_a_a", 4, 1),
    (0x74, "VIB", "mains_b_a", 4, 1),
    (0x75, "VIC", "mains_c_a", 4, 1),
)
_SOIL_DEPTHS_CM = (10, 20, 30, 40, 50, 60, 80, 100)
# Rows of eight: first guide, identifier and field with the number left open, digits, decimals.
_EIGHTS: tuple[tuple[int, str, str, int, int], ...] = (
    (0x28, "Q{}", "flow_{}_m3s", 9, 3),
    (0x3C, "Z{}", "level_{}_m", 7, 3),
    (0x58, "WP{}", "water_pressure_{}_kpa", 5, 2),
    (0x60, "SYL{}", "meter_{}_left_m3", 11, 3),
    (0x68, "SBL{}", "meter_{}_m3h", 10, 2),
)


def _all() -> tuple[Element, ...]:
    rows = [Element(*row) for row in _PLAIN]
    rows += [
        Element(0x10 + offset, f"M{depth}", f"soil_moisture_{depth}cm_pct", 4, 1)
        for offset, depth in enumerate(_SOIL_DEPTHS_CM)
    ]
    for guide, identifier, field, digits, decimals in _EIGHTS:
        rows += [Element(guide + n - 1, identifier.format(n), field.format(n), digits, decimals) for n in range(1, 9)]
    return tuple(sorted(rows, key=lambda row: row.guide))


ELEMENTS = _all()
BY_GUIDE = {element.guide: element for element in ELEMENTS}
BY_IDENTIFIER = {element.identifier.upper(): element for element in ELEMENTS}
BY_FIELD = {element.field: element for element in ELEMENTS}
# F4 is DRP, F5–FC are DRZ1–8 (relative levels: metres over the station's base, never absolute).
SERIES: dict[int, tuple[str, str]] = {
    RAIN_SERIES: ("DRP", "rain_5min_mm"),
    **{LEVEL_SERIES + n: (f"DRZ{n + 1}", f"relative_level_{n + 1}_m") for n in range(8)},
}
SERIES_BY_IDENTIFIER = {identifier: guide for guide, (identifier, _) in SERIES.items()}


def number(raw: bytes, decimals: int) -> float | None:
    """Packed BCD to a number; None for a filler (all FF, all AA) and for a nibble that is no digit.

    A leading FF is the minus sign (6.6.3.3 a). A DT value is hours and minutes, see `value_of`.
    """
    if not raw or raw.count(0xFF) == len(raw) or raw.count(0xAA) == len(raw):
        return None
    negative = raw[0] == 0xFF
    digits = (raw[1:] if negative else raw).hex()
    if not digits.isdigit():
        return None
    size = int(digits) / int(10**decimals)
    return -size if negative else size


def value_of(element: Element | None, raw: bytes, decimals: int) -> Value:
    """The value of an element as its field holds it: minutes for DT (HH.mm), an int for the state word (HEX)."""
    if element is not None and element.guide == STATE:
        return None if raw.count(0xFF) == len(raw) else int.from_bytes(raw, "big")
    value = number(raw, decimals)
    return minutes(value) if element is not None and element.identifier == "DT" else value


def minutes(hours_and_minutes: float | None) -> float | None:
    """HH.mm, where the decimals are minutes and not hundredths, to minutes."""
    if hours_and_minutes is None:
        return None
    hours, rest = divmod(round(hours_and_minutes * 100), 100)
    return float(hours * 60 + rest) if rest < 60 else None


def packed(element: Element, value: float | None) -> tuple[int, bytes]:
    """The definition byte (table 26) and the BCD bytes of a value; None as FF. Raises ValueError when it is too big."""
    if element.guide == STATE:
        word = 0xFFFFFFFF if value is None else int(value)
        return STATE_BYTES << 3, word.to_bytes(STATE_BYTES, "big")
    if value is None:
        return element.n_bytes << 3 | element.decimals, b"\xff" * element.n_bytes
    if element.identifier == "DT":
        value = value // 60 + value % 60 / 100
    scaled = round(Decimal(str(abs(value))).scaleb(element.decimals))
    digits = f"{scaled:0{element.n_bytes * 2}d}"
    if scaled >= 10**element.digits:
        raise ValueError(f"{element.field} = {value}: expected at most {element.digits} digits with the decimals")
    raw = (b"\xff" if value < 0 and scaled else b"") + bytes.fromhex(digits)
    return len(raw) << 3 | element.decimals, raw


def series_of(guide: int, raw: bytes) -> tuple[float | None, ...]:
    """The points of a 5-minute series: rain in mm, relative level in m, None for FF and FFFF."""
    if guide == RAIN_SERIES:
        return tuple(None if byte == 0xFF else byte / RAIN_STEP_MM for byte in raw)
    words = (int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))
    return tuple(None if word == 0xFFFF else word / LEVEL_STEP_M for word in words)


def series_bytes(guide: int, points: tuple[float | None, ...]) -> bytes:
    """Points of a 5-minute series as HEX. Rain over 25.4 mm is carried into the next point (note e of table C.1)."""
    if guide != RAIN_SERIES:
        words = (0xFFFF if point is None else round(point * LEVEL_STEP_M) for point in points)
        return b"".join(word.to_bytes(2, "big") for word in words)
    raw, carried = bytearray(), 0
    for point in points:
        if point is None:
            raw.append(0xFF)
            continue
        steps = round(point * RAIN_STEP_MM) + carried
        raw.append(min(steps, 0xFE))
        carried = steps - raw[-1]
    return bytes(raw)
