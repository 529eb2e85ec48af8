"""Alerts that a worse one already tells: rows say which, this says what of what is open now. Pure.

A source is an alert that is itself told, of the same or a higher rank than its target, and equal in the row's labels;
so a milder alert never hides a worse one, and two can never hide each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from alerting.lifecycle.alert import AlertBrief
from alerting.policy.labels import KINDS, LABELS, Matcher, MatcherError, labels_of, parse


@dataclass(frozen=True, slots=True)
class Inhibition:
    """One row of inhibitions.csv."""

    inhibition_id: str
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class _Side:
    """A row of which an alert's kind is one side; `rest` are matchers on single places that remain to be looked at."""

    row: Inhibition
    rest: tuple[Matcher, ...]


_Sides = tuple[tuple[tuple[str, ...], tuple[_Side, ...]], ...]  # by equal labels
_Places = tuple[tuple[tuple[object, ...], tuple[_Side, ...]], ...]  # by what an alert's partner must share with it


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all alerts that are alike but for their place have in common."""

    as_source: _Sides
    as_target: _Sides


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert as a pass needs it; it stays the same until the alert's row or the inhibitions change."""

    alert: AlertBrief
    order: tuple[object, ...]
    as_source: _Places
    as_target: _Places


class Inhibitions:
    """All rows, and what each kind of alert that was seen has to do with them: kinds are few and come again."""

    def __init__(self, rows: Iterable[Inhibition]) -> None:
        self.rows = tuple(rows)
        self._kinds: dict[tuple[object, ...], _Kind] = {}

    def standing(self, alert: AlertBrief) -> Standing:
        """What the rows have to do with an alert."""
        key = _kind_key(alert)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _kind(labels_of(alert), self.rows)
        order = (-alert.severity_rank, bool(kind.as_target), alert.opened_at or "", alert.alert_id)
        return Standing(alert, order, _places(alert, kind.as_source), _places(alert, kind.as_target))


def inhibitions_of(rows: Iterable[Mapping[str, str]]) -> Inhibitions:
    """The rows of the seed. Raises MatcherError for a cell that cannot be read or names a label that there is not."""
    return Inhibitions(
        Inhibition(
            row["inhibition_id"],
            parse(row["source_matchers"]),
            parse(row["target_matchers"]),
            _equal(row),
            f"{row['reason_zh']} / {row['reason_en']}",
        )
        for row in rows
    )


def _equal(row: Mapping[str, str]) -> tuple[str, ...]:
    labels = tuple(row["equal_labels"].split())
    for label in labels:
        if label not in LABELS:
            raise MatcherError(
                f"{row['inhibition_id']}: equal_labels has {label!r}; expected of {', '.join(LABELS)}: "
                "mend `same` in the rules.yaml that says it"
            )
    return labels


def inhibited(alerts: Iterable[Standing]) -> dict[str, tuple[str, Inhibition]]:
    """Which alerts are covered by which other one, and by which row: alert_id → (source's alert_id, row).

    `alerts` are those that people work on or that are suppressed. One pass: worst first, so that a source is settled
    before its targets.
    """
    standing = sorted((one for one in alerts if one.as_source or one.as_target), key=attrgetter("order"))
    told = _NotifiedSources()
    found: dict[str, tuple[str, Inhibition]] = {}
    for one in standing:
        hit = told.source_of(one) if one.as_target else None
        if hit is not None:
            found[one.alert.alert_id] = hit
        elif one.as_source:
            told.enter(one)
    return found


class _NotifiedSources:
    """Sources that are told so far, by what their targets must share with them."""

    def __init__(self) -> None:
        self._sources: dict[tuple[object, ...], dict[str, str]] = {}
        self._entered: set[tuple[object, ...]] = set()

    def enter(self, one: Standing) -> None:
        for place, sides in one.as_source:
            # A second source of the same kind at the same place covers nothing more, unless places decide.
            seen = (place, id(sides))
            if seen in self._entered:
                continue
            entered, may_skip = self._sources.setdefault(place, {}), True
            for side in sides:
                if side.rest:
                    may_skip = False
                if not side.rest or _all_hold(side.rest, one.alert):
                    entered.setdefault(side.row.inhibition_id, one.alert.alert_id)
            if may_skip:
                self._entered.add(seen)

    def source_of(self, one: Standing) -> tuple[str, Inhibition] | None:
        for place, sides in one.as_target:
            entered = self._sources.get(place)
            if not entered:
                continue
            for side in sides:
                source_id = entered.get(side.row.inhibition_id)
                if source_id is not None and (not side.rest or _all_hold(side.rest, one.alert)):
                    return source_id, side.row
        return None


_kind_key = attrgetter("rule_id", "domain", "subdomain", "object_type", "metric", "severity_rank", "is_exercise")


def _places(alert: AlertBrief, by_equal: _Sides) -> _Places:
    # An exercise hides no real alert, and no real one an exercise.
    return tuple(
        ((equal, alert.is_exercise, *(LABELS[label](alert) for label in equal)), sides) for equal, sides in by_equal
    )


def _all_hold(matchers: Sequence[Matcher], alert: AlertBrief) -> bool:
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
