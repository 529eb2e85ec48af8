"""Code tables of HJ 212: systems, commands, data flags, result codes, names of fields.

Clauses are of HJ 212-2017 unless a row says otherwise. Rows of the 2025 edition are known from public implementations
of it, not from its text, and say so. Not here: factor codes (`ingest.protocols.hj212.factors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SYSTEMS: Mapping[str, str] = {  # ST, 6.6.1 table 5
    "21": "surface_water",
    "22": "ambient_air",
    "23": "ambient_noise",
    "24": "groundwater",
    "25": "soil",
    "26": "sea_water",
    "27": "volatile_organics",
    "31": "air_source",
    "32": "water_source",
    "33": "groundwater_source",
    "34": "marine_source",
    "35": "soil_source",
    "36": "noise_source",
    "37": "vibration_source",
    "38": "radioactive_source",
    "39": "construction_dust",
    "41": "electromagnetic_source",
    "44": "facility_electricity",  # HJ 212-2025
    "51": "flue_gas_process",
    "52": "sewage_process",
    "91": "system_interaction",
}


class Command(NamedTuple):
    """What a command number means, and what its sender is owed when it asks: an answer's command number or nothing.

    `period` is set for commands that carry measured values: whether they hold at an instant or over a span.
    """

    word: str
    answer: str = ""
    period: str = ""


DATA_ANSWER, NOTICE_ANSWER, REQUEST_ANSWER = "9014", "9013", "9011"

COMMANDS: Mapping[str, Command] = {  # CN, 6.6.5 table 9; examples C.1 to C.44
    "1000": Command("set_timeout_and_retries"),
    "1001": Command("logger_hardware", DATA_ANSWER),  # HJ 212-2025
    "1002": Command("set_logger_number"),  # HJ 212-2025
    "1011": Command("device_time", DATA_ANSWER),
    "1012": Command("set_device_time"),
    "1013": Command("time_correction_request", NOTICE_ANSWER),
    "1014": Command("session_key", NOTICE_ANSWER),  # HJ 212-2025
    "1061": Command("realtime_interval", DATA_ANSWER),
    "1062": Command("set_realtime_interval"),
    "1063": Command("minute_interval", DATA_ANSWER),
    "1064": Command("set_minute_interval"),
    "1072": Command("set_password"),
    "2011": Command("realtime_data", DATA_ANSWER, "realtime"),
    "2012": Command("stop_realtime_data"),
    "2013": Command("raw_data", DATA_ANSWER, "realtime"),  # HJ 212-2025
    "2021": Command("facility_state", DATA_ANSWER, "realtime"),
    "2022": Command("stop_facility_state"),
    "2031": Command("day_data", DATA_ANSWER, "day"),
    "2041": Command("facility_run_time", DATA_ANSWER, "day"),
    "2051": Command("minute_data", DATA_ANSWER, "minute"),
    "2052": Command("single_noise_measurement", DATA_ANSWER, "realtime"),  # HJ 212-2025
    "2061": Command("hour_data", DATA_ANSWER, "hour"),
    "2062": Command("standard_sample_check", DATA_ANSWER),  # HJ 212-2025
    "2081": Command("logger_start_time", DATA_ANSWER),
    "2111": Command("furnace_temperature", DATA_ANSWER, "minute"),  # HJ 212-2025
    "3011": Command("calibrate"),
    "3012": Command("sample_now"),
    "3013": Command("start_cleaning"),
    "3014": Command("comparison_sample"),
    "3015": Command("overrun_sample", DATA_ANSWER),
    "3016": Command("set_sampling_cycle"),
    "3017": Command("sampling_cycle", DATA_ANSWER),
    "3018": Command("sample_delay", DATA_ANSWER),
    "3019": Command("device_serial_number", DATA_ANSWER),
    "3020": Command("device_information", DATA_ANSWER),
    "3021": Command("set_device_parameter"),
    "3022": Command("grab_sample"),  # HJ 212-2025
    "3024": Command("start_standard_sample_check"),  # HJ 212-2025
    "9011": Command("request_answer"),
    "9012": Command("execution_result"),
    "9013": Command("notice_answer"),
    "9014": Command("data_answer"),
    "9015": Command("heartbeat", NOTICE_ANSWER),  # HJ 212-2025
}
FACILITY_COMMANDS = frozenset({"2021", "2041"})

# Flag of a value, 6.6.4 table 8. Only normal ones are valid measurements; the words are those of feeds' quality flags.
FLAGS: Mapping[str, str] = {
    "N": "normal",
    "F": "stopped",
    "M": "maintenance",
    "S": "manual",
    "D": "fault",
    "C": "calibration",
    "T": "over_range",
    "B": "comms_fault",
    "P": "power_fault",  # this and the digits of air stations: HJ/T 212-2005
    "0": "calibration",
    "1": "normal",  # of weather
    "2": "abnormal",
    "3": "normal",
}
UNKNOWN_FLAG = "unknown"
# Which ill a row tells that has several: what is broken before what somebody does on purpose.
ILLS = (
    "fault",
    "comms_fault",
    "power_fault",
    "abnormal",
    "over_range",
    "calibration",
    "maintenance",
    "stopped",
    "manual",
    UNKNOWN_FLAG,
)

REQUEST_RESULTS: Mapping[str, str] = {  # QnRtn, 6.6.3 table 7
    "1": "ready",
    "2": "refused",
    "3": "wrong_password",
    "4": "wrong_device_id",
    "5": "wrong_system_code",
    "6": "wrong_flags",
    "7": "wrong_request_number",
    "8": "wrong_command_code",
    "9": "wrong_crc",
    "100": "unknown_error",
}
EXECUTION_RESULTS: Mapping[str, str] = {  # ExeRtn, 6.6.2 table 6
    "1": "done",
    "2": "failed_unknown_cause",
    "3": "condition_not_met",
    "4": "timed_out",
    "5": "busy",
    "6": "system_fault",
    "100": "no_data",
}
FACILITY_STATES: Mapping[str, str] = {  # SBn-RS, 6.3.3.2.3 table 4
    "0": "off",
    "1": "running",
    "2": "calibrating",
    "3": "maintenance",
    "4": "alarm",
    "5": "purging",
}

# Version bits V5..V0 of Flag, 6.3.2 table 3. A surface-water dialect used 2 before the 2025 edition did.
EDITIONS: Mapping[int, str] = {0: "2005", 1: "2017", 2: "2025"}
WANTS_ANSWER, HAS_PARTS = 1, 2

# Keys of the data segment, 6.3.2 table 3, in their order.
HEAD: Mapping[str, str] = {
    "QN": "request_number",
    "ST": "system_code",
    "CN": "command_code",
    "PW": "password",
    "MN": "device_id",
    "Flag": "flags",
    "PNUM": "part_count",
    "PNO": "part_number",
}

# Keys inside CP that belong to no factor, 6.3.3.2.3 table 4.
PARAMETERS: Mapping[str, str] = {
    "DataTime": "data_time",
    "BeginTime": "begin_time",
    "EndTime": "end_time",
    "SystemTime": "system_time",
    "RestartTime": "restart_time",
    "RtdInterval": "realtime_interval_s",
    "MinInterval": "minute_interval_min",
    "OverTime": "timeout_s",
    "ReCount": "retries",
    "NewPW": "new_password",
    "QnRtn": "request_result",
    "ExeRtn": "execution_result",
    "PolId": "factor_code",
    "InfoId": "info_code",
    "VaseNo": "bottle_number",
    "CstartTime": "first_sample_time",
    "CTime": "sampling_cycle_h",
    "Stime": "sample_delay_min",
    "SKCreateTime": "session_key_time",  # HJ 212-2025
    "NewSK": "session_key",  # HJ 212-2025
}

# What stands behind the dash of `factor-Field`, 6.3.3.2.3 table 4.
NUMBERS: Mapping[str, str] = {
    "Rtd": "rtd",
    "Min": "min",
    "Avg": "avg",
    "Max": "max",
    "Cou": "cou",
    "ZsRtd": "zs_rtd",
    "ZsMin": "zs_min",
    "ZsAvg": "zs_avg",
    "ZsMax": "zs_max",
    "ZsCou": "zs_cou",  # of devices, no edition has it
    "Data": "data",
    "DayData": "day_data",
    "NightData": "night_data",
    "RT": "run_h",
}
WORDS: Mapping[str, str] = {
    "Flag": "flag",
    "EFlag": "device_flag",
    "SampleTime": "sample_time",
    "RS": "run_state",
    "SN": "serial_number",
    "Info": "info",
    "SampleRd": "sample_reading",  # this and the rest: HJ 212-2025
    "StandardValue": "standard_value",
    "ResultType": "result_type",
    "SampleType": "sample_type",
    "CompleteTime": "complete_time",
}
