"""Derive neutral checks from a contract: one promise about one feed each, in no engine's language.

Pure. Row rules were applied to every row at conform; here they are re-asserted over what landed. Set rules (keys
across files, volume, freshness, drift, references, sums) exist only here. Every check comes down to one number, the
observed value, that must lie between `low` and `high`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from core.contract import Column, Contract, ContractError, Rule

Kind = Literal[
    "not_null",
    "range",
    "allowed",
    "pattern",
    "unique_key",
    "volume",
    "freshness",
    "distribution_drift",
    "reference",
    "sum",
    "refused",  # every feed has it: how much of what came last was refused
    "checks",  # no rule of a contract: stands for all checks of a feed when they could not even begin
]
ROW_KINDS: frozenset[Kind] = frozenset({"not_null", "range", "allowed", "pattern"})
# Judged on the rows, one at a time or a key at a time: the engine first says only whether all of them keep the promise.
COUNTED_KINDS: frozenset[Kind] = ROW_KINDS | {"unique_key"}
# Judged from the ledger and the newest day alone: the only kinds that make sense when no file is new.
QUIET_KINDS: frozenset[Kind] = frozenset({"volume", "freshness", "refused"})
# Judged on every run, whether or not a batch waits: a feed of which nothing lands never has a batch that waits.
STEADY_KINDS: frozenset[Kind] = frozenset({"freshness", "refused"})

# More than this share of a delivery in quarantine is a fault of the delivery, not of single rows; a contract may say
# otherwise (`kind: refused`, `max_refused_pct`). Departments' own returns run at 1 to 5 %.
REFUSED_PCT = 20.0
REFUSED = "rows_refused"

# What a rule of each kind may state; anything else would be without effect.
_ARGUMENTS: Mapping[str, frozenset[str]] = {
    "duplicateValues": frozenset({"properties", "mustBe"}),
    "rowCount": frozenset(
        {
            "mustBe",
            "mustBeBetween",
            "mustBeGreaterThan",
            "mustBeGreaterOrEqualTo",
            "mustBeLessThan",
            "mustBeLessOrEqualTo",
        }
    ),
    "freshness": frozenset(),
    "distribution_drift": frozenset({"column", "max_shift_sd"}),
    "refused": frozenset({"max_refused_pct"}),
    "reference": frozenset({"column", "feed", "to", "max_missing_pct"}),
    "sum": frozenset({"column", "by", "feed", "to", "total", "max_ratio"}),
}

BATCH_ID = "_batch_id"  # of every landed row

# Fewer days of history than this say nothing about what is usual.
DRIFT_DAYS = 28
DRIFT_DAYS_NEEDED = 7


class UnknownRuleError(ContractError):
    """A contract states a rule that no check knows; says which and what is known."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise about one feed. `column` is the landed name; limits are inclusive, None is open."""

    id: str
    feed_id: str
    kind: Kind
    severity: Literal["error", "warning"]
    column: str | None = None
    low: float | None = None
    high: float | None = None
    unit: str = "rows"  # of the observed value: rows, %, h, sd, x
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def admits(self, observed: float) -> bool:
        """Whether an observed value keeps the promise."""
        return (self.low is None or observed >= self.low) and (self.high is None or observed <= self.high)

    @property
    def expected(self) -> str:
        """The limits as short text that needs no language: `= 0 rows`, `5 … 20000 rows`, `≤ 3 h`."""
        unit = f" {self.unit}"
        if self.low is not None and self.low == self.high:
            return f"= {self.low:g}{unit}"
        if self.low is not None and self.high is not None:
            return f"{self.low:.0f} … {self.high:.0f}{unit}"
        if self.low is not None:
            return f"≥ {self.low:g}{unit}"
        if self.high is not None:
            return f"≤ {self.high:g}{unit}" if self.high else f"= 0{unit}"
        return "any"


def checks_of(contract: Contract) -> list[Check]:
    """All checks of a feed, row rules first, then set rules as the contract lists them.

    Raises UnknownRuleError for a rule kind or an argument that no check can stand on.
    """
    checks = [check for column in contract.landed_columns for check in _row_checks(contract, column)]
    stated = [_set_check(contract, rule) for rule in contract.rules]
    if not any(check.kind == "refused" for check in stated):
        stated.append(Check(REFUSED, contract.id, "refused", "error", high=REFUSED_PCT, unit="%"))
    return checks + stated


def _row_checks(contract: Contract, column: Column) -> Iterator[Check]:
    """What must hold in every row. A hashed value keeps only its presence: its text says nothing any more.

    What devices send may be out of range: it may be the danger, so it lands marked and is nobody's reason to hold it.
    """

    def check(kind: Kind, **arguments: Any) -> Check:
        return Check(
            f"{kind}_{column.name}", contract.id, kind, "error", column.landed_name, high=0, arguments=arguments
        )

    if column.required:
        yield check("not_null")
    if column.mask == "hash":
        return
    if not contract.is_stream and (column.minimum is not None or column.maximum is not None):
        yield check("range", minimum=column.minimum, maximum=column.maximum, unit=column.unit)
    if column.allowed:
        yield check("allowed", values=column.allowed)
    if column.pattern:
        yield check("pattern", pattern=column.pattern)


