"""Alerts that a worse one already tells: rows say which, this says what of what is open now. Pure.

A source is an alert that is itself told, of the same or a higher rank than its target, and equal in the row's labels;
so a milder alert never hides a worse one, and two can never hide each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from alerting.labels import KINDS, LABELS, Matcher, labels_of, parse
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
    """A row of which an alert's kind is one side; `rest` are matchers on single places that remain to be looked at."""

    row: Inhibition
    rest: tuple[Matcher, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all alerts that are alike but for their place have in common: sides by equal labels."""

    as_source: tuple[tuple[tuple[str, ...], tuple[_Side, ...]], ...]
    as_target: tuple[tuple[tuple[str, ...], tuple[_Side, ...]], ...]


class Inhibitions:
    """All rows, and what each kind of alert that was seen has to do with them: kinds are few and come again."""

    def __init__(self, rows: Iterable[Inhibition]) -> None:
        self.rows = tuple(rows)
        self._kinds: dict[tuple[object, ...], _Kind] = {}

    def kind_of(self, alert: Row) -> _Kind:
        """What the alert's kind has to do with the rows."""
        key = _kind_key(alert)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _kind(labels_of(alert), self.rows)
        return kind


def inhibitions_of(rows: Iterable[Mapping[str, str]]) -> Inhibitions:
    """The rows of the seed. Raises MatcherError for a cell that cannot be read."""
    return Inhibitions(
        Inhibition(
            row["inhibition_id"], parse(row["source_matchers"]), parse(row["target_matchers"]),
            tuple(row["equal_labels"].split()), row["reason_zh"], row["reason_en"],
        )
        for row in rows
    )  # fmt: skip


def inhibited(alerts: Iterable[Row], inhibitions: Inhibitions) -> dict[str, tuple[str, Inhibition]]:
    """Which alerts are covered by which other one, and by which row: alert_id → (source's alert_id, row).

    `alerts` are those that people work on or that are suppressed; each needs the columns of `labels_of`, alert_id and
    opened_at. One pass: worst first, so that a source is settled before its targets.
    """
    standing = []
    for alert in alerts:
        kind = inhibitions.kind_of(alert)
        if kind.as_source or kind.as_target:
            order = (-alert["severity_rank"], bool(kind.as_target), alert["opened_at"], alert["alert_id"])
            standing.append((order, alert, kind))
    standing.sort(key=itemgetter(0))
    told = _Told()
    found: dict[str, tuple[str, Inhibition]] = {}
    for _, alert, kind in standing:
        hit = told.source_of(alert, kind) if kind.as_target else None
        if hit is not None:
            found[alert["alert_id"]] = hit
        elif kind.as_source:
            told.enter(alert, kind)
    return found


class _Told:
    """Sources that are told so far, by what their targets must share with them."""

    def __init__(self) -> None:
        self._sources: dict[tuple[object, ...], dict[str, str]] = {}
        self._entered: set[tuple[object, ...]] = set()

    def enter(self, alert: Row, kind: _Kind) -> None:
        for equal, sides in kind.as_source:
            place = _place(alert, equal)
            # A second source of the same kind at the same place covers nothing more, unless places decide.
            seen = (place, id(sides))
            if seen in self._entered:
                continue
            entered, may_skip = self._sources.setdefault(place, {}), True
            for side in sides:
                if side.rest:
                    may_skip = False
                if not side.rest or _all_hold(side.rest, alert):
                    entered.setdefault(side.row.inhibition_id, alert["alert_id"])
            if may_skip:
                self._entered.add(seen)

    def source_of(self, alert: Row, kind: _Kind) -> tuple[str, Inhibition] | None:
        for equal, sides in kind.as_target:
            entered = self._sources.get(_place(alert, equal))
            if not entered:
                continue
            for side in sides:
                source_id = entered.get(side.row.inhibition_id)
                if source_id is not None and (not side.rest or _all_hold(side.rest, alert)):
                    return source_id, side.row
        return None


_kind_key = itemgetter("rule_id", "domain", "subdomain", "object_type", "metric", "severity_rank", "is_exercise")


def _place(alert: Row, equal: tuple[str, ...]) -> tuple[object, ...]:
    # An exercise hides no real alert, and no real one an exercise.
    if len(equal) == 1:
        return equal[0], alert["is_exercise"], LABELS[equal[0]](alert)
    return (equal, alert["is_exercise"], *(LABELS[label](alert) for label in equal))


def _all_hold(matchers: Sequence[Matcher], alert: Row) -> bool:
    return all(matcher.holds(labels_of(alert)) for matcher in matchers)


def _kind(labels: Mapping[str, str | int], rows: Sequence[Inhibition]) -> _Kind:
    """The rows whose matchers on kinds hold for a combination of kinds: as source, and as target."""
    sides: tuple[dict[tuple[str, ...], list[_Side]], ...] = ({}, {})
    for row in rows:
        for matchers, by_equal in zip((row.source, row.target), sides, strict=True):
            if matchers and all(m.holds(labels) for m in matchers if m.label in KINDS):
                rest = tuple(m for m in matchers if m.label not in KINDS)
                by_equal.setdefault(row.equal, []).append(_Side(row, rest))
    as_source, as_target = (tuple((equal, tuple(found)) for equal, found in one.items()) for one in sides)
    return _Kind(as_source, as_target)
