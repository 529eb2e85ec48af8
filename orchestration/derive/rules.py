"""The rule tables that the engine reads, from each system's `rules.yaml`: one row a rule, one row a condition."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from core.declarations import DeclarationError, read_declaration, seconds
from core.severity import RANKS
from core.system import System
from orchestration.derive.tables import csv_text

_COMPARISONS = {"at_least": "ge", "above": "gt", "at_most": "le", "below": "lt", "in": "in", "bits": "bits"}
_RULE_COLUMNS = (
    "rule_id",
    "name_zh",
    "name_en",
    "domain",
    "subdomain",
    "object_type",
    "kind",
    "key",
    "feeds",
    "members",
    "is_member_only",
    "hold_s",
    "clear_s",
    "clear_by",
    "part_column",
    "reset_when",
    "n_of",
    "of_last",
    "silence_s",
    "quiet_when",
    "quiet_hours",
    "group_by",
    "distance_m",
    "max_late_s",
    "valid_from",
    "valid_to",
    "standard",
    "clause",
    "evidence_grade",
    "source",
    "version",
)
_CONDITION_COLUMNS = (
    "condition_id",
    "rule_id",
    "group_no",
    "colour",
    "severity_rank",
    "metric",
    "comparison",
    "threshold",
    "codes",
    "clear_threshold",
    "clear_codes",
    "unit",
    "limit_attribute",
    "factor",
    "plus",
    "aggregate",
    "window_minutes",
    "bucket_minutes",
    "bucket_aggregate",
    "min_count",
    "rest_minutes",
    "active_above",
    "applies_to",
    "hours",
    "threshold_id",
    "source_label",
    "standard",
    "clause",
    "evidence_grade",
    "basis",
    "version",
)
_AS_WRITTEN = (
    "part_column",
    "reset_when",
    "n_of",
    "of_last",
    "quiet_when",
    "quiet_hours",
    "group_by",
    "distance_m",
    "valid_from",
    "valid_to",
)
_CONDITION_AS_WRITTEN = (
    "colour",
    "metric",
    "unit",
    "window_minutes",
    "bucket_minutes",
    "bucket_aggregate",
    "min_count",
    "rest_minutes",
    "active_above",
    "applies_to",
    "hours",
    "source_label",
)
_NO_LATENESS = "10 min"

Element = Mapping[str, Any]


def tables(systems: Iterable[System], there: Container[str] | None = None) -> dict[str, str]:
    """File name → CSV of all rules, systems in order of id, rules in the order of their files.

    `there`: ids of the systems that members may be of; those given when None.

    Raises DeclarationError for a file that is not by its schema, and for a condition that is not whole.
    """
    rules: list[dict[str, Any]] = []
    conditions: list[dict[str, Any]] = []
    every = list(systems)
    known = {system.id for system in every} if there is None else there
    for system in every:
        path = system.folder / "rules.yaml" if system.folder else None
        if path is None or not path.is_file():
            continue
        document = read_declaration(path, "rules")
        for rule_id, declared in document["rules"].items():
            rule = without_absent(declared, known)
            if not rule["conditions"]:
                continue
            rules.append(_rule_row(system, rule_id, rule, document["version"]))
            for number, condition in enumerate(rule["conditions"], start=1):
                _confirm_whole(condition, f"{path}: {rule_id}: condition {number}")
                conditions.append(_condition_row(rule_id, rule, condition, document["version"]))
    return {
        "alert_rules.csv": csv_text(_RULE_COLUMNS, rules),
        "alert_conditions.csv": csv_text(_CONDITION_COLUMNS, conditions),
    }


def rule_rows(system: System, rule_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One rule of a folder and its conditions, as the tables have them. Raises DeclarationError for one that is not."""
    path = system.folder / "rules.yaml" if system.folder else None
    document = read_declaration(path, "rules") if path is not None and path.is_file() else {"rules": {}}
    if rule_id not in document["rules"]:
        raise DeclarationError(f"{path}: no rule {rule_id}; expected one of {', '.join(document['rules']) or 'none'}")
    declared = document["rules"][rule_id]
    rule = without_absent(declared, ())
    conditions = [_condition_row(rule_id, rule, one, document["version"]) for one in rule["conditions"]]
    return _rule_row(system, rule_id, rule, document["version"]), conditions


