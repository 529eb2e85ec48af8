"""Objects of an application unit of GB/T 26875.3-2011 (8.2) to flat values by our field names."""

from __future__ import annotations

from collections.abc import Callable

from ingest.protocols.frame import BadFrame, Value
from ingest.protocols.gb26875 import tables as t
from ingest.protocols.gb26875.wire import BCD_TIME, HEAD_BYTES, moment

TIME_BYTES = 6
SHORT_UNIT_BYTES = 3  # type, count, and a byte that holds no object
NO_OBJECT_TIME, SHORT_HEARTBEAT = "no_object_time", "short_heartbeat"
Values = dict[str, Value]


def read_objects(unit: bytes, kind: t.UnitType, lenient: frozenset[str]) -> tuple[list[Values], set[str]]:
    """All objects of a unit whose type we read, and the lenient options they needed.

    Raises BadFrame when the objects do not fill the unit exactly: a count or a length that is wrong cannot be guessed.
    """
    type_code, count = unit[0], unit[1]
    deviations = {BCD_TIME} & lenient if kind.is_timed and count else set()
    with_time = kind.is_timed
    if kind.size is not None and with_time and NO_OBJECT_TIME in lenient and len(unit) - 2 == count * kind.size:
        deviations, with_time = ({NO_OBJECT_TIME}, False) if count and kind.size else (deviations, True)
    objects, at = [], 2
    for _ in range(count):
        size = _size(unit, at, kind)
        end = at + size + (TIME_BYTES if with_time else 0)
        if end > len(unit):
            hint = f"; option {SHORT_HEARTBEAT} takes it" if len(unit) <= SHORT_UNIT_BYTES else ""
            expected = f"{end - at} bytes of {kind.word}{hint}"
            raise BadFrame("object", HEAD_BYTES + at, f"{len(unit) - at} bytes left", expected)
        values = READERS[type_code](unit[at : at + size])
        if with_time:
            read = moment(unit[at + size : end], lenient)
            values["observed_at"] = read.isoformat() if read else None
        objects.append(values)
        at = end
    if at != len(unit):
        raise BadFrame("object", HEAD_BYTES + at, f"{len(unit) - at} bytes more", f"the end after {count} objects")
    return objects, deviations


def _size(unit: bytes, at: int, kind: t.UnitType) -> int:
    if kind.size is not None:
        return kind.size
    if at + kind.length_at >= len(unit):
        raise BadFrame("object", HEAD_BYTES + at, f"{len(unit) - at} bytes left", f"the length of {kind.word}")
    return kind.length_at + 1 + unit[at + kind.length_at]


def text_of(raw: bytes) -> str:
    """GB 18030 text up to the first zero byte, without the padding.

    31 bytes are odd: a full field of Chinese ends inside a character, which is left out. Other bytes that are no text
    become a question mark, so that the rest of a place can be read.
    """
    text = raw.split(b"\0", 1)[0].decode("gb18030", "replace")
    return text.rstrip("\ufffd").replace("\ufffd", "?").strip(" ")


def _system(raw: bytes) -> Values:
    return {"system_type_code": raw[0], "system_type": t.word_of(t.SYSTEM_TYPES, raw[0]), "system_addr": raw[1]}


def _part(raw: bytes) -> Values:
    """System and part; the part's address is a zone and a position of two bytes each."""
    return {
        **_system(raw),
        "part_type_code": raw[2],
        "part_type": t.word_of(t.PART_TYPES, raw[2]),
        "part_addr": int.from_bytes(raw[3:7], "little"),
        "zone": int.from_bytes(raw[3:5], "little"),
        "position": int.from_bytes(raw[5:7], "little"),
    }


def _system_state(raw: bytes) -> Values:
    state = int.from_bytes(raw[2:4], "little")
    return {**_system(raw), "state": state, **t.bits_of(state, t.SYSTEM_BITS)}


def _part_state(raw: bytes) -> Values:
    state = int.from_bytes(raw[7:9], "little")
    return {**_part(raw), "state": state, **t.bits_of(state, t.PART_BITS), "text": text_of(raw[9:])}


def _analogue(raw: bytes) -> Values:
    """A quantity in its own field; one of a vendor's type stays a raw number. Out-of-range values are kept as sent."""
    code, steps = raw[7], int.from_bytes(raw[8:10], "little", signed=True)
    values: Values = {**_part(raw), "analogue_type": code, "analogue_raw": steps}
    if code in t.QUANTITIES:
        word, field, (numerator, denominator) = t.QUANTITIES[code]
        values |= {"quantity": word, field: steps * numerator / denominator}
    else:
        values["quantity"] = f"code_{code}"
    return values


def _operation(raw: bytes) -> Values:
    return {**_system(raw), **_done(raw[2], t.OPERATION_BITS), "operator_no": raw[3]}


def _unit_operation(raw: bytes) -> Values:
    return {**_done(raw[0], t.UNIT_OPERATION_BITS), "operator_no": raw[1]}


def _done(word: int, names: tuple[str, ...]) -> Values:
    """What a person did. One who pressed the manual alarm says that there is a fire."""
    bits = t.bits_of(word, names)
    return {"operation": word, **bits, **({"fire": True} if bits["op_manual_alarm"] else {})}


def _unit_state(raw: bytes) -> Values:
    return {"state": raw[0], **t.bits_of(raw[0], t.UNIT_BITS)}


def _version(raw: bytes) -> Values:
    return {**_system(raw), "version": f"{raw[2]}.{raw[3]}"}


READERS: dict[int, Callable[[bytes], Values]] = {
    t.SYSTEM_STATE: _system_state,
    t.PART_STATE: _part_state,
    t.ANALOGUE: _analogue,
    t.OPERATION: _operation,
    5: _version,
    6: lambda raw: {**_system(raw), "text": text_of(raw[3:])},
    7: lambda raw: {**_part(raw), "text": text_of(raw[7:])},
    8: _system,
    t.UNIT_STATE: _unit_state,
    t.UNIT_OPERATION: _unit_operation,
    25: lambda raw: {"version": f"{raw[0]}.{raw[1]}"},
    26: lambda raw: {"text": text_of(raw[1:])},
    28: lambda _: {},
}
