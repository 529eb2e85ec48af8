"""The body of an SL 651-2014 frame in ASCII characters (6.6.2): identifiers and values with a space after each."""

from __future__ import annotations

import re

from ingest.protocols.frame import BadFrame, Value
from ingest.protocols.sl651 import elements as e
from ingest.protocols.sl651.body import SERIES_STEP_MIN, Body, Context, moment
from ingest.protocols.sl651.tables import Function

MISSING = "M"
HEAD_CHARS = 16
_STEP = re.compile(r"DR([DHN])(\d\d)")
_STEP_MIN = {"D": 1440, "H": 60, "N": 1}
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,7})?")
_HEX = re.compile(r"([0-9A-Fa-f]{2})+")


class _Tokens:
    """Words between spaces, with their offset in the frame."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._words = [(offset + m.start(), m.group()) for m in re.finditer(rb"[^ ]+", data)]
        self._data, self._offset, self._next = data, offset, 0

    @property
    def at(self) -> int:
        if self._next < len(self._words):
            return self._words[self._next][0]
        return self._offset + len(self._data)

    def peek(self) -> str | None:
        if self._next == len(self._words):
            return None
        return self._words[self._next][1].decode("latin-1")

    def take(self, what: str) -> str:
        word = self.peek()
        if word is None:
            raise BadFrame("body", self.at, "the end", what)
        self._next += 1
        return word

    def raw(self) -> bytes:
        """All bytes from the next word on, as they are; nothing is left."""
        rest = self._data[self.at - self._offset :]
        self._next = len(self._words)
        return rest


def read_ascii(data: bytes, offset: int, function: Function, is_up: bool = True) -> Body:
    """The body of an ASCII frame. Raises BadFrame where a value is missing or a word cannot stand."""
    head = data[:HEAD_CHARS].decode("latin-1")
    if len(head) < HEAD_CHARS or not _HEX.fullmatch(head[:4]):
        raise BadFrame("body", offset, head or "nothing", "4 characters of serial number and 12 of send time")
    body = Body(int(head[:4], 16), moment(head[4:]))
    tokens, context = _Tokens(data[HEAD_CHARS:], offset + HEAD_CHARS), Context(body)
    if not is_up or function.body == "raw":
        body.rest = tokens.raw()
    elif function.body == "parameters":
        if tokens.peek() == "ST":
            _word(tokens, context, has_class=False)
        body.rest = tokens.raw()
    else:
        while tokens.peek() is not None:
            _word(tokens, context, has_class=function.body == "elements")
    return body


def _word(tokens: _Tokens, context: Context, has_class: bool) -> None:
    at, word = tokens.at, tokens.take("an identifier")
    body = context.body
    if word == "ST":
        station_at, station = tokens.at, tokens.take("a station address")
        if len(station) != 10 or not _HEX.fullmatch(station):
            raise BadFrame("body", station_at, station, "10 hexadecimal characters of station address")
        context.enter(bytes.fromhex(station), ord(tokens.take("a station class")[0]) if has_class else None)
    elif word == "TT":
        sent = tokens.take("an observation time")
        context.at(moment(sent) if len(sent) == 10 else None)
    elif word == "RGZS":
        body.text = tokens.raw().decode("gb18030", "replace")
        context.add("RGZS", None, body.text)
    elif word == "PIC":
        body.picture_bytes = len(tokens.raw())
        context.add("PIC", None, body.picture_bytes)
    elif step := _STEP.fullmatch(word):
        _stepped(tokens, context, word, int(step[2]) * _STEP_MIN[step[1]])
    elif word in e.SERIES_BY_IDENTIFIER:
        _series(tokens, context, word)
    elif _is_identifier(word):
        element = e.BY_IDENTIFIER.get(word.upper())
        context.add(word, element.field if element else None, _value(element, tokens.take(f"a value of {word}")))
    else:
        raise BadFrame("body", at, word, "an identifier of table C.1")


def _is_identifier(word: str | None) -> bool:
    return word is not None and word != MISSING and word[:1].isalpha() and word.isascii() and word.isalnum()


def _value(element: e.Element | None, word: str) -> Value:
    if element is not None and element.guide == e.STATE:
        return int(word, 16) if len(word) == 8 and _HEX.fullmatch(word) else None
    value = float(word) if _NUMBER.fullmatch(word) else None
    return e.minutes(value) if element is not None and element.identifier == "DT" else value


def _series(tokens: _Tokens, context: Context, identifier: str) -> None:
    guide = e.SERIES_BY_IDENTIFIER[identifier]
    at, word = tokens.at, tokens.take(f"points of {identifier}")
    n_bytes = e.SERIES_POINTS * (1 if guide == e.RAIN_SERIES else 2)
    if not _HEX.fullmatch(word) or len(word) % (n_bytes * 2):
        raise BadFrame("body", at, word, f"{n_bytes * 2} hexadecimal characters of {identifier}")
    name = e.SERIES[guide][1]
    context.add(identifier, name, None, e.series_of(guide, bytes.fromhex(word)), SERIES_STEP_MIN)


def _stepped(tokens: _Tokens, context: Context, word: str, step_min: int) -> None:
    """A time step, then identifiers, then one value of each a step, to the end (6.6.4.4 b–d)."""
    context.add("DRxnn", None, word)
    if tokens.peek() in e.SERIES_BY_IDENTIFIER:
        return
    identifiers, values_at = [], tokens.at
    while _is_identifier(tokens.peek()):
        identifiers.append(tokens.take("an identifier"))
        values_at = tokens.at
    values: list[str] = []
    while tokens.peek() is not None:
        values.append(tokens.take("a value"))
    if not step_min or not identifiers or len(values) % len(identifiers):
        raise BadFrame("body", values_at, f"{len(values)} values", f"one a step for each of {identifiers}")
    for number, identifier in enumerate(identifiers):
        element = e.BY_IDENTIFIER.get(identifier.upper())
        points = tuple(_value(element, value) for value in values[number :: len(identifiers)])
        context.add(identifier, element.field if element else None, None, points, step_min)
