"""What silences, inhibitions and groups know an alert by, and how rows say which alerts they mean.

A matcher is `label=value`, `rank>=n`, `rank<=n`; several stand behind one another with `;` and all must hold. An
`area_code` matches the area and everything below it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from alerting.lifecycle.alert import Alert, AlertBrief
from core.area import county_of, is_within

Labelled = Alert | AlertBrief
Labels = Mapping[str, str | int]
# Few values each, so that thousands of alerts share one combination; the rest names single places and things.
KINDS = ("rule_id", "domain", "subdomain", "object_type", "metric", "rank", "exercise")
PLACES = ("object_id", "device_id", "area_code", "county", "city", "disposing_unit", "passed_on_by")


class MatcherError(ValueError):
    """A matcher that cannot be read; says which labels there are."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label."""

    label: str
    test: str  # =, >=, <=
    value: str

    def holds(self, labels: Labels) -> bool:
        """Whether an alert with these labels is meant."""
        found = labels[self.label]
        if self.test == "=":
            if self.label == "area_code":
                return is_within(str(found), self.value)
            return str(found) == self.value
        return int(found) >= int(self.value) if self.test == ">=" else int(found) <= int(self.value)


def parse(text: str) -> tuple[Matcher, ...]:
    """The matchers of one cell.

    >>> parse("subdomain=flood;rank>=4")[1]
    Matcher(label='rank', test='>=', value='4')
    """
    return tuple(_one(part.strip()) for part in text.split(";") if part.strip())


def _one(part: str) -> Matcher:
    for test in (">=", "<=", "="):
        label, found, value = part.partition(test)
        if not found:
            continue
        if label not in KINDS + PLACES or (test != "=" and (label != "rank" or not value.isdigit())):
            break
        return Matcher(label, test, value)
    raise MatcherError(f"matcher {part!r}; expected label=value or rank>=n, with a label of {KINDS + PLACES}")


def of_mapping(wanted: Mapping[str, str]) -> tuple[Matcher, ...]:
    """The matchers of a silence, which names labels and values. Raises MatcherError for a label there is not."""
    return tuple(_one(f"{label}={value}") for label, value in sorted(wanted.items()))


def all_hold(matchers: Sequence[Matcher], labels: Labels) -> bool:
    """Whether every matcher holds; no matcher means no alert, never all of them."""
    return bool(matchers) and all(matcher.holds(labels) for matcher in matchers)


LABELS: Mapping[str, Callable[[Labelled], str | int]] = {
    "rule_id": lambda alert: alert.rule_id,
    "domain": lambda alert: alert.domain,
    "subdomain": lambda alert: alert.subdomain,
    "object_type": lambda alert: alert.object_type,
    "metric": lambda alert: alert.metric,
    "rank": lambda alert: alert.severity_rank,
    "exercise": lambda alert: int(alert.is_exercise),
    "object_id": lambda alert: alert.object_id,
    "device_id": lambda alert: alert.device_id or "",
    "area_code": lambda alert: alert.area_code,
    "county": lambda alert: county_of(alert.area_code),
    "city": lambda alert: alert.area_code[:4],
    "disposing_unit": lambda alert: alert.disposing_unit,
    "passed_on_by": lambda alert: alert.passed_on_by,
}


def labels_of(alert: Labelled) -> dict[str, str | int]:
    """The labels of an alert."""
    return {label: read(alert) for label, read in LABELS.items()}
