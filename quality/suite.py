"""Turn checks into a Great Expectations suite: one expectation on one column of the measured table for each check.

The only file that knows which expectation says what. The library costs seconds to import, so it is imported when a
suite is made, never with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quality.checks import Check

if TYPE_CHECKING:
    import great_expectations as gx


def suite_of(name: str, checks: Sequence[Check]) -> gx.ExpectationSuite:
    """A suite over a one-row table that has one column per check, named by the check's id.

    A maximum of one row is its value; unlike a rule on each value, it does not pass when the value is absent.
    """
    import great_expectations as gx
    from great_expectations.expectations.core.expect_column_max_to_be_between import ExpectColumnMaxToBeBetween

    return gx.ExpectationSuite(
        name=name,
        expectations=[
            ExpectColumnMaxToBeBetween(
                column=check.id, min_value=check.low, max_value=check.high, meta={"check_id": check.id}
            )
            for check in checks
        ],
    )
