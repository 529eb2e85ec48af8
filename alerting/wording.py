"""How units, standards, clauses and levels are written for readers of each language, as rows say it. Pure.

Rules cite their sources in one wording, which is the key; `wordings.csv` says how each reads in Chinese and English.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Pair = tuple[str, str]  # Chinese, English


class Wording:
    """Rows of wordings.csv by kind (`unit`, `standard`, `clause`, `source_label`) and cited text.

    What has no row reads the same in both languages: `GB 50116-2013`, `4.1.6`, `km/h`.
    """

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._pairs = {(row["kind"], row["text"]): (row["zh"], row["en"]) for row in rows}

    def of(self, kind: str, text: str | None) -> Pair:
        """How a cited text reads; an empty one stays empty."""
        return self._pairs.get((kind, text or ""), (text or "", text or ""))

    def basis(self, standard: str | None, clause: str | None) -> Pair:
        """Standard and clause together."""
        standards, clauses = self.of("standard", standard), self.of("clause", clause)
        return f"{standards[0]} {clauses[0]}".strip(), f"{standards[1]} {clauses[1]}".strip()
