"""What rules cite is put into each reader's language."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from alerting.policy.notification_policies import NotificationPolicies
from alerting.policy.warning_facts import matters_of
from alerting.rules import load_rules
from alerting.wording import Wording
from core.contract import PLACE_ROLES
from orchestration.project import PROJECT, table_of
from rule_parts import rules_folder

# A place in words needs none; of an unknown device it is said who sent.
SPOT_ROLES = {*PLACE_ROLES, "device"} - {"text"}
# A word of a language; codes of standards, formulas and symbols of units (`km/h`, `%LEL`, `CAP 1.2`) are none.
ENGLISH = re.compile(r"[a-z]{4}|\b(of|by|per|day|low|bit)\b")
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(name="cited")
def _cited(tmp_path: Path) -> set[tuple[str, str]]:
    """(kind, text) of everything that a rule or a condition cites."""
    rules = load_rules(rules_folder(tmp_path)).by_id.values()
    found = {("unit", c.unit) for rule in rules for c in rule.conditions}
    for rule in rules:
        for c in rule.conditions:
            found |= {("standard", c.standard), ("clause", c.clause), ("source_label", c.source_label)}
    return found


def test_nothing_cited_reads_in_the_other_language(policies: NotificationPolicies, cited: set[tuple[str, str]]) -> None:
    for kind, text in cited:
        zh, en = policies.wording.of(kind, text)
        assert not ENGLISH.search(zh.replace("slaProperties", "").replace("msgType", "")), f"{kind}: {text} → {zh}"
        assert not HAN.search(en), f"{kind}: {text} → {en}"


def test_every_wording_is_of_something_cited(cited: set[tuple[str, str]]) -> None:
    texts = cited | {("standard", "突发事件应对法"), ("clause", "art. 61")}  # cited by what people report
    texts |= {("spot", role) for role in SPOT_ROLES}
    texts |= {("unit", name) for name in ("1", "code", "class", "bool")}
    with table_of(PROJECT, "signal_bounds.csv").open(encoding="utf-8", newline="") as file:
        texts |= {("unit", row["unit"]) for row in csv.DictReader(file)}  # in the reasons of the index
    with table_of(PROJECT, "wordings.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["kind"], row["text"]) for row in csv.DictReader(file)]
    assert len(set(rows)) == len(rows)
    assert set(rows) <= texts
    assert {text for kind, text in rows if kind == "spot"} == SPOT_ROLES


@pytest.mark.parametrize(
    ("unit", "value", "threshold", "zh", "en"),
    [
        ("parts", 2.0, 2.0, "火警 2 个部件，限值 2 个部件（GB 1 表24）", "Fire 2 parts, limit 2 parts (GB 1 table 24)"),
        (
            "degC",
            43.434343,
            40.0,
            "火警 43.4343 °C，限值 40 °C（GB 1 表24）",
            "Fire 43.4343 °C, limit 40 °C (GB 1 table 24)",
        ),
        ("1", 5.2, None, "火警 5.2（GB 1 表24）", "Fire 5.2 (GB 1 table 24)"),
        ("", None, None, "火警（GB 1 表24）", "Fire (GB 1 table 24)"),
    ],
)
def test_what_was_found_is_said_in_both(
    policies: NotificationPolicies, unit: str, value: float | None, threshold: float | None, zh: str, en: str
) -> None:
    basis = policies.wording.basis("GB 1", "table 24")
    assert matters_of("火警", "Fire", value, threshold, policies.wording.of("unit", unit), basis) == (zh, en)


def test_what_has_no_row_reads_as_cited() -> None:
    wording = Wording([{"kind": "unit", "text": "s", "zh": "秒", "en": "s"}])
    assert wording.of("clause", "s") == ("s", "s")
    assert wording.of("unit", None) == ("", "")
    assert wording.basis("GB 1", None) == ("GB 1", "GB 1")
