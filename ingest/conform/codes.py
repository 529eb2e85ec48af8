"""Area codes and identifiers with a check digit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from core.geo import AreaIndex

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # without I, O, S, V, Z
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"


def is_uscc(text: str) -> bool:
    """Whether a unified social credit code (GB 32100-2015) has its check digit. Some issued codes have not."""
    if len(text) != 18 or any(c not in _USCC_ALPHABET for c in text):
        return False
    total = sum(_USCC_ALPHABET.index(c) * w for c, w in zip(text, _USCC_WEIGHTS, strict=False))
    return _USCC_ALPHABET[(31 - total % 31) % 31] == text[17]


def is_resident_id(text: str) -> bool:
    """Whether a resident number (GB 11643-1999) has its check digit; 15 digits are the form of 1989, without one."""
    if not text.isascii():
        return False
    if len(text) == 15:
        return text.isdigit()
    if len(text) != 18 or not text[:17].isdigit():
        return False
    total = sum(int(c) * w for c, w in zip(text, _ID_WEIGHTS, strict=False))
    return _ID_CHECKS[total % 11] == text[17]


CHECKS: Mapping[str, Callable[[str], bool]] = {"uscc": is_uscc, "resident_id": is_resident_id}


def failing_check(values: pl.Series, kind: str) -> pl.Series:
    """Which values have a wrong check digit; each distinct value is worked out once, null is never wrong."""
    wrong = [value for value in values.drop_nulls().unique().to_list() if not CHECKS[kind](value)]
    return values.is_in(wrong).fill_null(False)


def replace_retired(values: pl.Series, areas: AreaIndex) -> tuple[pl.Series, pl.Series]:
    """Codes with retired counties replaced by their successors (digits of street and village stay), and where."""
    county = values.str.slice(0, 6)
    retired = county.is_in(list(areas.retired)).fill_null(False)
    if not retired.any():
        return values, retired
    successor = county.replace_strict(areas.retired, default=None, return_dtype=pl.String)
    return values.zip_with(~retired, successor + values.str.slice(6)), retired


def unknown(values: pl.Series, areas: AreaIndex) -> pl.Series:
    """Which codes are not of the current list; of 9 and 12 digits the county counts."""
    return ~values.str.slice(0, 6).is_in(list(areas.codes)).fill_null(True)
