"""Read a folder of rule tables; the first row that cannot be used is named with its file, row and column.

The folder is a published rules generation, or the seeds themselves.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

from alerting.engine.evaluators import evaluators
from alerting.engine.rule import (
    Aggregate,
    ClearBy,
    Comparison,
    Condition,
    Key,
    MaintenanceWindow,
    Override,
    Rule,
    RuleError,
    RuleSet,
)
from alerting.rules.check import check_rules
from core.severity import RANKS

RULES, CONDITIONS, OVERRIDES, WINDOWS, THRESHOLDS = (
    "alert_rules.csv",
    "alert_conditions.csv",
    "alert_overrides.csv",
    "maintenance_windows.csv",
    "thresholds.csv",
)
RULE_FILES = (RULES, CONDITIONS, OVERRIDES, WINDOWS, THRESHOLDS)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a table with typed access that knows where it stands."""

    file: str
    number: int  # line in the file: the header is 1
    cells: Mapping[str, str]

    def fault(self, column: str, text: str) -> RuleError:
        return RuleError(f"{self.file} row {self.number}, {column}: {text}")

    def text(self, column: str) -> str:
        try:
            return self.cells[column].strip()
        except (KeyError, AttributeError) as error:
            raise self.fault(column, "no such column; add it to the header and every row") from error

    def needed(self, column: str) -> str:
        value = self.text(column)
        if not value:
            raise self.fault(column, "empty; a rule without it cannot be judged")
        return value

    def one_of(self, column: str, words: Iterable[str], default: str | None = None) -> Any:
        value = self.text(column) or default
        known = list(words)
        if value not in known:
            raise self.fault(column, f"{value!r} found, expected one of {', '.join(known)}")
        return value

    def number_of(self, column: str) -> float | None:
        value = self.text(column)
        try:
            return float(value) if value else None
        except ValueError as error:
            raise self.fault(column, f"{value!r} is not a number") from error

    def whole(self, column: str, default: int = 0) -> int:
        value = self.number_of(column)
        if value is None:
            return default
        if value != int(value) or value < 0:
            raise self.fault(column, f"{value!r} found, expected a whole number from 0")
        return int(value)

    def words(self, column: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in self.text(column).split("|") if word.strip())

    def flag(self, column: str) -> bool:
        return bool(self.one_of(column, ("true", "false"), "false") == "true")

    def day(self, column: str) -> date | None:
        value = self.text(column)
        try:
            return date.fromisoformat(value) if value else None
        except ValueError as error:
            raise self.fault(column, f"{value!r} is not a date like 2026-01-31") from error

    def instant(self, column: str) -> datetime:
        value = self.needed(column)
        try:
            found = datetime.fromisoformat(value)
        except ValueError as error:
            raise self.fault(column, f"{value!r} is not an instant like 2026-01-31T08:00:00+08:00") from error
        if found.tzinfo is None:
            raise self.fault(column, f"{value!r} has no time zone; write +08:00 behind it")
        return found.astimezone(UTC)

    def hours(self, column: str) -> tuple[int, int] | None:
        value = self.text(column)
        if not value:
            return None
        try:
            start, end = (int(part[:2]) * 60 + int(part[3:]) for part in value.split("-"))
        except ValueError as error:
            raise self.fault(column, f"{value!r} is not a span of hours like 22:00-05:00") from error
        return start, end

    def pair(self, column: str, sign: str) -> tuple[str, str] | None:
        value = self.text(column)
        if not value:
            return None
        left, found, right = value.partition(sign)
        if not found or not left or not right:
            raise self.fault(column, f"{value!r} found, expected two words with {sign!r} between them")
        return left, right


