"""How a declared device puts its values on the wire, by its contract's protocol: JSON over MQTT, HJ 212, SL 651."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from city.declared import DeviceKind
from core.civil_time import BEIJING
from core.contract import Column, Contract
from core.declarations import DeclarationError
from ingest.protocols import hj212, sl651

_HJ212_FLAGS = {"normal": "N", "maintenance": "M", "calibration": "C", "fault": "D"}
_HJ212_REALTIME, _SL651_TIMED = "2011", 0x32


@dataclass(frozen=True, slots=True)
class Report:
    """One report: who, of which second, sent when, values by our name, the state of the device."""

    device_id: str
    at: int
    sent_at: float
    values: Mapping[str, float | str]
    flag: str


class Wire(Protocol):
    """One protocol for the devices of one feed."""

    @property
    def channel(self) -> str:
        """What its devices connect to: mqtt, or the protocol."""
        ...

    @property
    def is_on_whole_minutes(self) -> bool:
        """Whether the protocol tells no seconds."""
        ...

    def frame(self, report: Report) -> tuple[bytes, str]:
        """The frame, and the token that its answer repeats ('' for MQTT)."""
        ...


class JsonWire:
    """One JSON object a report, its members named as the contract names them."""

    channel = "mqtt"
    is_on_whole_minutes = False

    def __init__(self, contract: Contract) -> None:
        """Raises DeclarationError for a feed without a device or a time."""
        device, moment = contract.by_concept("device_id"), contract.event_time
        if device is None or moment is None:
            raise DeclarationError(f"{contract.id}: devices can fill it only with columns of device_id and a time")
        self._device, self._moment = device.physical_name, moment
        self._sent, self._flag = contract.by_concept("transmitted_at"), contract.by_concept("quality_flag")
        self._names = {column.name: column.physical_name for column in contract.columns}
        self._flags = {ours: theirs for theirs, ours in (self._flag.value_map if self._flag else {}).items()}

    def frame(self, report: Report) -> tuple[bytes, str]:
        """The document as UTF-8."""
        document: dict[str, Any] = {
            self._device: report.device_id,
            self._moment.physical_name: written(self._moment, report.at),
        }
        if self._sent is not None:
            document[self._sent.physical_name] = written(self._sent, report.sent_at)
        if self._flag is not None:
            document[self._flag.physical_name] = self._flags.get(report.flag, report.flag)
        document |= {self._names[name]: value for name, value in report.values.items()}
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(), ""


class Hj212Wire:
    """An upload of real-time data that asks for an answer; the request number is the millisecond it is sent in."""

    channel = "hj212"
    is_on_whole_minutes = False

    def __init__(self, contract: Contract, system_code: str) -> None:
        """Factors are the first part of the columns' names, the field the second (`a34002-Rtd`)."""
        self._system_code = system_code
        self._codes = {column.name: column.physical_name.partition("-") for column in contract.columns}

    def frame(self, report: Report) -> tuple[bytes, str]:
        """The packet and its QN."""
        sent = datetime.fromtimestamp(round(report.sent_at, 3), UTC)
        factors: dict[str, dict[str, str | float]] = {
            self._codes[name][0]: {self._codes[name][2] or "Rtd": value, "Flag": _HJ212_FLAGS[report.flag]}
            for name, value in report.values.items()
        }
        frame = hj212.encode(
            report.device_id,
            self._system_code,
            _HJ212_REALTIME,
            sent,
            observed_at=datetime.fromtimestamp(report.at, UTC),
            factors=factors,
        )
        return frame, frame[frame.index(b"QN=") + 3 :][:17].decode()


class Sl651Wire:
    """A timed report that the centre confirms with its serial number."""

    channel = "sl651"
    is_on_whole_minutes = True

    def __init__(self, contract: Contract, station_class: str) -> None:
        """Elements are named as the contract's columns are."""
        self._class = station_class
        self._names = {column.name: column.physical_name for column in contract.columns}

    def frame(self, report: Report) -> tuple[bytes, str]:
        """The packet and its serial number."""
        serial = 1 + report.at // 60 % 0xFFFE
        values = {self._names[name]: value for name, value in report.values.items() if not isinstance(value, str)}
        group = sl651.Group(datetime.fromtimestamp(report.at, UTC), values)
        sender, sent = sl651.Sender(report.device_id, self._class), datetime.fromtimestamp(report.sent_at, UTC)
        (frame,) = sl651.report(sender, _SL651_TIMED, serial, sent, [group])
        return frame, str(serial)


def wire_of(contract: Contract, kind: DeviceKind) -> Wire:
    """The wire of a pushed feed. Raises DeclarationError for a protocol whose frames take code of their own."""
    match contract.server.file_format:
        case "json":
            return JsonWire(contract)
        case "hj212":
            return Hj212Wire(contract, kind.system_code)
        case "sl651":
            return Sl651Wire(contract, kind.station_class)
    raise DeclarationError(
        f"devices/{contract.id}: {contract.server.file_format} has frames of its own; expected json, hj212 or sl651"
    )


def written(column: Column, at: float) -> int | str:
    """An instant as the contract says that the source writes it: its first form, Beijing time."""
    form = column.source_formats[0] if column.source_formats else "%Y-%m-%dT%H:%M:%S%z"
    if form == "epoch_ms":
        return int(at) * 1000
    if form == "epoch_s":
        return int(at)
    moment = datetime.fromtimestamp(int(at), UTC).astimezone(BEIJING)
    return moment.isoformat() if form == "%Y-%m-%dT%H:%M:%S%z" else moment.strftime(form)
