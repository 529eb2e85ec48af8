"""Unit conversion as a straight line, worked out once for a pair of units."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_POWER = re.compile(r"(?<=[a-zA-Z])([23])(?![0-9])")


class UnitError(ValueError):
    """Two units of a contract that do not measure the same thing, or one that is not known."""


@cache
def line(source: str, target: str) -> tuple[float, float]:
    """(a, b) such that a value in `target` is a · value in `source` + b. Raises UnitError.

    Equal units need no dictionary, so a contract may use words that only it knows (`%LEL`, `NTU`).
    """
    if source == target:
        return 1.0, 0.0
    import pint  # half a second: only feeds whose unit differs pay for it

    registry = _registry()
    try:
        zero, one = (_in_target(registry, x, source, target) for x in (0.0, 1.0))
    except (pint.PintError, AttributeError, TypeError, ValueError) as error:
        raise UnitError(f"{source!r} cannot be turned into {target!r}: {error}") from error
    return one - zero, zero


def _in_target(registry: Any, value: float, source: str, target: str) -> float:
    source_factor, source_unit = _split(source)
    target_factor, target_unit = _split(target)
    return float(registry.Quantity(value * source_factor, source_unit).to(target_unit).magnitude) / target_factor


def _split(unit: str) -> tuple[float, str]:
    """`1e4 m3` → (10000.0, `m**3`); `1` → (1.0, dimensionless)."""
    factor, _, name = unit.partition(" ")
    try:
        return float(factor), _POWER.sub(r"**\1", name)
    except ValueError:
        return 1.0, _POWER.sub(r"**\1", unit)


@cache
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry()
    registry.define("CNY = [currency]")
    registry.define("person = []")
    return registry