def load_rules(folder: Path, generation: str = "") -> RuleSet:
    """The rules of a folder. Raises RuleError naming file, row and column, or FileNotFoundError for a missing table."""
    thresholds = {row.needed("rule_id"): row for row in _rows(folder, THRESHOLDS)}
    conditions: dict[str, list[tuple[_Row, Condition]]] = defaultdict(list)
    for row in _rows(folder, CONDITIONS):
        condition = _condition(row, thresholds)
        conditions[condition.rule_id].append((row, condition))
    overrides = tuple(_override(row) for row in _rows(folder, OVERRIDES))
    rules = tuple(_rule(row, conditions, overrides, thresholds) for row in _rows(folder, RULES))
    windows = tuple(_window(row) for row in _rows(folder, WINDOWS))
    orphans = conditions.keys() - {rule.rule_id for rule in rules}
    for rule_id in sorted(orphans):
        raise conditions[rule_id][0][0].fault("rule_id", f"{rule_id!r} is no row of {RULES}")
    ruleset = RuleSet(rules, overrides, windows, generation or folder.name)
    check_rules(ruleset)
    return ruleset


def _rows(folder: Path, name: str) -> list[_Row]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return [_Row(name, number, cells) for number, cells in enumerate(csv.DictReader(file), 2)]


def _condition(row: _Row, thresholds: Mapping[str, _Row]) -> Condition:
    """A condition; what it leaves empty comes from its row of thresholds.csv."""
    threshold_id = row.text("threshold_id")
    source = thresholds.get(threshold_id) if threshold_id else None
    if threshold_id and source is None:
        raise row.fault("threshold_id", f"{threshold_id!r} is no row of {THRESHOLDS}")

    def either(column: str) -> str:
        return row.text(column) or (source.text(column) if source else "")

    threshold = row.number_of("threshold")
    limit_attribute = row.text("limit_attribute") or None
    if threshold is None and source is not None and limit_attribute is None:
        threshold = source.number_of("threshold")
    for column in ("standard", "clause", "evidence_grade", "source_label"):
        # a clause may be unknown to us, but never silently
        if not either(column):
            raise row.fault(column, "empty here and in its threshold row; write where the number comes from")
    colour = row.one_of("colour", RANKS, source.text("colour") if source else None)
    if row.whole("severity_rank", RANKS[colour]) != RANKS[colour]:
        raise row.fault("severity_rank", f"{row.text('severity_rank')} found, {colour} is {RANKS[colour]}")
    values = row.words("codes")
    comparison = row.one_of("comparison", get_args(Comparison), source.text("comparison") if source else None)
    aggregate = row.one_of("aggregate", get_args(Aggregate), "last")
    if (comparison in ("in", "bits")) != bool(values):
        raise row.fault("codes", "words are needed by the comparisons `in` and `bits`, and by no other")
    if not values and threshold is None and limit_attribute is None:
        raise row.fault("threshold", "no number, no limit_attribute: nothing to compare with")
    return Condition(
        condition_id=row.needed("condition_id"),
        rule_id=row.needed("rule_id"),
        colour=colour,
        group=row.whole("group_no", 1),
        metric=row.needed("metric"),
        comparison=comparison,
        threshold=threshold,
        values=values,
        clear_threshold=row.number_of("clear_threshold"),
        clear_values=row.words("clear_codes"),
        unit=either("unit"),
        limit_attribute=limit_attribute,
        factor=_or(row.number_of("factor"), 1.0),
        offset=_or(row.number_of("plus"), 0.0),
        aggregate=aggregate,
        window_s=row.whole("window_minutes", source.whole("window_minutes") if source else 0) * 60,
        bucket_s=row.whole("bucket_minutes") * 60,
        bucket_aggregate=row.one_of("bucket_aggregate", ("sum", "max", "min", "last"), "sum"),
        least=row.whole("min_count", 1),
        rest_s=row.whole("rest_minutes") * 60,
        active_above=row.number_of("active_above"),
        applies_to=_applies_to(row),
        hours=row.hours("hours"),
        threshold_id=threshold_id,
        standard=either("standard"),
        clause=either("clause"),
        evidence_grade=either("evidence_grade"),
        source_label=either("source_label"),
    )


