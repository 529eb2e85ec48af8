"""Gateways that speak JSON over MQTT: gas detectors, utility tunnels, tailings ponds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from city.live.noise import between, wave
from city.live.regular import Regular
from city.live.utterance import Said, Utterance
from city.tailings import DISPLACEMENT_MM

_BEIJING = timezone(timedelta(hours=8))
_NUMBERS = {"normal": "0", "maintenance": "1", "calibration": "2", "fault": "3"}
_WORDS = {"normal": "正常", "maintenance": "维护", "calibration": "校准", "fault": "故障"}
# What a detector shows while somebody holds test gas to it.
_TEST_GAS_PCT_LEL, _TEST_GAS_PCT_VOL, _TEST_H2S_MG_M3 = 55.0, 6.0, 30.0


@dataclass(slots=True)
class MqttDevice(Regular):
    """A device behind a gateway; its topic is department, feed, device."""

    channel = "mqtt"

    def spoken(self, at: int, sent_at: float, document: Mapping[str, Any], n_readings: int) -> Iterator[Utterance]:
        """One message with one row."""
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        said = (Said(self.raw_feed, self.device_id, at),)
        yield Utterance(sent_at, self.channel, self.raw_feed, self.device_id, body, "", said, n_readings)


@dataclass(slots=True)
class GasDetector(MqttDevice):
    """In a regulator or valve well it measures the explosive limit, in a space beside the main the volume."""

    space_type: str

    raw_feed = "urban.gas_reading"

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """Methane, temperature, and pressure behind a regulator."""
        flag = self.flag(at)
        values: dict[str, float] = {"temp": round(15 + 8 * wave(at, 15) + between(-1, 1, self.key, at, 11), 1)}
        if self.space_type == "相邻地下空间":
            quiet = _TEST_GAS_PCT_VOL if flag != "normal" else between(0.0, 0.18, self.key, at, 12)
            values["ch4Vol"] = round(self.value("methane_pct_vol", at, quiet), 3)
        else:
            quiet = _TEST_GAS_PCT_LEL if flag != "normal" else between(0.0, 4.0, self.key, at, 12)
            values["ch4Lel"] = round(self.value("methane_pct_lel", at, quiet), 2)
        if self.space_type == "调压站":
            quiet = between(2.6, 3.4, self.key, at, 13)
            values["press"] = round(self.value("gas_pressure_kpa", at, quiet), 3)
        document = {"deviceId": self.device_id, "ts": at * 1000, **values, "st": _NUMBERS[flag]}
        yield from self.spoken(at, sent_at, document, len(values))


@dataclass(slots=True)
class TunnelStation(MqttDevice):
    """The air and the sump of one compartment."""

    compartment_type: str

    raw_feed = "urban.tunnel_reading"

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """Six values."""
        flag = self.flag(at)
        is_tested = flag != "normal"
        quiet = {
            "methane_pct_lel": _TEST_GAS_PCT_LEL if is_tested else between(0.0, 2.5, self.key, at, 21),
            "oxygen_pct_vol": 16.0 if is_tested else between(20.3, 20.9, self.key, at, 22),
            "h2s_mg_m3": _TEST_H2S_MG_M3 if is_tested else between(0.0, 2.0, self.key, at, 23),
            "air_temperature_c": 19 + 3 * wave(at, 16) + between(-0.5, 0.5, self.key, at, 24),
            "humidity_pct": 70 + between(-8, 8, self.key, at // 3600, 25),
            "water_level_m": between(0.1, 0.35, self.key, at // 1800, 26),
        }
        names = ("ch4", "o2", "h2s", "temp", "rh", "level")
        values = {
            name: round(self.value(metric, at, value), 2)
            for name, (metric, value) in zip(names, quiet.items(), strict=True)
        }
        document = {"deviceId": self.device_id, "ts": at * 1000, **values, "st": _NUMBERS[flag]}
        yield from self.spoken(at, sent_at, document, len(values))


@dataclass(slots=True)
class TailingsPoint(MqttDevice):
    """One point of a dam. `limits` are the pond's: smallest beach m, highest pool level m, dam height m."""

    kind: str
    limits: tuple[float, float, float]

    raw_feed = "emergency.tailings_sensor"

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """What its sensors show."""
        flag = self.flag(at)
        beach_min, level_max, height = self.limits
        disturbed = 0.4 if flag != "normal" else 1.0
        values: dict[str, float] = {}
        if self.kind == "w":
            beach = beach_min * between(2.6, 2.7, self.key, at // 21_600, 31) * disturbed
            values["dryBeach"] = self.value("dry_beach_m", at, beach)
            values["pool"] = self.value("pool_level_m", at, level_max - between(3.3, 3.4, self.key, at // 21_600, 32))
            values["rain"] = self.value("rain_1h_mm", at, 0.0)
        elif self.kind == "s":
            depth = deepest_limit_m(height) * between(1.9, 2.0, self.key, at // 7200, 33) * disturbed
            values["phreatic"] = self.value("phreatic_depth_m", at, depth)
        elif self.kind == "p":
            values["pore"] = self.value("pore_pressure_kpa", at, between(60, 64, self.key, at // 7200, 34))
        else:
            jump = 60.0 if flag != "normal" else 0.0
            quiet = DISPLACEMENT_MM + between(-0.2, 0.2, self.key, at, 35) + jump
            values["disp"] = self.value("surface_displacement_mm", at, quiet)
        rounded = {name: round(value, 3) for name, value in values.items()}
        document = {"pointCode": self.device_id, "time": iso(at), **rounded, "state": _WORDS[flag]}
        yield from self.spoken(at, sent_at, document, len(rounded))


def deepest_limit_m(dam_height_m: float) -> float:
    """The largest red limit of the phreatic depth that any reading of GB 50863 gives a dam of this height."""
    for height, depth in ((30, 2.0), (60, 4.0), (100, 6.0), (150, 8.0)):
        if dam_height_m < height:
            return depth
    return 10.0


def iso(at: float) -> str:
    """An instant as ISO 8601 with the Beijing offset, whole seconds."""
    return datetime.fromtimestamp(at, UTC).astimezone(_BEIJING).strftime("%Y-%m-%dT%H:%M:%S+08:00")
