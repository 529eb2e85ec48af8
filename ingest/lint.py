"""Look a contract over before anybody relies on it: what the standard and the loader allow and a feed still lacks.

Pure. Not here: what makes a contract unusable (`core.contract`), checks of landed rows (`quality`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from core.contract import Column, Contract
from core.environment import names_of
from ingest.conform.units import UnitError, line
from ingest.propose.guess import speaks_of_person

Severity = Literal["error", "warning"]

# A row of these must say which device or number it is of, and when it happened.
_NEEDED_CONCEPTS: Mapping[str, tuple[str, ...]] = {
    "object": ("object_id",),
    "device": ("device_id",),
    "reading": ("device_id", "observed_at"),
    "event": ("event_type", "occurred_at"),
    "inspection": ("object_id", "inspected_at"),
}


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One thing that is missing or doubtful; `line` is that of the file, None where it is about the whole."""

    severity: Severity
    line: int | None
    found: str
    next_step: str


def look_over(
    contract: Contract, text: str, contracts: Mapping[str, Contract], environment: Collection[str]
) -> list[LintFinding]:
    """Everything found in a contract and its file's text, errors first. `environment` holds the names that are set."""
    found = [
        *_remarks(text),
        *(LintFinding("error", None, said, "nothing here uses it") for said in contract.unused),
        *_people(contract),
        *_concepts(contract),
        *(finding for column in contract.columns for finding in _column(column)),
        *_references(contract, contracts),
        *_environment(contract, environment),
    ]
    return sorted(found, key=lambda finding: (finding.severity, finding.line or 0))


def _remarks(text: str) -> Iterator[LintFinding]:
    """Guesses of `feed new` that nobody has confirmed."""
    for number, words in enumerate(text.splitlines(), 1):
        before, mark, remark = words.partition("CHECK")
        if mark:
            what = (remark.removeprefix(":").strip() or before.strip())[:100]
            yield LintFinding("error", number, f"not confirmed: {what}", "ask the department, then delete the remark")


def _people(contract: Contract) -> Iterator[LintFinding]:
    for role, name in (("owner", contract.owner), ("steward", contract.steward)):
        if not name:
            yield LintFinding(
                "error", None, f"no {role} in team/members", f"name the {role}: who is told when it breaks"
            )
    for column in contract.columns:
        words = next((w for w in (column.physical_name, column.label_zh) if speaks_of_person(w)), None)
        if words and not column.is_personal:
            yield LintFinding(
                "error",
                None,
                f"column {column.name}: {words!r} speaks of a person, but it is {column.sensitivity}",
                "set classification personal or sensitive, and mask hash or drop",
            )


def _concepts(contract: Contract) -> Iterator[LintFinding]:
    if not contract.entities:
        yield LintFinding(
            "warning", None, "no entity: rows land, but enter no unified table", "set `entity` of the schema"
        )
    for entity in contract.entities:
        for concept in _NEEDED_CONCEPTS.get(entity, ()):
            if contract.by_concept(concept) is None:
                yield LintFinding(
                    "error",
                    None,
                    f"entity {entity}: no column fills the concept {concept}",
                    "give a column `concept`, or choose another entity",
                )
    if "reading" in contract.entities and not contract.metrics:
        yield LintFinding("error", None, "entity reading without a metric", "mark the measured columns `metric: true`")


def _column(column: Column) -> Iterator[LintFinding]:
    where = f"column {column.name}"
    if column.is_metric and column.unit is None:
        yield LintFinding("error", None, f"{where}: a metric without unit", "set `unit`; `1` for plain numbers")
    if column.minimum is not None and column.maximum is not None and column.minimum >= column.maximum:
        yield LintFinding(
            "error", None, f"{where}: minimum {column.minimum:g} is not below {column.maximum:g}", "swap them"
        )
    for unit in (column.source_unit, *column.unit_slips):
        if unit and column.unit:
            try:
                line(unit, column.unit)
            except UnitError as error:
                yield LintFinding("error", None, f"{where}: {error}", "use units that measure the same thing")


def _references(contract: Contract, contracts: Mapping[str, Contract]) -> Iterator[LintFinding]:
    for rule in contract.rules:
        feed, name = (str(rule.arguments.get(part, "")) for part in ("feed", "to"))
        if rule.kind == "reference" and feed:
            other = contracts.get(feed)
            if other is None:
                yield LintFinding(
                    "error", None, f"rule {rule.id}: no feed {feed}", "name a feed of `cityrisk feed list`"
                )
            elif name and name not in {column.name for column in other.columns}:
                yield LintFinding(
                    "error", None, f"rule {rule.id}: {feed} has no column {name}", "see `cityrisk feed show`"
                )


def _environment(contract: Contract, environment: Collection[str]) -> Iterator[LintFinding]:
    for name in sorted(names_of(contract) - set(environment)):
        yield LintFinding("warning", None, f"{name} is not set here", "set it where the feed is fetched")
