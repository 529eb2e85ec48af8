"""Times of HJ 212: digits of Beijing time without a zone (HJ 212-2017 6.3.3.2.3, 7)."""

from __future__ import annotations

import re
from datetime import datetime

from core.civil_time import BEIJING

LENIENT = {"long_time": "DataTime carries milliseconds: 17 digits instead of 14"}
_DIGITS = re.compile(r"[0-9]+")


def moment(text: str | None, lenient: frozenset[str], used: set[str], n_digits: int = 14) -> datetime | None:
    """Digits to an aware instant; None for what is no time, which a record then says too."""
    if text is None or not _DIGITS.fullmatch(text):
        return None
    if len(text) == 17 != n_digits and "long_time" in lenient:
        used.add("long_time")
    elif len(text) != n_digits:
        return None
    milliseconds = int(text[14:] or "0")
    parts = [int(text[:4]), *(int(text[at : at + 2]) for at in range(4, 14, 2))]
    try:
        year, month, day, hour, minute, second = parts
        return datetime(year, month, day, hour, minute, second, milliseconds * 1000, tzinfo=BEIJING)
    except ValueError:
        return None


def digits(at: datetime, with_milliseconds: bool = False) -> str:
    """An aware instant as digits of Beijing time."""
    local = at.astimezone(BEIJING)
    tail = f"{local.microsecond // 1000:03d}" if with_milliseconds else ""
    return f"{local:%Y%m%d%H%M%S}{tail}"
