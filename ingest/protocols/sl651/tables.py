"""Functions, station classes, control characters, states and events of SL 651-2014, each table with its clause."""

from __future__ import annotations

from dataclasses import dataclass

# Table 10: control characters.
SOH, STX, ETX, EOT, ENQ, ACK, NAK, SYN, ETB, ESC = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x15, 0x16, 0x17, 0x1B
BEGINS = frozenset({STX, SYN})
# Either direction may carry any of them: captured frames of a station end in ENQ.
ENDS = frozenset({ETX, ETB, ENQ, ACK, EOT, NAK, ESC})

# Table A.1: station classes by their HEX code, which is the ASCII character too.
STATION_CLASSES: dict[int, str] = {
    0x50: "rain",
    0x48: "river",
    0x4B: "reservoir",
    0x5A: "sluice",
    0x44: "pump",
    0x54: "tide",
    0x4D: "soil",
    0x47: "groundwater",
    0x51: "quality",
    0x49: "intake",
    0x4F: "outlet",
}


@dataclass(frozen=True, slots=True)
class Function:
    """One function code: its word, how its upward body is built, and whether the centre confirms it.

    `body` is `elements` (station, class, time, elements), `state` (station, elements), `text` (typed by a person),
    `empty` (number and time alone) or `parameters` (station, then what its clause says).
    """

    word: str
    body: str
    confirmed: bool
    clause: str


# Table B.1. Confirmed: M2 and M3 of 6.3.1.2, and every table of 6.6.4 whose downward form has a confirmation.
FUNCTIONS: dict[int, Function] = {
    0x2F: Function("keep_alive", "empty", False, "6.6.4.2"),
    0x30: Function("test", "elements", True, "6.6.4.3"),
    0x31: Function("uniform", "elements", True, "6.6.4.4"),
    0x32: Function("timed", "elements", True, "6.6.4.5"),
    0x33: Function("threshold", "elements", True, "6.6.4.6"),
    0x34: Function("hourly", "elements", True, "6.6.4.7"),
    0x35: Function("manual", "text", True, "6.6.4.8"),
    0x36: Function("picture", "elements", True, "6.6.4.9"),
    0x37: Function("current", "elements", False, "6.6.4.10"),
    0x38: Function("period", "elements", True, "6.6.4.11"),
    0x39: Function("manual_query", "text", False, "6.6.4.12"),
    0x3A: Function("chosen", "elements", False, "6.6.4.13"),
    0x40: Function("set_basic", "parameters", True, "6.6.4.14"),
    0x41: Function("read_basic", "parameters", True, "6.6.4.15"),
    0x42: Function("set_running", "parameters", True, "6.6.4.16"),
    0x43: Function("read_running", "parameters", True, "6.6.4.17"),
    0x44: Function("pump_motor", "elements", False, "6.6.4.18"),
    0x45: Function("software_version", "parameters", False, "6.6.4.19"),
    0x46: Function("state", "state", False, "6.6.4.20"),
    0x47: Function("clear_store", "parameters", True, "6.6.4.21"),
    0x48: Function("factory_reset", "parameters", True, "6.6.4.22"),
    0x49: Function("set_password", "parameters", True, "6.6.4.23"),
    0x4A: Function("set_clock", "parameters", False, "6.6.4.24"),
    0x4B: Function("set_card", "parameters", True, "6.6.4.25"),
    0x4C: Function("pump_switch", "parameters", True, "6.6.4.26"),
    0x4D: Function("valve_switch", "parameters", True, "6.6.4.27"),
    0x4E: Function("gate_switch", "parameters", True, "6.6.4.28"),
    0x4F: Function("quota_control", "parameters", True, "6.6.4.29"),
    0x50: Function("events", "parameters", False, "6.6.4.30"),
    0x51: Function("read_clock", "parameters", False, "6.6.4.31"),
}
# 00–2E, 3B–3F, 52–DF are reserved, E0–FF free for vendors: kept as bytes, never refused.
OTHER_FUNCTION = Function("other", "raw", False, "B.1")

# Table 58: (bit, our field, what the bit reads when the field is true). The box bit is 0 when the door stands open.
STATE_BITS: tuple[tuple[int, str, int], ...] = (
    (0, "mains_off", 1),
    (1, "battery_low", 1),
    (2, "level_alarm", 1),
    (3, "flow_alarm", 1),
    (4, "quality_alarm", 1),
    (5, "flow_meter_fault", 1),
    (6, "level_meter_fault", 1),
    (7, "box_open", 0),
    (8, "store_fault", 1),
    (9, "card_enabled", 1),
    (10, "pump_stopped", 1),
    (11, "quota_exceeded", 1),
)

# Table 82: events ERC1–ERC18 in order, each counted in two bytes; ERC19–32 are spare.
EVENTS: tuple[str, ...] = (
    "store_cleared",
    "parameter_changed",
    "state_changed",
    "sensor_fault",
    "password_changed",
    "terminal_fault",
    "mains_lost",
    "battery_low",
    "box_opened",
    "pump_fault",
    "quota_exceeded",
    "level_exceeded",
    "pressure_exceeded",
    "quality_exceeded",
    "data_error",
    "report_sent",
    "report_received",
    "report_failed",
)


def function_of(code: int) -> Function:
    """The function of a code, reserved and vendors' codes as `OTHER_FUNCTION`."""
    return FUNCTIONS.get(code, OTHER_FUNCTION)
