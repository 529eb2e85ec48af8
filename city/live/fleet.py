"""All devices of a built city, each as a speaker."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from city.fire_devices import UNIT
from city.live.fire import TransmissionUnit
from city.live.incident import Incident
from city.live.noise import chance
from city.live.pollution import DustMonitor, OutfallMonitor
from city.live.regular import Regular
from city.live.sensors import GasDetector, TailingsPoint, TunnelStation
from city.live.vehicles import Vehicle
from city.live.water import RainStation, RiverStation
from city.tailings import POINT_KINDS

# Seconds between reports, as such devices are set in practice.
EVERY_S = {
    "urban.gas_reading": 300, "urban.tunnel_reading": 60, "emergency.tailings_sensor": 600,
    "housing.dust_reading": 300, "ecology.outfall_reading": 600, "water.river_reading": 3600,
    "fire.device_state": 1800, "transport.vehicle_position": 30,
}  # fmt: skip

# However thin a fleet speaks, its devices stay well within the time after which they count as silent.
_SLOWEST_S = {
    "urban.gas_reading": 300, "urban.tunnel_reading": 300, "emergency.tailings_sensor": 1800,
    "housing.dust_reading": 1200, "ecology.outfall_reading": 1800, "water.river_reading": 3600,
    "fire.device_state": 3600, "transport.vehicle_position": 300,
}  # fmt: skip
_BYSTANDER = 111

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Fleet:
    """The registers of a city's devices (good rows, the departments' own column names), by feed id."""

    city: str
    seed: int
    registers: Mapping[str, Rows]

    @classmethod
    def load(cls, home: Path) -> Fleet:
        """The devices of the city built under `home`; raises FileNotFoundError when there is none."""
        facts = json.loads((home / "city" / "build.json").read_text(encoding="utf-8"))
        files = sorted((home / "city" / "live").glob("*.parquet"))
        return cls(facts["city"], facts["seed"], {path.stem: pl.read_parquet(path).to_dicts() for path in files})

    def speakers(
        self,
        incidents: Iterable[Incident] = (),
        thin: float = 1.0,
        feeds: Sequence[str] | None = None,
        bystanders: float = 1.0,
    ) -> list[Regular]:
        """Every device with its incidents, by raw feed and number.

        Devices without an incident report up to `thin` times more rarely, and only the share `bystanders` of them is
        there at all; `feeds` leaves only some raw feeds.
        """
        by_device: dict[str, list[Incident]] = defaultdict(list)
        for incident in incidents:
            by_device[incident.device_id].append(incident)
        found: list[Regular] = []
        for raw_feed, make in _MAKERS.items():
            if feeds is not None and raw_feed not in feeds:
                continue
            for one in make(self, EVERY_S[raw_feed]):
                one.incidents = tuple(sorted(by_device.get(one.device_id, ()), key=lambda i: i.starts_at))
                if one.incidents:
                    found.append(one)
                elif chance(one.key, _BYSTANDER) < bystanders:
                    one.every_s = min(max(one.every_s, int(one.every_s * thin)), max(one.every_s, _SLOWEST_S[raw_feed]))
                    found.append(one)
        return found

    def key(self, device_id: str) -> int:
        """The number that a device's chances hang on."""
        return zlib.crc32(f"{self.city}/{self.seed}/{device_id}".encode())


def _gas(fleet: Fleet, every_s: int) -> list[Regular]:
    rows = fleet.registers["urban.gas_device"]
    return [GasDetector(d := str(row["设备编码"]), fleet.key(d), every_s, str(row["部位类型"])) for row in rows]


def _tunnels(fleet: Fleet, every_s: int) -> list[Regular]:
    rows = fleet.registers["urban.tunnel_device"]
    return [TunnelStation(d := str(row["设备编码"]), fleet.key(d), every_s, str(row["舱室类型"])) for row in rows]


def _tailings(fleet: Fleet, every_s: int) -> list[Regular]:
    ponds = {
        row["WKKBM"]: (float(row["GTZXCD"]), float(row["KSWSX"]), float(row["BG"]))
        for row in fleet.registers["emergency.tailings_pond"]
    }
    return [
        TailingsPoint(d := str(row["测点编码"]), fleet.key(d), every_s, point_kind(d), ponds[row["尾矿库编码"]])
        for row in fleet.registers["emergency.tailings_point"]
    ]


def point_kind(point_id: str) -> str:
    """Which sensors a point of a dam has, by its number."""
    return POINT_KINDS[(int(point_id.rpartition("-")[2]) - 1) % len(POINT_KINDS)]


def _dust(fleet: Fleet, every_s: int) -> list[Regular]:
    return [DustMonitor(d := str(r["mn"]), fleet.key(d), every_s) for r in fleet.registers["housing.dust_monitor"]]


def _outfalls(fleet: Fleet, every_s: int) -> list[Regular]:
    return [
        OutfallMonitor(d := str(r["mn"]), fleet.key(d), every_s, (float(r["limits.cod"]), float(r["limits.nh3n"])))
        for r in fleet.registers["ecology.outfall"]
    ]


def _water(fleet: Fleet, every_s: int) -> list[Regular]:
    found: list[Regular] = []
    for row in fleet.registers["water.station"]:
        device_id = str(row["rtuAddr"])
        key = fleet.key(device_id)
        if row["sttp"] == "河道站":
            found.append(RiverStation(device_id, key, every_s, float(row["_base_m"])))
        else:
            found.append(RainStation(device_id, key, every_s))
    return found


def _fire(fleet: Fleet, every_s: int) -> list[Regular]:
    by_unit: dict[str, dict[str, str]] = defaultdict(dict)
    for row in fleet.registers["fire.device"]:
        by_unit[row["czdz"]][row["sblx"]] = row["sbbm"]
    return [
        TransmissionUnit(unit, fleet.key(unit), every_s, {k: v for k, v in kinds.items() if k != UNIT})
        for unit, kinds in by_unit.items()
    ]


def _vehicles(fleet: Fleet, every_s: int) -> list[Regular]:
    return [
        Vehicle(
            d := str(row["zdh"]), fleet.key(d), every_s, int(row["zdxy"][-4:]), float(row["xs"]),
            (float(row["_lon"]), float(row["_lat"])),
        )
        for row in fleet.registers["transport.vehicle"]
    ]  # fmt: skip


_MAKERS: Mapping[str, Callable[[Fleet, int], list[Regular]]] = {
    "urban.gas_reading": _gas,
    "urban.tunnel_reading": _tunnels,
    "emergency.tailings_sensor": _tailings,
    "housing.dust_reading": _dust,
    "ecology.outfall_reading": _outfalls,
    "water.river_reading": _water,
    "fire.device_state": _fire,
    "transport.vehicle_position": _vehicles,
}