def without_absent(rule: Element, there: Container[str]) -> dict[str, Any]:
    """The rule without members of systems that are not there, and without the groups of conditions that need one.

    What is left still rings; a rule none of whose groups can come true has no conditions.
    """
    members = [member.rpartition(".") for member in rule.get("members", ())]
    absent = {name for system_id, _, name in members if system_id and system_id not in there}
    whole = [{**rule.get("each", {}), **one} for one in rule["conditions"]]
    broken = {one.get("group", 1) for one in whole if one.get("metric") in absent}
    kept = {"members": [name for _, _, name in members if name not in absent]} if members else {}
    return {**rule, **kept, "conditions": [one for one in whole if one.get("group", 1) not in broken]}


def _confirm_whole(condition: Element, place: str) -> None:
    """Raise DeclarationError for a condition that, with what `each` says, is not a whole one."""
    words = [word for word in _COMPARISONS if word in condition]
    if len(words) != 1:
        raise DeclarationError(
            f"{place}: {' and '.join(words) or 'no comparison'} found, expected one of {', '.join(_COMPARISONS)}"
        )
    missing = [name for name in ("metric", "why") if name not in condition]
    if missing:
        raise DeclarationError(f"{place}: no {' and no '.join(missing)}; say it there or under `each`")


def _rule_row(system: System, rule_id: str, rule: Element, version: str) -> dict[str, Any]:
    basis = rule["basis"]
    return {
        "rule_id": rule_id,
        "name_zh": rule["name"]["zh"],
        "name_en": rule["name"]["en"],
        "domain": system.domain,
        "subdomain": system.subdomain,
        "object_type": rule["about"],
        "kind": rule.get("kind", "reading"),
        "key": rule.get("episode_of", "device"),
        "feeds": "|".join(rule.get("feeds", ())),
        "members": "|".join(rule.get("members", ())),
        "is_member_only": "true" if rule.get("is_member_only") else "false",
        "hold_s": seconds(rule.get("hold", "0 s")),
        "clear_s": seconds(rule.get("clear", "0 s")),
        "clear_by": rule.get("clear_by", "reading"),
        "silence_s": seconds(rule["silence"]) if "silence" in rule else None,
        "max_late_s": seconds(rule.get("most_late", _NO_LATENESS)),
        **{name: rule.get(name) for name in _AS_WRITTEN},
        "standard": basis["standard"],
        "clause": basis["clause"],
        "evidence_grade": basis["grade"],
        "source": basis["source"],
        "version": version,
    }


def _condition_row(rule_id: str, rule: Element, condition: Element, version: str) -> dict[str, Any]:
    """One comparison. What has no row of thresholds.csv behind it stands on the basis of its rule, or its own."""
    word = next(word for word in _COMPARISONS if word in condition)
    limit = condition[word]
    of_register: Element = limit if isinstance(limit, dict) else {}
    codes = limit if isinstance(limit, list) else []
    basis = condition.get("basis", {} if "threshold" in condition else rule["basis"])
    return {
        "condition_id": condition.get("id", f"{rule_id}_{condition['colour']}"),
        "rule_id": rule_id,
        "group_no": condition.get("group", 1),
        "severity_rank": RANKS[condition["colour"]],
        "comparison": _COMPARISONS[word],
        "threshold": None if of_register or codes else limit,
        "codes": "|".join(map(str, codes)),
        "clear_threshold": condition.get("clears"),
        "clear_codes": "|".join(map(str, condition.get("clears_in", ()))),
        "limit_attribute": of_register.get("attribute"),
        "factor": of_register.get("factor"),
        "plus": of_register.get("plus"),
        "aggregate": condition.get("aggregate", "last"),
        **{name: condition.get(name) for name in _CONDITION_AS_WRITTEN},
        "threshold_id": condition.get("threshold"),
        "standard": basis.get("standard"),
        "clause": basis.get("clause"),
        "evidence_grade": basis.get("grade"),
        "basis": condition["why"],
        "version": version,
    }
