"""Who answers for each kind of risk in each city, the departments there are, and numbers that hold in one place only.

A kind's owner is responsible, monitors and disposes; who leads, builds and commands is the same for all kinds of a
city. A folder names other departments for its kind (`roles`), a city's file other ones for a part of it or a time.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from core.declarations import read_declaration
from core.system import System, city_files
from orchestration.derive.guides import Kind, unwatched
from orchestration.derive.tables import Row, csv_text, house_rows

ROLES = ("lead", "responsible", "build", "monitor", "command", "dispose")
OWNED = ("responsible", "monitor", "dispose")
RESPONSIBILITIES = (
    "area_code",
    "domain",
    "risk_type",
    "role",
    "organisation_id",
    "valid_from",
    "valid_to",
    "basis_document",
    "source",
    "evidence_grade",
    "version",
)
DEPARTMENTS = (
    "department_code",
    "name_zh",
    "name_en",
    "short_zh",
    "duty_en",
    "source",
    "evidence_grade",
    "version",
)
ORGANISATIONS = (
    "organisation_id",
    "parent_id",
    "kind",
    "city_code",
    "area_code",
    "department_code",
    "name_zh",
    "name_en",
    "source",
    "evidence_grade",
    "version",
)
OVERRIDES = (
    "override_id",
    "condition_id",
    "scope",
    "code",
    "threshold",
    "clear_threshold",
    "valid_from",
    "valid_to",
    "standard",
    "clause",
    "evidence_grade",
    "source",
    "version",
)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Days from the first to the last, both included; no last day means that it goes on."""

    first: date
    last: date | None = None


def tables(root: Path, systems: Iterable[System], conditions: str) -> dict[str, str]:
    """File name → CSV; `conditions` is the table of those that overrides may speak of. Raises DeclarationError."""
    every = list(systems)
    cities = {path: read_declaration(path, "city") for path in city_files(root)}
    owners = _owners(root, every)
    conditions_there = {row["condition_id"] for row in csv.DictReader(io.StringIO(conditions))}
    departments = {code: words for system in every for code, words in system.departments.items()}
    organisations = list(_organisations(root, departments, cities.values()))
    offices = {row["organisation_id"] for row in organisations}
    duties = (row for city in cities.values() for row in _responsibilities(city, owners, offices))
    overrides = (row for city in cities.values() for row in _overrides(city))
    return {
        "departments.csv": csv_text(DEPARTMENTS, _departments(root, departments)),
        "organisations.csv": csv_text(ORGANISATIONS, organisations),
        "responsibilities.csv": csv_text(RESPONSIBILITIES, duties),
        "alert_overrides.csv": csv_text(
            OVERRIDES, (row for row in overrides if row["condition_id"] in conditions_there)
        ),
    }


def _owners(root: Path, systems: Iterable[System]) -> dict[Kind, Mapping[str, str]]:
    """Each kind of risk with its department of every role that a kind has; a folder comes before `_kinds`."""
    found: dict[Kind, Mapping[str, str]] = {}
    for system in systems:
        found.setdefault((system.domain, system.subdomain), dict.fromkeys(OWNED, system.owner) | dict(system.roles))
    for kind, guide in unwatched(root).items():
        if "owner" in guide:
            found.setdefault(kind, dict.fromkeys(OWNED, guide["owner"]) | guide.get("roles", {}))
    return found


def _responsibilities(city: Row, owners: Mapping[Kind, Mapping[str, str]], offices: Container[str]) -> Iterator[Row]:
    """The rows of one city: what its file says, and the rule for all other days and kinds.

    A department without an office there leaves its kinds to the one that commands.
    """
    duty, code = city["responsibility"], city["code"]
    for kind, departments in owners.items():
        for role in ROLES:
            said = [row for row in duty.get("rows", ()) if (row["kind"], row["role"]) == ("/".join(kind), role)]
            for row in said:
                area = row.get("area_code", code)
                yield _duty(duty, kind, role, area, row["organisation"], _span(row), row["basis_document"])
            department = departments.get(role, duty["usual"].get(role))
            named = department if f"{code}:{department}" in offices else duty["usual"]["command"]
            taken = [_span(row) for row in said if row.get("area_code", code) == code]
            for span in gaps(Span(date.fromisoformat(duty["valid_from"])), taken):
                yield _duty(duty, kind, role, code, f"{code}:{named}", span, duty.get("basis_document"))


def _duty(
    duty: Row, kind: Kind, role: str, area_code: str, organisation_id: str, span: Span, document: str | None
) -> Row:
    return {
        "area_code": area_code,
        "domain": kind[0],
        "risk_type": kind[1],
        "role": role,
        "organisation_id": organisation_id,
        "valid_from": span.first.isoformat(),
        "valid_to": span.last.isoformat() if span.last else None,
        "basis_document": document,
        "source": duty["basis"]["source"],
        "evidence_grade": duty["basis"]["grade"],
        "version": duty["version"],
    }


def _span(row: Row) -> Span:
    last = row.get("valid_to")
    return Span(date.fromisoformat(row["valid_from"]), date.fromisoformat(last) if last else None)


def gaps(whole: Span, taken: Iterable[Span]) -> Iterator[Span]:
    """The days of `whole` that no span of `taken` has.

    >>> list(gaps(Span(date(2026, 1, 1)), [Span(date(2026, 2, 1), date(2026, 2, 28))]))[1].first
    datetime.date(2026, 3, 1)
    """
    first = whole.first
    for span in sorted(taken, key=lambda span: span.first):
        if span.first > first:
            yield Span(first, span.first - _DAY)
        if span.last is None:
            return
        first = max(first, span.last + _DAY)
    yield Span(first, whole.last)


def _departments(root: Path, declared: Mapping[str, Row]) -> Iterator[Row]:
    house = house_rows(root, "departments", DEPARTMENTS)
    yield from house
    for code in sorted(declared.keys() - {row["department_code"] for row in house}):
        words = declared[code]
        yield {
            "department_code": code,
            "name_zh": words["zh"],
            "name_en": words["en"],
            "short_zh": words["short_zh"],
            "source": "system.yaml",
            "evidence_grade": "design",
        }


def _organisations(root: Path, declared: Mapping[str, Row], cities: Iterable[Row]) -> Iterator[Row]:
    """The trees of the cities; a department that only a folder knows stands under the government of each."""
    house = house_rows(root, "organisations", ORGANISATIONS)
    yield from house
    names = {row["organisation_id"]: row for row in house}
    for city in cities:
        code = city["code"]
        for department in sorted(declared):
            if f"{code}:{department}" not in names:
                words = declared[department]
                yield {
                    "organisation_id": f"{code}:{department}",
                    "parent_id": code,
                    "kind": "department",
                    "city_code": code,
                    "area_code": code,
                    "department_code": department,
                    "name_zh": f"{city['name']['zh']}{words['zh']}",
                    "name_en": words["en"],
                    "source": "system.yaml",
                    "evidence_grade": "design",
                }


def _overrides(city: Mapping[str, Any]) -> Iterator[Row]:
    for override_id, one in city.get("overrides", {}).items():
        yield {
            "override_id": override_id,
            "condition_id": one["condition"],
            "scope": one["scope"],
            "code": one["code"],
            "threshold": one["threshold"],
            "clear_threshold": one.get("clears"),
            "valid_from": one.get("valid_from"),
            "valid_to": one.get("valid_to"),
            "standard": one["standard"],
            "clause": one["clause"],
            "evidence_grade": one["grade"],
            "source": one["source"],
            "version": one["version"],
        }
