"""Alerts that a worse one already tells: rows say which, this says what of what is open now. Pure.

A source is an alert that is itself told, of the same or a higher rank than its target, and equal in the row's labels;
so a milder alert never hides a worse one, and two can never hide each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from alerting.labels import KINDS, Matcher, labels_of, parse
from alerting.lifecycle import Row


@dataclass(frozen=True, slots=True)
class Inhibition:
    """One row of inhibitions.csv."""

    inhibition_id: str
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]
    reason_zh: str
    reason_en: str


@dataclass(frozen=True, slots=True)
class _Side:
    """A row's matchers on labels of single places, left over when those on kinds hold."""

    row: Inhibition
    rest: tuple[Matcher, ...]


def inhibitions_of(rows: Iterable[Mapping[str, str]]) -> tuple[Inhibition, ...]:
    """The rows of the seed. Raises MatcherError for a cell that cannot be read."""
    return tuple(
        Inhibition(
            row["inhibition_id"], parse(row["source_matchers"]), parse(row["target_matchers"]),
            tuple(row["equal_labels"].split()), row["reason_zh"], row["reason_en"],
        )
        for row in rows
    )  # fmt: skip


def inhibited(alerts: Iterable[Row], rows: Sequence[Inhibition]) -> dict[str, tuple[str, Inhibition]]:
    """Which alerts are covered by which other one, and by which row: alert_id → (source's alert_id, row).

    `alerts` are those that people work on or that are suppressed; each needs the columns of `labels_of`, alert_id and
    opened_at. One pass: worst first, so that a source is settled before its targets.
    """
    kinds: dict[tuple[object, ...], tuple[list[_Side], list[_Side]]] = {}
    standing = []
    for alert in alerts:
        labels = labels_of(alert)
        key = tuple(labels[kind] for kind in KINDS)
        if key not in kinds:
            kinds[key] = _sides(labels, rows)
        as_source, as_target = kinds[key]
        if as_source or as_target:
            order = (-alert["severity_rank"], bool(as_target), alert["opened_at"], alert["alert_id"])
            standing.append((order, labels, as_source, as_target))
    standing.sort(key=lambda one: one[0])
    told: dict[tuple[object, ...], str] = {}
    found: dict[str, tuple[str, Inhibition]] = {}
    for order, labels, as_source, as_target in standing:
        alert_id = str(order[3])
        hit = _source_of(labels, as_target, told)
        if hit is not None:
            found[alert_id] = hit
            continue
        for side in as_source:
            if all(matcher.holds(labels) for matcher in side.rest):
                told.setdefault(_key(side.row, labels), alert_id)
    return found


def _source_of(
    labels: Mapping[str, str | int], as_target: Sequence[_Side], told: Mapping[tuple[object, ...], str]
) -> tuple[str, Inhibition] | None:
    for side in as_target:
        source_id = told.get(_key(side.row, labels))
        if source_id is not None and all(matcher.holds(labels) for matcher in side.rest):
            return source_id, side.row
    return None


def _key(row: Inhibition, labels: Mapping[str, str | int]) -> tuple[object, ...]:
    # An exercise hides no real alert, and no real one an exercise.
    return (row.inhibition_id, labels["exercise"], *(labels[label] for label in row.equal))


def _sides(labels: Mapping[str, str | int], rows: Sequence[Inhibition]) -> tuple[list[_Side], list[_Side]]:
    """The rows whose matchers on kinds hold for a combination of kinds: as source, and as target."""
    sides: tuple[list[_Side], list[_Side]] = ([], [])
    for row in rows:
        for matchers, side in ((row.source, sides[0]), (row.target, sides[1])):
            if matchers and all(m.holds(labels) for m in matchers if m.label in KINDS):
                side.append(_Side(row, tuple(m for m in matchers if m.label not in KINDS)))
    return sides
