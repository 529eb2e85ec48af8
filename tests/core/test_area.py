"""Which area lies in which, whoever asks: an override of a threshold, a person's branch, a matcher of a silence."""

from __future__ import annotations

import pytest

from access.rights import Reader
from alerting.policy.labels import parse
from core.area import branch_of, is_within


@pytest.mark.parametrize(
    ("area", "other", "is_in"),
    [
        ("420502", "420500", True),
        ("420502001", "420502", True),
        ("420502001003", "420502001", True),
        ("420502001003", "420500", True),
        ("310115003", "310000", True),
        ("420500", "420502", False),
        ("420602", "420500", False),
        # One code with and without what fills it up.
        ("420502001000", "420502001", True),
        ("420502001", "420502001000", True),
        ("420502000000", "420502", True),
        ("420500000000", "420000", True),
        # 200 to 399 number the villages of a town: 420502001200 is one of them, and not over the others.
        ("420502001201", "420502001200", False),
        ("420502001200", "420502001200", True),
        ("420502001210", "420502001200", False),
        # 100 is a town beside the street 101, not over it.
        ("420502101", "420502100", False),
    ],
)
def test_an_area_lies_in_another(area: str, other: str, is_in: bool) -> None:
    assert is_within(area, other) is is_in
    assert Reader(area_code=other).may_see(area) is is_in
    assert Reader(area_code=other).area_pattern == f"{branch_of(other)}%"


@pytest.mark.parametrize(("area", "holds"), [("420502001201", False), ("420502001200", True)])
def test_a_matcher_of_a_village_means_no_other_village(area: str, holds: bool) -> None:
    (matcher,) = parse("area_code=420502001200")
    assert matcher.holds({"area_code": area}) is holds
