"""Seeds of the method and of duties: complete, consistent, and the same facts as the reference folder."""

from __future__ import annotations

import csv
import itertools
import math
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from core.catalogue import load_contracts
from core.severity import RANKS
from orchestration.project import PROJECT, table_of

ROLES = {"lead", "responsible", "build", "monitor", "command", "dispose"}
CITIES = {"420500", "430700", "450100", "520300", "110112", "310115", "310117"}
GRADES = {"text read", "secondary", "unconfirmed", "design"}


# Standard and clause as the list has them, and where they were found to stand since; the figures were not seen.
SEEN_SINCE = {("GB 50863-2013 / AQ 2006", ""): ("GB 50863-2013", "table 4.2.1")}


def rows(name: str) -> list[dict[str, str]]:
    with table_of(PROJECT, f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def reference(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "domain" / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_weights_of_each_group_sum_to_one() -> None:
    sums: dict[tuple[str, str, str], float] = defaultdict(float)
    for row in rows("risk_factor_weights"):
        sums[row["method_version"], row["level"], row["parent"]] += float(row["weight"])
    assert {(level, parent) for _, level, parent in sums} >= {("domain", "all"), ("component", "*")}
    assert all(math.isclose(total, 1) for total in sums.values()), sums


def test_every_kind_of_object_that_the_method_weighs_is_described() -> None:
    weighed = {(row["parent"], row["factor"]) for row in rows("risk_factor_weights") if row["level"] == "subdomain"}
    described = {row["object_type"] for row in rows("signal_bounds")}
    for contract in load_contracts().values():
        if "object" in contract.entities:
            # What is not weighed stands in mart.risk_object with that reason.
            is_weighed = (contract.domain, contract.subdomain) in weighed
            assert not is_weighed or contract.object_type in described, contract.id


def test_signals_are_scaled_or_classed() -> None:
    classes = {row["signal_code"] for row in rows("signal_classes")}
    metrics = {metric for contract in load_contracts().values() for metric in contract.metrics}
    for row in rows("signal_bounds"):
        assert row["evidence_grade"] in GRADES
        assert row["name_zh"]
        assert row["name_en"]
        assert row["source"]
        if row["unit"] == "class":
            assert row["signal_code"] in classes, row["signal_code"]
        else:
            assert float(row["low"]) != float(row["high"]), row["signal_code"]
            assert row["scale"] != "log" or min(float(row["low"]), float(row["high"])) > 0, row["signal_code"]
        if row["kind"] == "reading":
            assert row["input"] in metrics, row["signal_code"]


def test_colour_cuts_leave_no_hole() -> None:
    by_scale: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows("colour_cuts"):
        by_scale[row["method_version"], row["scale"]].append(row)
    for version in {row["method_version"] for row in rows("method_versions")}:
        scales = ("risk_index", "object_risk", "lec", "risk_matrix", "tangent_angle")
        assert {(version, scale) for scale in scales} <= by_scale.keys()
    for cuts in by_scale.values():
        for lower, upper in itertools.pairwise(cuts):
            assert lower["upper_bound"] == upper["lower_bound"]
            assert (lower["upper_inclusive"] == "true") != (upper["lower_inclusive"] == "true")
        assert cuts[-1]["upper_bound"] == ""


def test_each_kind_of_risk_in_each_city_has_one_disposing_organisation() -> None:
    known = {row["organisation_id"] for row in rows("organisations")}
    duties: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows("responsibilities"):
        assert row["organisation_id"] in known
        duties[row["area_code"], row["risk_type"]][row["role"]] += 1
    assert {city for city, _ in duties} == CITIES
    assert all(set(roles) == ROLES and max(roles.values()) == 1 for roles in duties.values())


def test_organisations_form_one_tree_a_city() -> None:
    parents = {row["organisation_id"]: row["parent_id"] for row in rows("organisations")}
    assert {org for org, parent in parents.items() if not parent} == CITIES
    for org in parents:
        steps = 0
        while parents[org]:
            org, steps = parents[org], steps + 1
            assert steps < 5


def test_cas_numbers_pass_their_check_digit() -> None:
    listed = [row["cas_no"] for row in rows("gb18218_table1") if row["cas_no"]]
    assert len(listed) > 80
    for cas in listed:
        digits = [int(sign) for sign in cas.replace("-", "")]
        weighed = sum(place * digit for place, digit in enumerate(reversed(digits[:-1]), 1))
        assert weighed % 10 == digits[-1], cas


@pytest.mark.shared
def test_areas_are_the_divisions_of_the_seven_places(shared_dir: Path) -> None:
    ours = {row["area_code"]: row for row in rows("areas")}
    for row in reference(shared_dir, "divisions.csv"):
        assert ours[row["code"]]["name_zh"] == row["name_zh"]
        assert ours[row["code"]]["name_en"].isascii()
        assert not ours[row["code"]]["valid_to"]
    retired = {code: row["successor_code"] for code, row in ours.items() if row["valid_to"]}
    assert retired == {"450127": "450181", "520321": "520304", "450122": "450110", "420521": "420506"}


@pytest.mark.shared
def test_thresholds_are_the_numeric_ones_with_their_evidence(shared_dir: Path) -> None:
    def numeric(text: str) -> bool:
        try:
            float(text)
        except ValueError:
            return False
        return True

    theirs = Counter(
        (
            float(r["threshold"]),
            r["level"],
            *SEEN_SINCE.get((r["standard"], r["clause"]), (r["standard"], r["clause"])),
            r["evidence_grade"],
        )
        for r in reference(shared_dir, "thresholds.csv")
        if numeric(r["threshold"])
    )
    ours = rows("thresholds")
    assert theirs == Counter(
        (float(r["threshold"]), r["source_label"], r["standard"], r["clause"], r["evidence_grade"]) for r in ours
    )
    assert len({r["rule_id"] for r in ours}) == len(ours)
    assert all(
        r["severity_rank"] == {"red": "4", "orange": "3", "yellow": "2", "blue": "1"}[r["colour"]]
        for r in ours
        if r["colour"]
    )


@pytest.mark.shared
def test_gb18218_tables_are_copied_whole(shared_dir: Path) -> None:
    theirs = {
        (int(r["no"]), cas): (r["critical_quantity_t"], r["beta_table3"])
        for r in reference(shared_dir, "gb18218_table1.csv")
        for cas in r["cas"].split(";")
    }
    ours = {
        (int(r["substance_no"]), r["cas_no"]): (r["critical_quantity_t"], r["beta"]) for r in rows("gb18218_table1")
    }
    assert ours == theirs
    assert [
        (r["symbol"], r["critical_quantity_t"], r["beta_table4"]) for r in reference(shared_dir, "gb18218_table2_4.csv")
    ] == [(r["hazard_class"], r["critical_quantity_t"], r["beta"]) for r in rows("gb18218_table2_4")]


def test_floors_are_of_signals_and_colours_of_the_method() -> None:
    signals = {(row["method_version"], row["signal_code"]) for row in rows("signal_bounds")}
    floors = rows("score_floors")
    assert {row["evidence_grade"] for row in floors} <= GRADES
    for row in floors:
        assert (row["method_version"], row["signal_code"]) in signals
        assert RANKS[row["residual_colour"]] <= RANKS[row["inherent_colour"]]
        assert bool(row["class"]) == (row["comparison"] == "is") == (not row["value"])
    grades = {row["class"]: row["inherent_colour"] for row in floors if row["signal_code"] == "mh_r"}
    assert grades == {row["grade"]: row["colour"] for row in rows("gb18218_grades") if row["colour"] != "blue"}
