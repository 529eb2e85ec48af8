"""Commands, types, systems, parts, states and quantities of GB/T 26875.3-2011, each table with its clause."""

from __future__ import annotations

from dataclasses import dataclass

# 6.6: command bytes. 0 and 7–127 are reserved and an error by 6.5; 128–255 are free for vendors.
CONTROL, DATA, CONFIRM, REQUEST, RESPONSE, DENY, FIRST_VENDOR_COMMAND = 1, 2, 3, 4, 5, 6, 128
COMMANDS: dict[int, str] = {
    CONTROL: "control",
    DATA: "data",
    CONFIRM: "confirm",
    REQUEST: "request",
    RESPONSE: "response",
    DENY: "deny",
}

SYSTEM_STATE, PART_STATE, ANALOGUE, OPERATION = 1, 2, 3, 4
UNIT_STATE, UNIT_OPERATION = 21, 24


@dataclass(frozen=True, slots=True)
class UnitType:
    """A type of application unit: its word, the bytes of one object without its time, and whether a time follows.

    `size` is None when each object tells its own length in the byte at `length_at`.
    """

    word: str
    size: int | None
    is_timed: bool
    clause: str
    length_at: int = 0


# 8.1 and 8.3.1: what goes up and has objects that we read.
UP_TYPES: dict[int, UnitType] = {
    SYSTEM_STATE: UnitType("system_state", 4, True, "8.3.1.1"),
    PART_STATE: UnitType("part_state", 40, True, "8.3.1.2"),
    ANALOGUE: UnitType("analogue", 10, True, "8.3.1.3"),
    OPERATION: UnitType("operation", 4, True, "8.3.1.4"),
    5: UnitType("software_version", 4, False, "8.3.1.5"),
    6: UnitType("system_config", None, False, "8.3.1.6", 2),
    7: UnitType("part_config", 38, False, "8.3.1.7"),
    8: UnitType("system_time", 2, True, "8.3.1.8"),
    UNIT_STATE: UnitType("unit_state", 1, True, "8.3.1.9"),
    UNIT_OPERATION: UnitType("unit_operation", 2, True, "8.3.1.10"),
    25: UnitType("unit_version", 2, False, "8.3.1.11"),
    26: UnitType("unit_config", None, False, "8.3.1.12", 0),
    28: UnitType("unit_time", 0, True, "8.3.1.13"),
}
# 8.1 and 8.3.2: what goes down; its bytes are kept as they are.
DOWN_TYPES: dict[int, str] = {
    61: "read_system_state",
    62: "read_part_state",
    63: "read_analogue",
    64: "read_operation",
    65: "read_software_version",
    66: "read_system_config",
    67: "read_part_config",
    68: "read_system_time",
    81: "read_unit_state",
    84: "read_unit_operation",
    85: "read_unit_version",
    86: "read_unit_config",
    88: "read_unit_time",
    89: "initialise_unit",
    90: "set_unit_clock",
    91: "duty_check",
}

# 8.2.1.1: system types.
SYSTEM_TYPES: dict[int, str] = {
    0: "general",
    1: "fire_alarm",
    10: "linkage_controller",
    11: "hydrant",
    12: "sprinkler",
    13: "gas_extinguishing",
    14: "water_mist_pump",
    15: "water_mist_vessel",
    16: "foam",
    17: "powder",
    18: "smoke_control",
    19: "fire_door_shutter",
    20: "lift",
    21: "broadcast",
    22: "emergency_light",
    23: "power_supply",  # a restatement of the standard prints "lift" here a second time
    24: "telephone",
}

