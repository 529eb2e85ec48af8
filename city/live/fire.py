"""Transmission units in fire units, in GB/T 26875.3: states of systems and parts, and what their sensors measure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from city.fire_devices import SENSORS, UNIT
from city.live.noise import DAY_S, between, chance, wave
from city.live.regular import Regular
from city.live.utterance import Said, Utterance
from ingest.protocols import gb26875

STATE_FEED, READING_FEED = "fire.device_state", "fire.device_reading"
ALARMING_S = 60
SPEAKER = "czdz"  # the unit speaks for the sensors behind it
_PART_STATE, _ANALOGUE, _OPERATION, _UNIT_STATE = 2, 3, 4, 21
_PLACES = ("大厅", "走廊", "楼梯间", "配电室", "地下车库", "厨房")


@dataclass(slots=True)
class TransmissionUnit(Regular):
    """One unit with three sensors behind it, named as the register names them: kind → device id."""

    sensor_ids: dict[str, str]

    channel = "gb26875"
    raw_feed = STATE_FEED

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """The three sensors in one packet; once a day the state of the unit itself."""
        moment = datetime.fromtimestamp(at, UTC)
        values = {
            "剩余电流": self.value("residual_current_ma", at, between(0, 120, self.key, at, 71)) / 1000,
            "线缆温度": self.value("cable_temperature_c", at, 25 + 4 * wave(at, 15) + between(-1, 1, self.key, at, 72)),
            "消防水压": self.value("water_pressure_mpa", at, between(0.3, 0.36, self.key, at, 73)) * 1000,
        }
        objects = [gb26875.analogue(*SENSORS[kind], value, moment) for kind, value in values.items()]
        said = tuple(Said(READING_FEED, self.sensor_ids[kind], at) for kind in values)
        yield self._packet(at, sent_at, _ANALOGUE, objects, said, len(said))
        if at % DAY_S < self.every_s:
            state = [gb26875.unit_state(["operating"], moment)]
            told = (Said(STATE_FEED, self.device_id, at),)
            yield self._packet(at, sent_at + 0.1, _UNIT_STATE, state, told, 1, step=1)

    def utterances(self, start: int, end: int) -> Iterator[Utterance]:
        """Besides the regular reports, what incidents make a panel say at their begin and end."""
        yield from Regular.utterances(self, start, end)
        for incident in self.incidents:
            if "part_state" not in incident.marks:
                continue
            state = str(incident.marks["part_state"])
            for number in range(int(incident.marks["parts"])):
                part = self._part(incident.starts_at, number, str(incident.marks["part_type"]))
                for at, true in ((incident.starts_at, [state]), (incident.ends_at, [])):
                    if start <= at + 40 * number < end:
                        yield self._state(at + 40 * number, part, ["operating", *true])
            if start <= incident.ends_at + 120 < end:
                yield self._reset(incident.ends_at + 120)

    def moments(self, start: int, end: int) -> Iterator[int]:
        """Every minute while a sensor behind it is in an incident."""
        tense = [i for i in self.incidents if i.curves and i.starts_at < end and start < i.ends_at]
        regular = set(Regular.moments(self, start, end))
        for incident in tense:
            regular.update(range(max(start, incident.starts_at), min(end, incident.ends_at), ALARMING_S))
        yield from sorted(regular)

    def _part(self, at: int, number: int, part_type: str) -> gb26875.Part:
        zone = 1 + int(chance(self.key, at, 74) * 20)
        return gb26875.Part("fire_alarm", 1, part_type, zone, 1 + int(chance(self.key, at, 75) * 120) + number)

    def _state(self, at: int, part: gb26875.Part, true: list[str]) -> Utterance:
        place = f"{part.zone}层{_PLACES[part.position % len(_PLACES)]}"
        state = [gb26875.part_state(part, true, datetime.fromtimestamp(at, UTC), place)]
        said = (Said(STATE_FEED, self.device_id, at),)
        return self._packet(at, at + 0.5, _PART_STATE, state, said, 1, step=2)

    def _reset(self, at: int) -> Utterance:
        done = [gb26875.operation("fire_alarm", 1, ["op_reset"], 1, datetime.fromtimestamp(at, UTC))]
        return self._packet(at, at + 0.5, _OPERATION, done, (Said(STATE_FEED, self.device_id, at),), 1, step=3)

    def _packet(
        self, at: int, sent_at: float, kind: int, objects: list[bytes], said: tuple[Said, ...], n: int, step: int = 0
    ) -> Utterance:
        serial = (at // 30 * 4 + step) % 0x1_0000
        frame = gb26875.packet(
            gb26875.Unit(self.device_id), serial, datetime.fromtimestamp(sent_at, UTC), kind, objects
        )
        return Utterance(sent_at, self.channel, self.raw_feed, self.device_id, frame, str(serial), said, n)


def transmission_units(rows: Sequence[Mapping[str, Any]], key: Callable[[str], int], every_s: int) -> list[Regular]:
    """The units of a register of devices, each with its sensors."""
    by_unit: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        by_unit[row[SPEAKER]][row["sblx"]] = row["sbbm"]
    return [
        TransmissionUnit(unit, key(unit), every_s, {kind: id for kind, id in kinds.items() if kind != UNIT})
        for unit, kinds in by_unit.items()
    ]
