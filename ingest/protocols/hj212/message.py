"""Make a message of a data segment, or of the segments of all parts of one.

Texts of `fields` are as sent, under our names; times and words that the tables give are set beside them. Which fields
there are: `codes.HEAD`, `codes.PARAMETERS`, and `factors`: code as sent → field → text. Not here: typed values
(`ingest.protocols.hj212.records`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from ingest.protocols.frame import BadFrame, Message
from ingest.protocols.hj212.codes import (
    COMMANDS,
    DATA_ANSWER,
    EDITIONS,
    EXECUTION_RESULTS,
    HEAD,
    NUMBERS,
    PARAMETERS,
    REQUEST_RESULTS,
    SYSTEMS,
    WANTS_ANSWER,
    WORDS,
    Command,
)
from ingest.protocols.hj212.moments import moment
from ingest.protocols.hj212.records import records_of
from ingest.protocols.hj212.segment import Segment

_FIELD_NAMES = {**NUMBERS, **WORDS}
_ALARM_COMMANDS = re.compile(rb"CN\s*=\s*(3015)\b")  # a sample was kept because a limit was overrun (table 9)
_FACILITY_ALARM = re.compile(rb"SB\d+-RS\s*=\s*4\b")
_ASKING = frozenset({"PolId", "InfoId", "BeginTime", "EndTime"})


def alarm_in(data: bytes) -> str:
    """The commands that tell of an alarm by themselves; whether a reading is dangerous, rules decide and no frame."""
    if command := _ALARM_COMMANDS.search(data):
        return COMMANDS[command[1].decode()].word
    return "facility_alarm" if _FACILITY_ALARM.search(data) else ""


def part_of(segment: Segment) -> tuple[int, int] | None:
    """(number, total) of a segment that is one of several. Flag may promise parts and none be there; the keys count."""
    number, total = segment.head.get("PNO"), segment.head.get("PNUM")
    if number is None or total is None or int(total) == 1:
        return None
    return int(number), int(total)


def message_of(segment: Segment, lenient: frozenset[str], used: set[str]) -> Message:
    """One segment to a message; a part carries no records, these come with the whole. Raises BadFrame."""
    part = part_of(segment)
    if part and part[0] > part[1]:
        raise BadFrame("PNO of the head", 0, str(part[0]), f"at most {part[1]} as PNUM says")
    return _message([segment], part, lenient, used)


def joined(segments: Sequence[Segment], lenient: frozenset[str], used: set[str]) -> Message:
    """The segments of all parts of one message, in any order. A part that came twice counts once. Raises BadFrame.

    Parts belong together by device, command, time of the data and total: their request numbers may differ, as they do
    in the standard's own example (table C.50).
    """
    by_number: dict[int, Segment] = {}
    for segment in segments:
        part = part_of(segment) or (1, 1)
        if _key(segment) != _key(segments[0]):
            raise BadFrame("part of another message", 0, _key(segment), _key(segments[0]))
        by_number.setdefault(part[0], segment)
    total = (part_of(segments[0]) if segments else None) or (1, 1)
    wanted = range(1, total[1] + 1)
    if sorted(by_number) != list(wanted):
        raise BadFrame("parts missing", 0, f"{sorted(by_number)}", f"1 to {len(wanted)}")
    return _message([by_number[number] for number in wanted], None, lenient, used)


def _key(segment: Segment) -> str:
    """What the parts of one message have in common."""
    time = segment.parameters.get("DataTime", "")
    part = part_of(segment) or (1, 1)
    return f"{segment.head['MN']}:{segment.head['CN']}:{time}:{part[1]}"


def _message(
    segments: Sequence[Segment], part: tuple[int, int] | None, lenient: frozenset[str], used: set[str]
) -> Message:
    whole = segments[0] if len(segments) == 1 else _merged(segments, lenient, used)
    head, parameters = whole.head, whole.parameters
    command = COMMANDS.get(head["CN"], Command(f"command_{head['CN']}"))
    observed_at = moment(parameters.get("DataTime"), lenient, used)
    transmitted_at = moment(head.get("QN"), frozenset(), used, n_digits=17)
    fields: dict[str, object] = {HEAD[key]: value for key, value in head.items()}
    fields |= {PARAMETERS[key]: value for key, value in parameters.items()}
    fields |= _meanings(whole, command)
    fields |= {
        "answer_to": [one.head.get("QN", "") for one in segments if _asks(one)],
        "factors": {
            code: {_FIELD_NAMES.get(name, name.lower()): value for name, value in values.items()}
            for code, values in whole.factors.items()
        },
    }
    if "QN" in head:
        fields["transmitted_at"] = _text(transmitted_at)
    if "DataTime" in parameters:
        fields["observed_at"] = _text(observed_at)
    if whole.others:
        fields["others"] = whole.others
    if part:
        fields["part_key"] = _key(whole)
    records = () if part else records_of(whole, command, observed_at, transmitted_at)
    return Message("hj212", head["MN"], command.word, fields, records, part, tuple(sorted(used)))


def _meanings(segment: Segment, command: Command) -> dict[str, object]:
    """What the tables say about codes of the segment."""
    head, parameters = segment.head, segment.parameters
    flags = int(head.get("Flag", "0"))
    meanings: dict[str, object] = {
        "system": SYSTEMS.get(head["ST"], "unknown"),
        "command": command.word,
        "edition": EDITIONS.get(flags >> 2, "unknown"),
        "is_request": _is_request(segment, command),
    }
    for key, table in (("QnRtn", REQUEST_RESULTS), ("ExeRtn", EXECUTION_RESULTS)):
        if key in parameters:
            meanings[f"{PARAMETERS[key]}_meaning"] = table.get(parameters[key], "unknown")
    return meanings


def _is_request(segment: Segment, command: Command) -> bool:
    """Whether the segment asks for what an upload of the same command number would hold."""
    asks_only = not segment.factors and not segment.others and _ASKING.issuperset(segment.parameters)
    return command.answer == DATA_ANSWER and asks_only


def _asks(segment: Segment) -> bool:
    return bool(int(segment.head.get("Flag", "0")) & WANTS_ANSWER)


def _merged(segments: Sequence[Segment], lenient: frozenset[str], used: set[str]) -> Segment:
    """Parts as one segment under the first part's head."""
    whole = Segment(dict(segments[0].head), {}, {}, {})
    for segment in segments:
        pairs = [(whole.parameters, segment.parameters), (whole.others, segment.others)]
        pairs += [(whole.factors.setdefault(code, {}), values) for code, values in segment.factors.items()]
        for place, values in pairs:
            for name, value in values.items():
                if place.get(name, value) != value:
                    if "repeated_field" not in lenient:
                        raise BadFrame(f"{name} sent twice in parts", 0, repr(value[:40]), repr(place[name]))
                    used.add("repeated_field")
                place[name] = value
    return whole


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
