"""Text as departments type it: full-width forms, Chinese numerals, thousands separators, words for "nothing"."""

from __future__ import annotations

import re
import unicodedata

import polars as pl

from core.characters import INVISIBLE

MISSING = frozenset({"", "-", "--", "—", "——", "－", "null", "NULL", "None", "NA", "N/A", "n/a", "nan", "NaN"})
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_CHINESE_NUMBER = re.compile(r"负?[0-9.点〇零一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟]{1,40}")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_PERCENT = re.compile(r"(.*[^%\s])\s*%")
# How a spreadsheet shows a number that is too long for its cell, and saves it to CSV so.
_SHORTENED = r"^\s*[+-]?\d(\.\d+)?E\+\d{2,3}\s*$"

# Up to so many values, a loop over them costs less than setting up work on a whole column.
SMALL = 512


def is_plain(text: pl.Series) -> bool:
    """Whether a short column holds printable ASCII alone; False for a long one, which nobody looked at."""
    return len(text) <= SMALL and all(v is None or (v.isascii() and v.isprintable()) for v in text.to_list())


def clean_text(text: pl.Series, *, fold: bool) -> pl.Series:
    """Outer blanks off, words for nothing to null; `fold` also turns full-width forms into plain ones (NFKC)."""
    if is_plain(text):
        stripped = (None if value is None else value.strip(" ") for value in text.to_list())
        return pl.Series(text.name, [None if v in MISSING else v for v in stripped], dtype=pl.String)
    clean = text.str.strip_chars()
    if fold and clean.str.contains(r"[^\x00-\x7F]").any():
        clean = clean.str.normalize("NFKC").str.strip_chars()
    return clean.set(clean.is_in(list(MISSING)), None) if clean.is_in(list(MISSING)).any() else clean


def without_invisible(text: pl.Series) -> pl.Series:
    """Texts without characters that nobody sees; the series itself where there are none."""
    if is_plain(text) or not text.str.contains(INVISIBLE).any():
        return text
    return text.str.replace_all(INVISIBLE, "")


def is_shortened(text: pl.Series) -> pl.Series:
    """Which texts are numbers as a sheet shortens them (`4.20502E+17`): the digits behind are lost."""
    is_small = len(text) <= SMALL
    if not (any("E+" in one for one in text if one) if is_small else text.str.contains("E+", literal=True).any()):
        return pl.Series(text.name, [False], dtype=pl.Boolean).new_from_index(0, len(text))
    return text.str.contains(_SHORTENED).fill_null(False)


def read_number(text: str) -> float | None:
    """A number that a person wrote: `１２．５`, `1,234.5`, `二十三`, `三点五`. None when it is not a number."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    if _PLAIN_NUMBER.fullmatch(plain):
        value = float(plain)
        return value if abs(value) != float("inf") else None
    if not _CHINESE_NUMBER.fullmatch(plain):
        return None
    import cn2an  # a quarter of a second: only what a person wrote in words pays for it

    try:
        return float(cn2an.cn2an(plain, "smart"))
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def read_percent(text: str) -> float | None:
    """What a text with a percent sign says, in percent: `12.5%`, `１２．５ ％`. None without the sign."""
    percent = _PERCENT.fullmatch(unicodedata.normalize("NFKC", text).strip())
    return None if percent is None else read_number(percent.group(1))


def is_missing(text: str) -> bool:
    """Whether a text says "no value"."""
    return unicodedata.normalize("NFKC", text).strip() in MISSING or text.strip() in MISSING
