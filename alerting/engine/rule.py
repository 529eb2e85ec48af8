"""The rule model: a rule is a family of levels, a level is a set of conditions, every condition names its standard.

Pure records; `alerting.rules` reads them from tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from core.severity import COLOURS, RANKS

Key = Literal["device", "object", "area", "gateway", "feed", "sender"]
Comparison = Literal["ge", "gt", "le", "lt", "in", "bits"]
Aggregate = Literal["last", "sum", "mean", "max", "min", "count", "minutes", "drop", "rate", "run"]
ClearBy = Literal["reading", "rest"]


class RuleError(ValueError):
    """A rule that cannot be used: names file, row and column where it knows them, what was found and expected."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of one level, with the authority behind it.

    A level holds when every condition of one of its `group`s does: AND inside a group, OR between groups. The first of
    a group is the danger; a further one whose value is missing or broken does not hold it back. The limit is
    `threshold`, or `factor` times the register attribute `limit_attribute` of the object plus `offset`. `metric` is a
    column of the feed; of a roll-up the members' colour, of a composite the member rule.
    """

    condition_id: str
    rule_id: str
    colour: str
    group: int
    metric: str
    comparison: Comparison
    threshold: float | None
    values: tuple[str, ...]  # of the comparisons in (words) and bits (bit numbers of an alarm word)
    clear_threshold: float | None  # the level ends beyond this value; None: as soon as it is no longer met
    clear_values: tuple[str, ...]
    unit: str
    limit_attribute: str | None
    factor: float
    offset: float
    aggregate: Aggregate
    window_s: int
    bucket_s: int
    bucket_aggregate: Literal["sum", "max", "min", "last"]
    least: int  # so many entries (mean) or buckets (min) must be there before the window says anything
    rest_s: int  # of a run: a shorter pause does not interrupt it
    active_above: float | None  # of minutes and run: a reading above it is activity
    applies_to: Mapping[str, tuple[str, ...]]  # register attribute → words or `from..to`; silent for other objects
    hours: tuple[int, int] | None  # Beijing minutes of day, from (included) to (excluded); may pass midnight
    threshold_id: str
    standard: str
    clause: str
    evidence_grade: str
    source_label: str

    @property
    def rank(self) -> int:
        """4 red … 1 blue."""
        return RANKS[self.colour]


@dataclass(frozen=True, slots=True)
class Rule:
    """One family of levels for one kind of object, and how its episodes open and end."""

    rule_id: str
    name_zh: str
    name_en: str
    domain: str
    subdomain: str
    object_type: str
    kind: str  # of an evaluator, see `alerting.engine.evaluators`
    key: Key
    feeds: tuple[str, ...]
    members: tuple[str, ...]  # the rules whose episodes roll-ups and composites look at
    is_member_only: bool  # feeds a roll-up and never becomes an alert by itself
    hold_s: int
    clear_s: int
    clear_by: ClearBy
    part_column: str | None  # one device speaks of several things: a panel of its detectors
    reset_when: tuple[str, str] | None  # column and value of a row that ends all of a device's episodes
    n_of: tuple[int, int] | None  # n of the last m readings
    silence_s: int
    quiet_when: tuple[str, str] | None  # column or attribute and the value with which silence is right
    quiet_hours: tuple[int, int] | None
    group_by: str | None  # register attribute that names the gateway
    distance_m: float | None
    max_late_s: int
    valid_from: date | None
    valid_to: date | None
    version: str
    conditions: tuple[Condition, ...]
    fingerprint: str  # of all that decides: rows with the same one keep their states when rules are renewed

    @property
    def colours(self) -> tuple[str, ...]:
        """Colours of the levels, mildest first."""
        return tuple(COLOURS[rank] for rank in sorted({c.rank for c in self.conditions}))


@dataclass(frozen=True, slots=True)
class Override:
    """Another threshold for one place, object or device, with its source; the narrowest scope wins."""

    override_id: str
    condition_id: str
    scope: Literal["city", "area", "object", "device"]
    code: str
    threshold: float
    clear_threshold: float | None
    valid_from: date | None
    valid_to: date | None
    standard: str
    clause: str
    evidence_grade: str


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """A time in which readings of a device, object, area or feed neither open nor clear anything.

    `known_at` is when the window was entered: what the engine folded before stays as it was, on replay too.
    """

    scope: Literal["device", "object", "area", "feed"]
    code: str
    starts_at: datetime
    ends_at: datetime
    known_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of one generation."""

    rules: tuple[Rule, ...]
    overrides: tuple[Override, ...] = ()
    windows: tuple[MaintenanceWindow, ...] = ()
    generation: str = ""
    by_id: Mapping[str, Rule] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {rule.rule_id: rule for rule in self.rules})
