"""Open alerts: a signal of the hazard of each kind of object that the method weighs, and a floor of its current score.

Which version of the method counts them, and how much, stands in `systems/_house/alert_intensity.csv`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from core.severity import WORST_FIRST
from orchestration.derive.tables import Row, house_rows

_COLUMNS = ("method_version", "colour", "intensity", "name_zh", "name_en", "source", "evidence_grade")
_NO_FLOOR = WORST_FIRST[-1]  # the mildest colour begins at 0


def intensities(root: Path) -> list[dict[str, str]]:
    """One row a version and colour. Raises DeclarationError."""
    return house_rows(root, "alert_intensity", _COLUMNS)


def signals(kinds: Iterable[Row], stated: list[dict[str, str]]) -> Iterator[tuple[Row, list[Row]]]:
    """One signal of the hazard a version and kind of object, with its classes: the colours.

    `kinds`: rows of `signal_bounds`, of which each version, subdomain and kind of object counts once.
    """
    versions = dict.fromkeys(row["method_version"] for row in stated)
    known = dict.fromkeys((row["method_version"], row["subdomain"], row["object_type"]) for row in kinds)
    for version, subdomain, about in known:
        if version not in versions:
            continue
        colours = [row for row in stated if row["method_version"] == version]
        code = code_of(about)
        bound = {
            "method_version": version,
            "signal_code": code,
            "component": "hazard",
            "subdomain": subdomain,
            "object_type": about,
            "kind": "alert",
            "scale": "linear",
            "unit": "class",
            "weight": 1,
            "is_dynamic": "true",
            "name_zh": "预警",
            "name_en": "alert",
            "source": colours[0]["source"],
            "evidence_grade": colours[0]["evidence_grade"],
        }
        yield bound, [{**_without_colour(row), "signal_code": code, "class": row["colour"]} for row in colours]


def floors(classes: Iterable[Row]) -> Iterator[Row]:
    """The current score of an object lies no lower than the colour of its worst open alert; others are not touched."""
    for row in classes:
        yield {
            "method_version": row["method_version"],
            "signal_code": row["signal_code"],
            "comparison": "is",
            "class": row["class"],
            "inherent_colour": _NO_FLOOR,
            "residual_colour": _NO_FLOOR,
            "current_colour": row["class"],
            "name_zh": row["name_zh"],
            "name_en": row["name_en"],
            "source": row["source"],
            "evidence_grade": row["evidence_grade"],
        }


def code_of(about: str) -> str:
    """The signal of a kind of object."""
    return f"{about}_alert"


def _without_colour(row: Row) -> dict[str, str]:
    return {name: value for name, value in row.items() if name != "colour"}
