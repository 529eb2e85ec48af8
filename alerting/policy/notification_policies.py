"""Everything about people that rows say, read from the newest rules generation: notification policies."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alerting.policy.dispatch import Route, routes_of
from alerting.policy.escalation import Escalations
from alerting.policy.grouping import Grouping
from alerting.policy.inhibition import Inhibitions, inhibitions_of
from alerting.policy.labels import MatcherError
from alerting.policy.routing import Routing
from alerting.policy.warning_facts import Guides
from alerting.wording import Wording
from core.errors import ExplainedError

TABLES = (
    "areas",
    "organisations",
    "responsibilities",
    "contacts",
    "handling_guides",
    "escalations",
    "grouping",
    "inhibitions",
    "routes",
    "wordings",
)


class NotificationPolicyError(ExplainedError, RuntimeError):
    """A table of notification policies is missing or cannot be read; says which and what to do."""


@dataclass(frozen=True, slots=True)
class NotificationPolicies:
    """Routing, guides, timers, groups, inhibitions, routes and wordings of one city."""

    routing: Routing
    guides: Guides
    escalations: Escalations
    grouping: Grouping
    inhibitions: Inhibitions
    routes: tuple[Route, ...]
    wording: Wording


def load_notification_policies(
    *folders: Path, owners: Mapping[tuple[str, str], str] | None = None
) -> NotificationPolicies:
    """The policies from CSV files, each table from the first folder that has it.

    `owners`: the department of each domain and subdomain, for kinds of risk that no row of responsibility names. Raises
    NotificationPolicyError for a missing table and for inhibitions that cannot be read.
    """
    rows = {name: _read(name, folders) for name in TABLES}
    try:
        inhibitions = inhibitions_of(rows["inhibitions"])
    except MatcherError as error:
        raise NotificationPolicyError(f"inhibitions.csv: {error}") from error
    return NotificationPolicies(
        Routing(rows["areas"], rows["organisations"], rows["responsibilities"], rows["contacts"], owners),
        Guides(rows["handling_guides"]),
        Escalations(rows["escalations"]),
        Grouping(rows["grouping"]),
        inhibitions,
        routes_of(rows["routes"]),
        Wording(rows["wordings"]),
    )


def _read(name: str, folders: tuple[Path, ...]) -> list[dict[str, str]]:
    for folder in folders:
        path = folder / f"{name}.csv"
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                return list(csv.DictReader(file))
    places = ", ".join(map(str, folders))
    raise NotificationPolicyError(
        f"no {name}.csv in {places}; publish the rules again, a generation holds every table of the desk"
    )