def _set_check(contract: Contract, rule: Rule) -> Check:
    arguments = rule.arguments
    if unused := sorted(arguments.keys() - _ARGUMENTS.get(rule.kind, arguments.keys())):
        used = ", ".join(sorted(_ARGUMENTS[rule.kind])) or "none"
        raise UnknownRuleError(f"{contract.id}: rule {rule.id}: {', '.join(unused)} found; a {rule.kind} uses {used}")
    match rule.kind:
        case "duplicateValues":
            names = tuple(arguments.get("properties") or contract.key)
            landed = tuple(contract.column(name).landed_name for name in names)
            if arguments.get("mustBe", 0) != 0:
                raise UnknownRuleError(
                    f"{contract.id}: rule {rule.id}: mustBe {arguments['mustBe']} found, expected 0: a key stands once"
                )
            return Check(
                rule.id,
                contract.id,
                "unique_key",
                rule.severity,
                high=0.0,
                arguments={"key": landed, "is_register": contract.is_register, "is_whole": contract.snapshot == "full"},
            )
        case "rowCount":
            low, high = _limits(contract, rule)
            return Check(rule.id, contract.id, "volume", rule.severity, low=low, high=high)
        case "freshness":
            if contract.event_time is None:
                raise UnknownRuleError(f"{contract.id}: rule {rule.id}: freshness needs a column with an event time")
            late_h = contract.late_after.total_seconds() / 3600
            silent_h = contract.silent_after.total_seconds() / 3600
            column = contract.event_time.landed_name
            return Check(
                rule.id,
                contract.id,
                "freshness",
                rule.severity,
                column,
                high=late_h,
                unit="h",
                arguments={"silent_h": silent_h},
            )
        case "distribution_drift":
            if contract.event_time is None:
                raise UnknownRuleError(f"{contract.id}: rule {rule.id}: drift needs a column with an event time")
            device = tuple(contract.column(n).landed_name for n in contract.key if n != contract.event_time.name)
            return Check(
                rule.id,
                contract.id,
                "distribution_drift",
                rule.severity,
                _landed(contract, rule, "column"),
                high=float(arguments["max_shift_sd"]),
                unit="sd",
                arguments={"event_time": contract.event_time.landed_name, "like": device},
            )
        case "refused":
            high = float(arguments.get("max_refused_pct", REFUSED_PCT))
            return Check(rule.id, contract.id, "refused", rule.severity, high=high, unit="%")
        case "reference":
            return Check(
                rule.id,
                contract.id,
                "reference",
                rule.severity,
                _landed(contract, rule, "column"),
                high=float(arguments.get("max_missing_pct", 0)),
                unit="%",
                arguments={"feed": arguments["feed"], "to": arguments["to"]},
            )
        case "sum":
            if contract.event_time is None:
                raise UnknownRuleError(f"{contract.id}: rule {rule.id}: a daily sum needs a column with an event time")
            return Check(
                rule.id,
                contract.id,
                "sum",
                rule.severity,
                _landed(contract, rule, "column"),
                high=float(arguments["max_ratio"]),
                unit="x",
                arguments={
                    "event_time": contract.event_time.landed_name,
                    "by": _landed(contract, rule, "by"),
                    "feed": arguments["feed"],
                    "to": arguments["to"],
                    "total": arguments["total"],
                },
            )
    known = "duplicateValues, rowCount, freshness, distribution_drift, reference, sum, refused"
    raise UnknownRuleError(f"{contract.id}: rule {rule.id}: kind {rule.kind!r} found, expected one of {known}")


def _landed(contract: Contract, rule: Rule, argument: str) -> str:
    name = rule.arguments.get(argument)
    if name is None:
        raise UnknownRuleError(f"{contract.id}: rule {rule.id}: no {argument!r} given; name a column of the feed")
    return contract.column(str(name)).landed_name


def _limits(contract: Contract, rule: Rule) -> tuple[float | None, float | None]:
    """The limits of a library metric. Exclusive bounds on whole numbers become the next whole number."""
    stated = rule.arguments
    if "mustBeBetween" in stated:
        low, high = stated["mustBeBetween"]
        return float(low), float(high)
    if "mustBe" in stated:
        return float(stated["mustBe"]), float(stated["mustBe"])
    low = stated.get(
        "mustBeGreaterOrEqualTo", stated["mustBeGreaterThan"] + 1 if "mustBeGreaterThan" in stated else None
    )
    high = stated.get("mustBeLessOrEqualTo", stated["mustBeLessThan"] - 1 if "mustBeLessThan" in stated else None)
    if low is None and high is None:
        raise UnknownRuleError(f"{contract.id}: rule {rule.id}: no mustBe… limit; say how many rows are right")
    return None if low is None else float(low), None if high is None else float(high)
