"""Where inside an object something happened, as its device says: floor text, panel, loop, part. Pure.

A contract's `placeColumns` say which columns tell it; the words of each role stand in wordings.csv (kind `spot`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alerting.wording import Pair, Wording

Spot = tuple[tuple[str, str], ...]  # role and what the device said, in the order of the contract
TEXT = "text"  # the role of a place in words
LONGEST = 80  # characters of one value: devices write them, and they go to the public
SHOWN = 5  # places in full; more are counted


def spot_of(cells: Iterable[tuple[str, Any]]) -> Spot:
    """The spot that the cells of a row tell; what is empty tells nothing."""
    said = ((role, " ".join(str(value).split())[:LONGEST]) for role, value in cells if value is not None)
    return tuple((role, value) for role, value in said if value)


def spot_back(packed: Sequence[Sequence[str]]) -> Spot:
    """A spot from JSON."""
    return tuple((role, value) for role, value in packed)


def worded(spot: Spot, wording: Wording) -> Pair:
    """A spot for people, Chinese and English: the place in words first, the numbers of its part in brackets."""
    texts = " ".join(value for role, value in spot if role == TEXT)
    numbers = [(value, wording.of("spot", role)) for role, value in spot if role != TEXT]
    zh = " ".join(_filled(words[0], value) for value, words in numbers)
    en = ", ".join(_filled(words[1], value) for value, words in numbers)
    if not texts or not numbers:
        return texts or zh, texts or en
    return f"{texts}（{zh}）", f"{texts} ({en})"


def _filled(words: str, value: str) -> str:
    """Words with their value; a home whose wordings know no such role says the role itself."""
    return words.format(value) if "{" in words else f"{words} {value}"


def together(spots: Iterable[Pair]) -> Pair:
    """Several places as one text, each once, the first few in full."""
    found = [spot for spot in dict.fromkeys(spots) if any(spot)]
    more_zh, more_en = (f"等{len(found)}处", f" and {len(found) - SHOWN} more") if len(found) > SHOWN else ("", "")
    return "、".join(zh for zh, _ in found[:SHOWN]) + more_zh, "; ".join(en for _, en in found[:SHOWN]) + more_en
