"""Read a data segment: its head (`QN=…;ST=…;CN=…`) and the fields between the two `&&` of CP.

HJ 212-2017 6.3.2 table 3 and 6.3.3. The standard sets keys in one case and without spaces, and its own examples do not
keep to that: spaces, empty fields, the case of keys and a stray comma change no value and pass. The segment is read
as bytes, because no separator can be part of a UTF-8 or GB 18030 character, so that offsets are those of the wire.

Not here: what a field means and which type it has (`ingest.protocols.hj212.message`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.protocols.frame import BadFrame
from ingest.protocols.hj212.codes import HEAD, NUMBERS, PARAMETERS, WORDS
from ingest.protocols.hj212.envelope import HEAD_BYTES, show

LENIENT = {
    "missing_separator": "a data flag and the next factor stand together (`Flag=Nw20144-Rtd=10`)",
    "repeated_field": "a field is sent twice with different values; the last one stands",
    "flag_behind_cp": "Flag stands behind CP=&&, among the fields or after the last &&, and not before it",
    "td_field": "`td` is written for `Rtd`",
}

_REQUIRED = ("ST", "CN", "MN")
_FORMS = {
    "QN": re.compile(r"[0-9]{1,20}"),
    "ST": re.compile(r"[0-9A-Z]{2}"),
    "CN": re.compile(r"[0-9]{4}"),
    "MN": re.compile(r"[0-9A-Za-z_.:-]{1,40}"),
    "Flag": re.compile(r"25[0-5]|2[0-4][0-9]|1?[0-9]{1,2}"),
    "PNUM": re.compile(r"0*[1-9][0-9]{0,3}"),
    "PNO": re.compile(r"0*[1-9][0-9]{0,3}"),
}
_HEAD_KEYS = {key.lower(): key for key in HEAD}
_PARAMETER_KEYS = {key.lower(): key for key in PARAMETERS}
_FIELD_KEYS = {key.lower(): key for key in (*NUMBERS, *WORDS)}
_VALUES = frozenset({*NUMBERS, "Flag"})

_OPEN = re.compile(rb"(?:^|;)[\s,;]*CP\s*=\s*&&", re.IGNORECASE)
_CLOSE = re.compile(rb"&&\s*\Z")
_CLOSE_BEFORE_FLAG = re.compile(rb"&&[\s;]*Flag\s*=\s*([0-9]+)[\s;]*\Z", re.IGNORECASE)
# A text between two // may hold the separators (table B.10); everything else ends at the next one.
_FIELD = re.compile(rb"([^=;,]*)=((?:\s*//.*?//(?=\s*(?:[;,]|\Z))|[^;,])*)|[^;,]+", re.DOTALL)
_GLUED_FLAG = re.compile(rb"\s*([A-Z0-9])(?=[a-z][0-9]{5}-[A-Za-z]+=)")


@dataclass(frozen=True, slots=True)
class Segment:
    """A data segment by the standard's names, values as sent.

    `factors` is code → field → text, in order of appearance; `others` are keys that no edition has.
    """

    head: dict[str, str]
    parameters: dict[str, str]
    factors: dict[str, dict[str, str]]
    others: dict[str, str]


def read_segment(data: bytes, lenient: frozenset[str], used: set[str]) -> Segment:
    """A data segment in its parts; adds the options it needed to `used`. Raises BadFrame with offsets of the frame."""
    opened = _OPEN.search(data)
    if opened is None:
        raise BadFrame("no CP", HEAD_BYTES + len(data), show(data[-8:]), "CP=&&…&&")
    closed = _CLOSE.search(data, opened.end())
    flagged = None
    if closed is None and "flag_behind_cp" in lenient:
        closed = flagged = _CLOSE_BEFORE_FLAG.search(data, opened.end())
    if closed is None:
        raise BadFrame("CP not closed", HEAD_BYTES + len(data), show(data[-8:]), "&& at the end of CP")
    encoding = _encoding(data)
    segment = Segment({}, {}, {}, {})
    for at, key, value in _fields(data, 0, opened.start(), lenient, used):
        _put_head(segment, at, key.decode(encoding), value.decode(encoding))
    if flagged is not None:
        used.add("flag_behind_cp")
        _put_head(segment, flagged.start(1), "Flag", flagged[1].decode())
    for required in _REQUIRED:
        if required not in segment.head:
            raise BadFrame(f"no {required}", HEAD_BYTES + opened.start(), "CP", f"{required}=… before it")
    for at, key, value in _fields(data, opened.end(), closed.start(), lenient, used):
        _put_field(segment, at, key.decode(encoding), value.decode(encoding), lenient, used)
    return segment


def _encoding(data: bytes) -> str:
    """UTF-8 as 6.3 of the standard asks, GB 18030 as many devices send."""
    if data.isascii():
        return "ascii"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    try:
        data.decode("gb18030")
    except UnicodeDecodeError as error:
        found = show(data[error.start : error.start + 4])
        raise BadFrame("text", HEAD_BYTES + error.start, found, "UTF-8 or GB 18030") from None
    return "gb18030"


def _fields(
    data: bytes, start: int, end: int, lenient: frozenset[str], used: set[str]
) -> Iterator[tuple[int, bytes, bytes]]:
    """(offset, key, value) of each field of a stretch, spaces taken off."""
    at = start
    while found := _FIELD.search(data, at, end):
        at = found.end()
        if found[1] is None:
            if found[0].strip():
                raise BadFrame("field without =", HEAD_BYTES + found.start(), show(found[0].strip()), "key=value")
            continue
        key, value = found[1].strip(), found[2].strip()
        if b"=" in value and _FIELD_KEYS.get(key.rpartition(b"-")[2].decode("latin-1").lower()) in _VALUES:
            glued = _GLUED_FLAG.match(data, found.start(2), end)
            if glued is None or "missing_separator" not in lenient:
                raise BadFrame("two = in one field", HEAD_BYTES + found.start(), show(found[0].strip()), "; between")
            used.add("missing_separator")
            value, at = glued[1], glued.end()
        yield found.start(), key, value


def _put_head(segment: Segment, at: int, key: str, value: str) -> None:
    name = _HEAD_KEYS.get(key.lower())
    if name is None:
        segment.others[key] = value
        return
    form = _FORMS.get(name)
    if form and not form.fullmatch(value):
        raise BadFrame(f"{name} of the head", HEAD_BYTES + at, repr(value[:40]), f"a text like {form.pattern}")
    if segment.head.setdefault(name, value) != value:
        raise BadFrame(f"{name} sent twice", HEAD_BYTES + at, repr(value[:40]), segment.head[name])


def _put_field(segment: Segment, at: int, key: str, value: str, lenient: frozenset[str], used: set[str]) -> None:
    code, _, field = key.rpartition("-")
    if code := code.strip():
        field = field.strip()
        if field.lower() == "td" and "td_field" in lenient:
            used.add("td_field")
            field = "Rtd"
        place, name = segment.factors.setdefault(code, {}), _FIELD_KEYS.get(field.lower(), field)
    elif key.lower() == "flag" and "flag_behind_cp" in lenient and "Flag" not in segment.head:
        used.add("flag_behind_cp")
        _put_head(segment, at, key, value)
        return
    elif known := _PARAMETER_KEYS.get(key.lower()):
        place, name = segment.parameters, known
    else:
        place, name = segment.others, key
    if place.get(name, value) != value:
        if "repeated_field" not in lenient:
            raise BadFrame(f"{key} sent twice", HEAD_BYTES + at, repr(value[:40]), f"{place[name]!r} as before")
        used.add("repeated_field")
    place[name] = value
