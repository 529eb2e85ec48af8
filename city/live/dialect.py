"""How each TCP protocol begins, keeps alive, and says that it has something: what a device must know to be answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from city.live.vehicles import Vehicle
from ingest.protocols import Message, gb26875, sl651
from ingest.protocols.jt808 import encode

_REGISTER, _AUTHENTICATE = 0xFFF0, 0xFFF1
_HEARTBEAT = 0xFFF2
_NAK = "15"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform said: to whom, about which token, whether it has it. `code` is a terminal's pass."""

    device_id: str
    token: str
    is_good: bool = True
    code: str = ""


class Dialect(Protocol):
    """One protocol from the device's side."""

    @property
    def speaks_at_once(self) -> bool:
        """Whether a new connection is heard without a report."""
        ...

    def login(self, device_id: str, step: int, code: str) -> tuple[bytes, str] | None:
        """The frame of a step of the login and its token; None when the device may speak."""
        ...

    def answer(self, message: Message) -> Answer | None:
        """What a frame from the platform answers; None for one that answers nothing."""
        ...

    def sign_of_life(self, device_id: str, now: datetime) -> bytes | None:
        """What a quiet device sends now and then."""
        ...


@dataclass(frozen=True)
class Jt808:
    """Terminals register, authenticate with the code they are given, then speak."""

    senders: Mapping[str, encode.Sender]
    speaks_at_once: bool = True

    def login(self, device_id: str, step: int, code: str) -> tuple[bytes, str] | None:
        """Registration, then authentication. The plate is nobody's."""
        sender = self.senders[device_id]
        match step:
            case 0:
                return encode.registration(sender, _REGISTER, "测A00000", device_id[-7:]), str(_REGISTER)
            case 1:
                return encode.authentication(sender, _AUTHENTICATE, code), str(_AUTHENTICATE)
        return None

    def answer(self, message: Message) -> Answer | None:
        """0x8001 and 0x8100."""
        fields = message.fields
        if "reply_serial" not in fields:
            return None
        good = fields.get("result") == 0
        return Answer(message.device_id, str(fields["reply_serial"]), good, str(fields.get("auth_code", "")))

    def sign_of_life(self, device_id: str, now: datetime) -> bytes | None:
        """0x0002."""
        return encode.heartbeat(self.senders[device_id], _HEARTBEAT)


@dataclass(frozen=True)
class Hj212:
    """Monitors speak when they have a report; an answer repeats the request number."""

    speaks_at_once: bool = False

    def login(self, device_id: str, step: int, code: str) -> tuple[bytes, str] | None:
        """None."""
        return None

    def answer(self, message: Message) -> Answer | None:
        """9014."""
        if message.fields.get("command_code") != "9014":
            return None
        return Answer(message.device_id, str(message.fields["request_number"]))

    def sign_of_life(self, device_id: str, now: datetime) -> bytes | None:
        """None: a monitor is heard every few minutes."""
        return None


@dataclass(frozen=True)
class Sl651:
    """Stations speak at once; a confirmation repeats the serial number."""

    speaks_at_once: bool = True

    def login(self, device_id: str, step: int, code: str) -> tuple[bytes, str] | None:
        """None."""
        return None

    def answer(self, message: Message) -> Answer | None:
        """The confirmation of a report; a NAK of one of its packets is none."""
        fields = message.fields
        if fields.get("direction") != "down" or fields["end"] == _NAK:
            return None
        return Answer(message.device_id, str(fields["serial"]))

    def sign_of_life(self, device_id: str, now: datetime) -> bytes | None:
        """2F."""
        return sl651.keep_alive(sl651.Sender(device_id), 1, now)


@dataclass(frozen=True)
class Gb26875:
    """Transmission units speak at once; a confirmation repeats the serial number."""

    speaks_at_once: bool = True

    def login(self, device_id: str, step: int, code: str) -> tuple[bytes, str] | None:
        """None."""
        return None

    def answer(self, message: Message) -> Answer | None:
        """Confirmed or denied."""
        word = message.fields["command_word"]
        if word not in ("confirm", "deny"):
            return None
        return Answer(str(message.fields["destination"]), str(message.fields["serial"]), word == "confirm")

    def sign_of_life(self, device_id: str, now: datetime) -> bytes | None:
        """An empty packet."""
        return gb26875.packet(gb26875.Unit(device_id), 0xFFF2, now)


def dialects(vehicles: Mapping[str, Vehicle]) -> dict[str, Dialect]:
    """The dialect of each protocol; `vehicles` by terminal number."""
    return {
        "jt808": Jt808({device_id: one.sender for device_id, one in vehicles.items()}),
        "hj212": Hj212(),
        "sl651": Sl651(),
        "gb26875": Gb26875(),
    }
