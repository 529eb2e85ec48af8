"""JSON as services and devices write it, read the same way at every door: HTTP, files, MQTT, push.

`NaN` and `Infinity` are no JSON and halves of UTF-16 pairs are no text, yet both are sent. A bad value costs itself or
its row: such numbers become their own words and such characters U+FFFD, and conform refuses them where they stand.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from ingest.parse.fault import FileFault

_AS_TEXT = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
_AS_NUMBERS = json.JSONDecoder(parse_constant=str)
# Numbers of so many digits may be rounded by the fast reader; ids of as many in texts are not.
_LONG = b"0" * 19
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
# A text without its end goes to the last byte: looked for from every quote, it would take the square of the time.
_TEXT_OR_DIGITS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(\d{19})', re.DOTALL)


def load_json(body: bytes) -> Any:
    """A document, fast where it is strict JSON. Raises json.JSONDecodeError for what is not JSON to its end."""
    try:
        if _has_long_number(body):
            return read_json(body, numbers_as_text=False)
        return orjson.loads(body)
    except FileFault:
        return orjson.loads(body)
    except orjson.JSONDecodeError as strict:
        try:
            return read_json(body, numbers_as_text=False)
        except FileFault:
            raise strict from None


def has_many_digits(body: bytes) -> bool:
    """Whether 19 digits stand in a row anywhere."""
    return _LONG in body.translate(_DIGITS_AS_ZERO)


def _has_long_number(body: bytes) -> bool:
    """Whether 19 digits stand in a row outside of texts."""
    return has_many_digits(body) and any(found[1] for found in _TEXT_OR_DIGITS.finditer(body))


def read_json(body: bytes, *, numbers_as_text: bool, line: int | None = None) -> Any:
    """A JSON document; numbers as the text that was sent, so nothing is rounded on the way.

    Raises FileFault: empty_file for no content, truncated_file for anything that is not JSON.
    """
    if not body.strip():
        raise FileFault("empty_file", f"{len(body)} bytes")
    decoder = _AS_TEXT if numbers_as_text else _AS_NUMBERS
    try:
        return _without_surrogates(decoder.decode(body.decode("utf-8-sig")), body)
    except UnicodeDecodeError as error:
        raise FileFault("truncated_file", f"not UTF-8: {error.reason}", line or error.start) from error
    except json.JSONDecodeError as error:
        raise FileFault("truncated_file", error.msg, line or error.pos) from error
    except RecursionError as error:
        raise FileFault("truncated_file", "nested deeper than can be read", line) from error
    except ValueError as error:  # an integer of thousands of digits
        raise FileFault("truncated_file", str(error), line) from error


def _without_surrogates(document: Any, body: bytes) -> Any:
    """Halves of surrogate pairs are no text: they become U+FFFD, which conform refuses row by row."""
    if rb"\ud" not in body.lower():
        return document
    text = json.dumps(document, ensure_ascii=False)
    return json.loads(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"), parse_constant=str)
