"""What the platform owes a terminal: general answer 0x8001, registration 0x8100, media 0x8800, its time 0x8004.

JT/T 808-2013 §8.2, §8.6, §8.53, JT/T 808-2019 §8.6. A terminal repeats a message until it is answered, so an answer
says "safe with us".
The serial of an answer is that of the message it answers.

Not here: whether a terminal may speak; whoever knows sends `refusal` instead.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime

from ingest.protocols.frame import BadFrame, Message
from ingest.protocols.jt808.encode import Sender, frame, general_answer_body, registration_answer_body
from ingest.protocols.jt808.wire import open_frame

ACCEPTED, FAILED, WRONG = 0, 1, 2
NO_SUCH_TERMINAL = 4  # 0x8100; 1 and 3 are "registered already", 2 "no such vehicle"

# Answers to a question of the platform; answering these again would never end.
NOT_ANSWERED = frozenset({0x0001, 0x0104, 0x0107, 0x0201, 0x0302, 0x0500, 0x0700, 0x0802, 0x0805, 0x1003, 0x1205})


def answers(message: Message, now: datetime) -> tuple[bytes, ...]:
    """The frames the platform owes the device once the message is safe; empty when none is due."""
    message_id = _number(message, "message_id")
    if message_id == 0x0004:  # a terminal sets its clock by this: UTC, not Beijing time
        return (_reply(message, 0x8004, bytes.fromhex(f"{now.astimezone(UTC):%y%m%d%H%M%S}")),)
    if message_id == 0x0100 and message.part is None:
        return (registration_answer(message, ACCEPTED, auth_code(message.device_id)),)
    if message_id == 0x0801 and message.part is None and "media_id" in message.fields:
        return (_reply(message, 0x8800, _number(message, "media_id").to_bytes(4)),)
    return _general(message, ACCEPTED)


def refusal(message: Message, result: int = FAILED) -> tuple[bytes, ...]:
    """The same with a refused result: 0x8100 "no such terminal" to a registration, else 0x8001 with `result`."""
    if _number(message, "message_id") == 0x0100 and message.part is None:
        return (registration_answer(message, NO_SUCH_TERMINAL),)
    return _general(message, result)


def deny(data: bytes, now: datetime) -> bytes | None:
    """0x8001 "message has errors" to a frame that `decode` refused; None when its header cannot be trusted."""
    try:
        envelope = open_frame(data)
    except BadFrame:
        return None
    if envelope.message_id >= 0x8000 or envelope.message_id in NOT_ANSWERED:
        return None
    sender = Sender(envelope.phone, envelope.edition, envelope.protocol_version or 1)
    return frame(sender, 0x8001, envelope.serial, general_answer_body(envelope.serial, envelope.message_id, WRONG))


def resend(message: Message, missing: Sequence[int], now: datetime) -> tuple[bytes, ...]:
    """0x8003 (JT/T 808-2013 §8.4): the packets of a message that are missing, asked for by any packet that came."""
    numbers = missing[:255]
    count = struct.pack(">H" if _number(message, "edition") == 2019 else ">B", len(numbers))
    body = struct.pack(">H", _number(message, "part_key")) + count + struct.pack(f">{len(numbers)}H", *numbers)
    return (_reply(message, 0x8003, body),)


def registration_answer(message: Message, result: int, code: str = "") -> bytes:
    """0x8100 to a registration; the code is sent only with result 0."""
    body = registration_answer_body(_number(message, "serial"), result, code)
    return _reply(message, 0x8100, body)


def auth_code(device_id: str) -> str:
    """The code a registered terminal authenticates with.

    It is made of the id and proves nothing: a terminal is let in because the register of devices lists it.
    """
    return f"A{device_id}"


def _general(message: Message, result: int) -> tuple[bytes, ...]:
    message_id = _number(message, "message_id")
    if message_id >= 0x8000 or message_id in NOT_ANSWERED:
        return ()
    return (_reply(message, 0x8001, general_answer_body(_number(message, "serial"), message_id, result)),)


def _reply(message: Message, message_id: int, body: bytes) -> bytes:
    sender = Sender(
        str(message.fields["phone"]), _number(message, "edition"), _number(message, "protocol_version") or 1
    )
    return frame(sender, message_id, _number(message, "serial"), body)


def _number(message: Message, name: str) -> int:
    value = message.fields[name]
    assert isinstance(value, int)
    return value
