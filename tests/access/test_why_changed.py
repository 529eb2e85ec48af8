"""The difference of an index between two days is split into causes that sum to it."""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from access.rights import CITY_WIDE, Reader
from access.serving import Mart
from access.why_changed import Difference, why_changed

BEFORE, AFTER = date(2026, 6, 14), date(2026, 6, 15)
CITY = "420500"
Factors = dict[str, tuple[float, float]]  # name → weight, value


def mart_of(days: dict[date, tuple[str, Factors]]) -> Mart:

    connection = duckdb.connect(":memory:")
    connection.execute(
        "create schema mart; create table mart.risk_contribution (as_of_date date, area_code text, domain text,"
        " factor text, component text, method_version text, weight double, factor_value double, reason_zh text,"
        " reason_en text)"
    )
    for day, (method, factors) in days.items():
        for name, (weight, value) in factors.items():
            row = [day, CITY, "all", name, name.partition(".")[2], method, weight, value, f"{name}因", f"why {name}"]
            connection.execute("insert into mart.risk_contribution values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    return Mart(connection, Path("20260615T000000000000.duckdb"), datetime(2026, 6, 15, tzinfo=UTC))


def difference(before: tuple[str, Factors], after: tuple[str, Factors]) -> Difference:
    with mart_of({BEFORE: before, AFTER: after}) as mart:
        found = why_changed(mart, CITY_WIDE, CITY, "all", BEFORE, AFTER)
    assert found is not None
    return found


def assert_exact(found: Difference) -> None:
    moved = found.value_to - found.value_from
    assert math.fsum(step.points for step in found.steps) == pytest.approx(moved, abs=1e-9)
    assert math.fsum(found.by_kind.values()) == pytest.approx(moved, abs=1e-9)


def test_worked_numbers() -> None:
    """Two factors of weight 0.5: e^(0.5 ln 0.64 + 0.5 ln 0.25) is 0.4; the first one rises to 1, so 0.5."""
    found = difference(
        ("m", {"a.hazard": (0.5, 0.64), "a.exposure": (0.5, 0.25)}),
        ("m", {"a.hazard": (0.5, 1.0), "a.exposure": (0.5, 0.25)}),
    )
    assert (found.value_from, found.value_to) == (pytest.approx(40), pytest.approx(50))
    (step,) = found.steps
    assert (step.kind, step.factor, step.reason_en) == ("facts", "a.hazard", "why a.hazard")
    assert step.points == pytest.approx(10)


@pytest.mark.parametrize("seed", range(20))
def test_the_steps_sum_to_the_difference(seed: int) -> None:
    rng = random.Random(seed)
    names = [f"{sub}.{part}" for sub in "abc" for part in ("hazard", "exposure", "vulnerability")]

    def one(method: str) -> tuple[str, Factors]:
        chosen = rng.sample(names, rng.randint(1, len(names)))
        return method, {name: (rng.uniform(0, 0.4), rng.uniform(0.01, 1)) for name in chosen}

    found = difference(one("m"), one(rng.choice(["m", "n"])))
    assert_exact(found)
    sizes = [abs(step.points) for step in found.steps]
    assert sizes == sorted(sizes, reverse=True)


def test_each_cause_has_its_kind() -> None:
    before: Factors = {"a.hazard": (0.4, 0.2), "a.exposure": (0.3, 0.5), "b.hazard": (0.3, 0.9)}
    more_people = difference(("m", before), ("m", {**before, "a.exposure": (0.3, 0.6)}))
    assert more_people.by_kind.keys() == {"population"}
    weighed = difference(("m", before), ("n", {**before, "a.hazard": (0.5, 0.2), "a.exposure": (0.2, 0.5)}))
    assert weighed.by_kind.keys() == {"weights"}
    computed = difference(("m", before), ("n", {**before, "a.hazard": (0.4, 0.3)}))
    assert computed.by_kind.keys() == {"method"}
    came = difference(("m", before), ("m", {**before, "c.hazard": (0.1, 0.5)}))
    assert came.by_kind.keys() == {"coverage"}
    for found in (more_people, weighed, computed, came):
        assert_exact(found)
    nothing = difference(("m", before), ("m", before))
    assert (nothing.steps, nothing.by_kind) == ((), {})


def test_a_day_without_a_value_or_beyond_the_branch_has_no_answer() -> None:
    with mart_of({BEFORE: ("m", {"a.hazard": (1.0, 0.5)})}) as mart:
        assert why_changed(mart, CITY_WIDE, CITY, "all", BEFORE, AFTER) is None
    with mart_of({day: ("m", {"a.hazard": (1.0, 0.5)}) for day in (BEFORE, AFTER)}) as mart:
        assert why_changed(mart, Reader(area_code="420502"), CITY, "all", BEFORE, AFTER) is None
        assert why_changed(mart, Reader(area_code="420500"), CITY, "all", BEFORE, AFTER) is not None
