"""Keyed hashes and display masks for personal values. Pure; the key comes from outside.

The same person has the same hash in every feed of a city, and nobody without the key can try values against it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

HASH_LENGTH = 32  # hex digits: 128 bits
# An identity or a mobile number anywhere, also inside longer ones: rather too much than a person's number.
PERSONAL_NUMBER = r"[0-9]{17}[0-9Xx]|1[3-9][0-9]{9}"
_PERSONAL_NUMBER = re.compile(PERSONAL_NUMBER)


def keyed_hash(key: bytes, text: str) -> str:
    """HMAC-SHA256 of the text, first 32 hex digits."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:HASH_LENGTH]


def hash_series(key: bytes, values: pl.Series) -> tuple[pl.Series, Mapping[str, str]]:
    """Hashes in place of values, and hash → clear value for the vault. Null stays null.

    Each distinct value is hashed once.
    """
    import polars as pl  # loaded already by whoever has a series

    clear = values.drop_nulls().unique().to_list()
    hashed = [keyed_hash(key, text) for text in clear]
    if not clear:
        return pl.Series(values.name, [None] * len(values), dtype=pl.String), {}
    replaced = values.replace_strict(clear, hashed, default=None, return_dtype=pl.String)
    return replaced, dict(zip(hashed, clear, strict=True))


def mask_text(text: str) -> str:
    """What a person may see of a personal value in quarantine: its first character."""
    return f"{text[:1]}***" if text else ""


def mask_numbers(text: str) -> str:
    """A text of ours in which personal numbers, such as the phone that a terminal goes by, are masked."""
    return _PERSONAL_NUMBER.sub(lambda number: mask_text(number[0]), text)
