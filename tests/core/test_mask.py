"""Keyed hashes and display masks."""

from __future__ import annotations

import re

import polars as pl
import pytest

from core.mask import PERSONAL_NUMBER, hash_series, keyed_hash, mask_text

KEY = b"one key"


def test_the_hash_is_hmac_sha256() -> None:
    # RFC 4231, test case 2, cut to 32 digits.
    assert keyed_hash(b"Jefe", "what do ya want for nothing?") == "5bdcc146bf60754e6a042426089575c7"


def test_the_hash_depends_on_key_and_text() -> None:
    assert keyed_hash(KEY, "王小明") == keyed_hash(KEY, "王小明")
    assert len({keyed_hash(KEY, "王小明"), keyed_hash(KEY, "王小朋"), keyed_hash(b"other", "王小明")}) == 3


def test_a_series_keeps_order_and_nulls() -> None:
    hashed, secrets = hash_series(KEY, pl.Series("phone", ["b", None, "a", "b"]))
    assert hashed.to_list() == [keyed_hash(KEY, "b"), None, keyed_hash(KEY, "a"), keyed_hash(KEY, "b")]
    assert dict(secrets) == {keyed_hash(KEY, text): text for text in "ab"}


@pytest.mark.parametrize("values", [[], [None, None]])
def test_a_series_of_nothing(values: list[None]) -> None:
    hashed, secrets = hash_series(KEY, pl.Series("x", values, dtype=pl.String))
    assert hashed.to_list() == values
    assert hashed.dtype == pl.String
    assert dict(secrets) == {}


def test_masks_show_one_character() -> None:
    assert mask_text("王小明") == "王***"
    assert mask_text("") == ""


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("13800138000", "***"),
        ("电话13800138000。", "电话***。"),
        ("11010519491231002X", "***"),
        ("23800138000", "23800138000"),
        ("1380013800", "1380013800"),
        ("3.6", "3.6"),
    ],
)
def test_personal_numbers(text: str, masked: str) -> None:
    assert re.sub(PERSONAL_NUMBER, "***", text) == masked
    assert pl.Series([text]).str.replace_all(PERSONAL_NUMBER, "***").item() == masked
