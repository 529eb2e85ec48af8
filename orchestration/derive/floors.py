"""Floors of object scores: the colour that an object never falls below while a signal says so, however few are exposed.

A floor stands on a class of a register (or a grade of GB 18218), or on the conditions of a rule of the same folder, so
that no threshold is written down twice. It holds from one version of the method on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from core.declarations import DeclarationError
from core.severity import RANKS
from core.system import System
from orchestration.derive.rules import rule_rows
from orchestration.derive.tables import Row

FLOORS = (
    "method_version",
    "signal_code",
    "comparison",
    "value",
    "class",
    "inherent_colour",
    "residual_colour",
    "current_colour",
    "name_zh",
    "name_en",
    "source",
    "evidence_grade",
)
_RISING, _FALLING = ("ge", "gt"), ("le", "lt")


def rows(system: System, signals: Iterable[tuple[str, Row]], versions: Sequence[str]) -> Iterator[Row]:
    """One row a version and step of each signal that states floors. Raises DeclarationError."""
    for code, signal in signals:
        if "floors" not in signal:
            continue
        floors, place = signal["floors"], f"{system.folder}/system.yaml: index: {code}: floors"
        if floors["since"] not in versions:
            raise DeclarationError(
                f"{place}: since {floors['since']} found, expected one of {', '.join(versions)} "
                "(systems/_house/risk_factor_weights.csv)"
            )
        steps = list(_of_rule(system, signal, place) if "rule" in floors else _of_classes(signal, place))
        for version in versions[versions.index(floors["since"]) :]:
            yield from ({"method_version": version, "signal_code": code, **step} for step in steps)


def _of_classes(signal: Row, place: str) -> Iterator[Row]:
    """A class or grade each, with what nature and what is left of it are at least."""
    floors = signal["floors"]
    for name, colours in floors["classes"].items():
        if "classes" in signal and name not in signal["classes"]:
            raise DeclarationError(f"{place}: class {name} found, expected one of {', '.join(signal['classes'])}")
        if RANKS[colours["residual"]] > RANKS[colours["inherent"]]:
            raise DeclarationError(
                f"{place}: class {name}: residual {colours['residual']} is worse than inherent {colours['inherent']}; "
                "measures make no risk greater"
            )
        yield {
            "comparison": "is",
            "class": name,
            "inherent_colour": colours["inherent"],
            "residual_colour": colours["residual"],
            "current_colour": colours["residual"],
            "name_zh": colours["zh"],
            "name_en": colours["en"],
            "source": floors["source"],
            "evidence_grade": floors["grade"],
        }


def _of_rule(system: System, signal: Row, place: str) -> Iterator[Row]:
    """The conditions of a rule on the same metric and side: measures take nothing off what is breached."""
    floors = signal["floors"]
    low, high = signal["bounds"]
    wanted = _RISING if low < high else _FALLING
    rule, conditions = rule_rows(system, floors["rule"])

    def basis(row: Row, name: str) -> str:
        return str(row[name] or rule[name])

    found = [
        {
            "comparison": row["comparison"],
            "value": row["factor"] if row["limit_attribute"] else row["threshold"],
            "inherent_colour": row["colour"],
            "residual_colour": row["colour"],
            "current_colour": row["colour"],
            "source": f"rule {floors['rule']}: {basis(row, 'standard')}, {basis(row, 'clause')}",
            "evidence_grade": basis(row, "evidence_grade"),
        }
        for row in conditions
        if row["comparison"] in wanted
        and row["metric"] == signal["reading"]
        and row["limit_attribute"] == signal.get("ratio_to")
        and row["plus"] is None
        and RANKS[row["colour"]] >= RANKS[floors["mildest"]]
    ]
    if not found:
        raise DeclarationError(
            f"{place}: rule {floors['rule']} has no condition on {signal['reading']} from {floors['mildest']} on that "
            "this signal can be held against: the same metric, side and column of the register"
        )
    yield from found
