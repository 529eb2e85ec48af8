"""Write frames: uploads as devices send them, and the answers that a platform owes.

HJ 212-2017 6.3 and 6.5. The simulated city speaks through these. Not here: when to answer (`ingest.devices`), reading
(`ingest.protocols.hj212.segment`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

from ingest.protocols.frame import Message
from ingest.protocols.hj212.codes import COMMANDS, HAS_PARTS, REQUEST_ANSWER, Command
from ingest.protocols.hj212.envelope import MAX_SEGMENT_BYTES, close_envelope
from ingest.protocols.hj212.moments import digits

Fields = Mapping[str, Mapping[str, str | float]]
_FLAGS_2017_ASKING = 0b101
_REFUSED, _WRONG_COMMAND = "2", "8"


def encode(
    device_id: str,
    system_code: str,
    command_code: str,
    sent_at: datetime,
    *,
    observed_at: datetime | None = None,
    factors: Fields | None = None,
    parameters: Mapping[str, str] | None = None,
    password: str = "123456",
    flags: int = _FLAGS_2017_ASKING,
    part: tuple[int, int] | None = None,
) -> bytes:
    """One frame. `factors` is code → the standard's field name → value: `{"a34002": {"Rtd": 61.5, "Flag": "N"}}`.

    Raises ValueError when the data segment would be longer than 1,024 bytes; `encode_parts` splits it.
    """
    segment = _segment(
        digits(sent_at, with_milliseconds=True),
        device_id,
        system_code,
        command_code,
        password,
        flags,
        part,
        _body(observed_at, parameters, factors),
    )
    return close_envelope(segment)


def encode_parts(
    device_id: str,
    system_code: str,
    command_code: str,
    sent_at: datetime,
    factors: Fields,
    *,
    observed_at: datetime | None = None,
    password: str = "123456",
    flags: int = _FLAGS_2017_ASKING,
) -> tuple[bytes, ...]:
    """An upload in as few frames as it needs; request numbers of parts lie one millisecond apart (table C.50)."""
    # the longest request number, PNUM and PNO that can come; only CP differs from part to part
    bare = encode(
        device_id,
        system_code,
        command_code,
        sent_at,
        observed_at=observed_at,
        password=password,
        flags=flags | HAS_PARTS,
        part=(9999, 9999),
    )
    room = MAX_SEGMENT_BYTES - (len(bare) - len(close_envelope(b"")))
    groups: list[dict[str, Mapping[str, str | float]]] = [{}]
    used = 0
    for code, values in factors.items():
        size = len(_group(code, values).encode("utf-8")) + 1
        if used + size > room and groups[-1]:
            groups.append({})
            used = 0
        groups[-1][code] = values
        used += size
    total = len(groups)
    return tuple(
        encode(
            device_id,
            system_code,
            command_code,
            sent_at + timedelta(milliseconds=number),
            observed_at=observed_at,
            factors=group,
            password=password,
            flags=flags | HAS_PARTS if total > 1 else flags,
            part=(number + 1, total) if total > 1 else None,
        )
        for number, group in enumerate(groups)
    )


def answers(message: Message, now: datetime) -> tuple[bytes, ...]:
    """What the sender of a message is owed: nothing unless its Flag asks for an answer (6.3.2 table 3).

    Uploads get 9014, notices 9013. A request is meant for a device; we are none and refuse it with 9011. Each part of
    a joined message that asked gets its own answer. A device that checks with MODBUS is answered with MODBUS.
    """
    fields = message.fields
    code = str(fields["command_code"])
    if code >= "9000" and not COMMANDS.get(code, Command("")).answer:
        return ()
    answer, body = COMMANDS.get(code, Command("")).answer, ""
    if not answer or fields["is_request"]:
        answer = REQUEST_ANSWER
        body = f"QnRtn={_REFUSED if code in COMMANDS else _WRONG_COMMAND}"
    flags = int(str(fields.get("flags", "0"))) & ~0b11
    return tuple(
        close_envelope(
            _segment(
                number or digits(now, with_milliseconds=True),
                message.device_id,
                "91",
                answer,
                str(fields.get("password", "")),
                flags,
                None,
                body,
            ),
            with_modbus="crc_modbus" in message.deviations,
        )
        for number in cast(list[str], fields["answer_to"])
    )


def _segment(
    request_number: str,
    device_id: str,
    system_code: str,
    command_code: str,
    password: str,
    flags: int,
    part: tuple[int, int] | None,
    body: str,
) -> bytes:
    parts = f"PNUM={part[1]};PNO={part[0]};" if part else ""
    return (
        f"QN={request_number};ST={system_code};CN={command_code};PW={password};MN={device_id};Flag={flags};"
        f"{parts}CP=&&{body}&&"
    ).encode()


def _body(observed_at: datetime | None, parameters: Mapping[str, str] | None, factors: Fields | None) -> str:
    groups = [f"DataTime={digits(observed_at)}"] if observed_at else []
    groups += [f"{key}={value}" for key, value in (parameters or {}).items()]
    groups += [_group(code, values) for code, values in (factors or {}).items()]
    return ";".join(groups)


def _group(code: str, values: Mapping[str, str | float]) -> str:
    return ",".join(f"{code}-{field}={_plain(value)}" for field, value in values.items())


def _plain(value: str | float) -> str:
    """A number without an exponent, at most six decimals (table 4 knows N14.2 forms only)."""
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return str(value)
