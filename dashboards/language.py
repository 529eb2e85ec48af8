"""The two languages of the interface. Words of the domain (names of feeds, areas, reasons) come with the data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
DEFAULT: Language = "zh"
_FOLDER = Path(__file__).parent / "words"


@dataclass(frozen=True)
class Words:
    """Interface texts of one language."""

    language: Language
    texts: dict[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key, its places filled. Raises KeyError for a key that the language does not have."""
        return self.texts[key].format(**values)

    def pick(self, zh: str | None, en: str | None) -> str:
        """The domain word in this language; the other language when this one is missing, '' when both are."""
        first, second = (zh, en) if self.language == "zh" else (en, zh)
        return first or second or ""

    def pick_one(self, pair: tuple[str, str]) -> str:
        """The word of a pair (zh, en) in this language, also when it is empty: a pure number has no unit."""
        return pair[self.language != "zh"]


@cache
def words_of(language: Language) -> Words:
    """The texts of a language, nested keys joined with dots."""
    tree = yaml.load((_FOLDER / f"{language}.yml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return Words(language, dict(_flat(tree, "")))


def _flat(tree: dict[str, object], prefix: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((f"{prefix}{name}", str(value)))
    return pairs
