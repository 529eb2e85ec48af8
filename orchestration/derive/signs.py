"""Vital signs of the city: those of its systems, and those of the house."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from core.declarations import read_declaration
from core.system import System
from orchestration.derive.tables import Row, csv_text, house_rows

COLUMNS = (
    "sign_code",
    "name_zh",
    "name_en",
    "unit",
    "kind",
    "input",
    "subdomain",
    "low",
    "high",
    "red_low",
    "red_high",
    "source",
    "evidence_grade",
    "version",
)


def tables(root: Path, systems: Iterable[System]) -> dict[str, str]:
    """File name → CSV of the signs, those of systems in order of id. Raises DeclarationError."""
    rows = [row for system in systems for row in _signs(system)]
    return {"vital_signs.csv": csv_text(COLUMNS, (*rows, *house_rows(root, "vital_signs", COLUMNS)))}


def signs_of(system: System) -> dict[str, Row]:
    """The signs that its folder declares, by code."""
    assert system.folder is not None
    found: dict[str, Row] = read_declaration(system.folder / "system.yaml", "system").get("vital_signs", {})
    return found


def _signs(system: System) -> Iterator[Row]:
    assert system.folder is not None
    version = read_declaration(system.folder / "system.yaml", "system").get("version")
    for code, sign in signs_of(system).items():
        kind, read = _kind(sign)
        green, red = sign.get("green", {}), sign.get("red", {})
        yield {
            "sign_code": code,
            "name_zh": sign["name"]["zh"],
            "name_en": sign["name"]["en"],
            "unit": sign["unit"],
            "kind": kind,
            "input": read,
            "subdomain": system.subdomain,
            "low": green.get("from"),
            "high": green.get("to"),
            "red_low": red.get("from"),
            "red_high": red.get("to"),
            "source": sign["source"],
            "evidence_grade": sign["grade"],
            "version": version,
        }


def _kind(sign: Row) -> tuple[str, str | None]:
    """How the warehouse computes a sign, and what of."""
    if "reading" in sign:
        return f"reading_{sign['take']}", sign["reading"]
    if "devices" in sign:
        return f"device_{sign['devices']}", None
    if "inspections" in sign:
        return f"inspection_{sign['inspections']}", None
    return ("warning_count", None) if "warnings" in sign else ("event_count", sign["events"])