def _applies_to(row: _Row) -> Mapping[str, tuple[str, ...]]:
    """`pond_class=1|2;dam_height_m=30..60` as attribute → words."""
    found = {}
    for part in filter(None, row.text("applies_to").split(";")):
        name, sign, values = part.partition("=")
        if not sign or not values:
            raise row.fault("applies_to", f"{part!r} found, expected attribute=value|value")
        found[name.strip()] = tuple(value.strip() for value in values.split("|"))
    return found


def _override(row: _Row) -> Override:
    threshold = row.number_of("threshold")
    if threshold is None:
        raise row.fault("threshold", "empty; an override says another number")
    return Override(
        override_id=row.needed("override_id"),
        condition_id=row.needed("condition_id"),
        scope=row.one_of("scope", ("city", "area", "object", "device")),
        code=row.needed("code"),
        threshold=threshold,
        clear_threshold=row.number_of("clear_threshold"),
        valid_from=row.day("valid_from"),
        valid_to=row.day("valid_to"),
        standard=row.needed("standard"),
        clause=row.needed("clause"),
        evidence_grade=row.needed("evidence_grade"),
    )


def _window(row: _Row) -> MaintenanceWindow:
    return MaintenanceWindow(
        scope=row.one_of("scope", ("device", "object", "area", "feed")),
        code=row.needed("code"),
        starts_at=row.instant("starts_at"),
        ends_at=row.instant("ends_at"),
        known_at=row.instant("known_at"),
        reason=row.text("reason"),
    )


def _rule(
    row: _Row,
    conditions: Mapping[str, Sequence[tuple[_Row, Condition]]],
    overrides: Sequence[Override],
    thresholds: Mapping[str, _Row],
) -> Rule:
    rule_id = row.needed("rule_id")
    own, kind = conditions.get(rule_id, ()), row.one_of("kind", evaluators())
    if not own:
        raise row.fault("rule_id", f"{rule_id!r} has no row in {CONDITIONS}")
    ids = {condition.condition_id for _, condition in own}
    n, m = row.whole("n_of"), row.whole("of_last")
    if bool(n) != bool(m) or n > m:
        raise row.fault("n_of", f"{n} of the last {m or 'none'} found, expected both, the first not above the second")
    decisive = [
        sorted(row.cells.items()),
        *(sorted(r.cells.items()) for r, _ in own),
        *(sorted(thresholds[c.threshold_id].cells.items()) for _, c in own if c.threshold_id),
        *(repr(o) for o in overrides if o.condition_id in ids),
    ]
    return Rule(
        rule_id=rule_id,
        name_zh=row.needed("name_zh"),
        name_en=row.needed("name_en"),
        domain=row.needed("domain"),
        subdomain=row.needed("subdomain"),
        object_type=row.needed("object_type"),
        kind=kind,
        key=row.one_of("key", get_args(Key)),
        feeds=row.words("feeds"),
        members=row.words("members"),
        is_member_only=row.flag("is_member_only"),
        hold_s=row.whole("hold_s"),
        clear_s=row.whole("clear_s"),
        clear_by=row.one_of("clear_by", get_args(ClearBy), "reading"),
        part_column=row.text("part_column") or None,
        reset_when=row.pair("reset_when", "="),
        n_of=(n, m) if n else None,
        silence_s=row.whole("silence_s"),
        quiet_when=row.pair("quiet_when", "="),
        quiet_hours=row.hours("quiet_hours"),
        group_by=row.text("group_by") or None,
        distance_m=row.number_of("distance_m"),
        max_late_s=row.whole("max_late_s", 600),
        valid_from=row.day("valid_from"),
        valid_to=row.day("valid_to"),
        version=row.needed("version"),
        conditions=tuple(condition for _, condition in own),
        fingerprint=hashlib.sha256(repr(decisive).encode()).hexdigest()[:16],
    )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