# 8.2.1.2: part types.
PART_TYPES: dict[int, str] = {
    0: "general",
    1: "fire_alarm_controller",
    10: "gas_detector",
    11: "gas_detector_point",
    12: "gas_detector_standalone",
    13: "gas_detector_line",
    16: "electrical_fire_monitor",
    17: "residual_current_detector",
    18: "cable_temperature_detector",
    21: "loop",
    22: "fire_display_panel",
    23: "manual_call_point",
    24: "hydrant_button",
    25: "fire_detector",
    30: "heat_detector",
    31: "heat_detector_point",
    32: "heat_detector_point_s",
    33: "heat_detector_point_r",
    34: "heat_detector_line",
    35: "heat_detector_line_s",
    36: "heat_detector_line_r",
    37: "heat_detector_fibre",
    40: "smoke_detector",
    41: "smoke_detector_ion",
    42: "smoke_detector_photo",
    43: "smoke_detector_beam",
    44: "smoke_detector_aspirating",
    50: "combined_detector",
    51: "combined_smoke_heat",
    52: "combined_flame_heat",
    53: "combined_flame_smoke",
    61: "flame_detector_ultraviolet",
    62: "flame_detector_infrared",
    69: "flame_detector",
    74: "gas_sensor",
    78: "video_detector",
    79: "sound_detector",
    81: "gas_extinguishing_controller",
    82: "electrical_control",
    83: "control_room_display",
    84: "module",
    85: "input_module",
    86: "output_module",
    87: "input_output_module",
    88: "relay_module",
    91: "fire_pump",
    92: "fire_water_tank",
    95: "sprinkler_pump",
    96: "flow_indicator",
    97: "signal_valve",
    98: "alarm_valve",
    99: "pressure_switch",
    101: "valve_actuator",
    102: "fire_door",
    103: "fire_damper",
    104: "ventilation",
    105: "foam_pump",
    106: "solenoid_valve",
    111: "smoke_fan",
    113: "smoke_damper",
    114: "air_inlet",
    115: "smoke_vent",
    116: "smoke_curtain",
    117: "shutter_controller",
    118: "fire_door_monitor",
    121: "alarm_device",
}

# 8.2.1.1, 8.2.1.2, 8.2.1.8: state bits from bit 0. `operating` is 1 in normal running and 0 under test, but captured
# units never set it: a fire with this bit 0 is still a fire.
SYSTEM_BITS: tuple[str, ...] = (
    "operating",
    "fire",
    "fault",
    "shielded",
    "supervised",
    "started",
    "feedback",
    "delayed",
    "main_power_fault",
    "backup_power_fault",
    "bus_fault",
    "manual_mode",
    "config_changed",
    "reset",
)
PART_BITS: tuple[str, ...] = (*SYSTEM_BITS[:8], "power_fault")
UNIT_BITS: tuple[str, ...] = (
    "operating",
    "fire",
    "fault",
    "main_power_fault",
    "backup_power_fault",
    "link_fault",
    "line_fault",
)

# 8.2.1.4 and 8.2.1.9: operations from bit 0; bit 5 is a confirmation at the system and a duty-check answer at the unit.
OPERATION_BITS: tuple[str, ...] = (
    "op_reset",
    "op_mute",
    "op_manual_alarm",
    "op_cleared",
    "op_self_test",
    "op_confirm",
    "op_test",
)
UNIT_OPERATION_BITS: tuple[str, ...] = tuple("op_duty_answer" if b == "op_confirm" else b for b in OPERATION_BITS)

# 8.2.1.3: type of quantity → our word, our field, and (numerator, denominator) from steps to the field's unit.
# MPa in steps of 0.1 becomes kPa, so that one field holds both pressures.
QUANTITIES: dict[int, tuple[str, str, tuple[int, int]]] = {
    1: ("count", "event_count", (1, 1)),
    2: ("height", "height_m", (1, 100)),
    3: ("temperature", "temperature_c", (1, 10)),
    4: ("pressure", "pressure_kpa", (100, 1)),
    5: ("pressure", "pressure_kpa", (1, 10)),
    6: ("gas", "gas_pct_lel", (1, 10)),
    7: ("duration", "duration_s", (1, 1)),
    8: ("voltage", "voltage_v", (1, 10)),
    9: ("current", "current_a", (1, 10)),
    10: ("flow", "flow_l_s", (1, 10)),
    11: ("air_flow", "air_flow_m3_min", (1, 10)),
    12: ("wind_speed", "wind_speed_ms", (1, 1)),
}
QUANTITY_FIELDS: tuple[str, ...] = tuple(dict.fromkeys(name for _, name, _ in QUANTITIES.values()))


def word_of(table: dict[int, str], code: int) -> str:
    """The word of a code; reserved codes and those of vendors as `code_<number>`."""
    return table.get(code, f"code_{code}")


def bits_of(word: int, names: tuple[str, ...]) -> dict[str, bool]:
    """Which named bits of a word are set, from bit 0."""
    return {name: bool(word >> bit & 1) for bit, name in enumerate(names)}


def word_from(names: tuple[str, ...], true: frozenset[str]) -> int:
    """The word with the named bits set. Raises ValueError for a name that has no bit."""
    if unknown := true - set(names):
        raise ValueError(f"states {sorted(unknown)}: expected some of {', '.join(names)}")
    return sum(1 << bit for bit, name in enumerate(names) if name in true)
