"""Which known bad rows are planted in a feed: those that its system declares, else those that its contract allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from city import planting
from city.declared import Department
from city.planting import Change, Planting
from city.profiles import Profile
from core.contract import Column, Contract
from core.declarations import DeclarationError

Element = Mapping[str, Any]
# Rows of each reason in a feed for which nothing is declared, at full size.
_USUAL = 3
_NO_NUMBER = ("异常", "12..5", "E-404")
_BEYOND = 1e4


def plantings(department: Department, contract: Contract, profile: Profile) -> list[Planting]:
    """The row defects of one feed. Raises DeclarationError for a declared one that says not what is wrong."""
    if department.defects is None:
        found = [] if department.rows is None else list(_usual(contract, profile))
        return [one for one in found if one.reason not in department.without]
    return [_declared(entry, contract.id, profile) for entry in department.defects]


def _declared(entry: Element, feed_id: str, profile: Profile) -> Planting:
    how = next((name for name in _CHANGES if name in entry), None)
    if how is None and entry["reason"] != "duplicate":
        raise DeclarationError(
            f"departments/{feed_id}/defects: {entry['reason']}: says not what is wrong; one of {', '.join(_CHANGES)}"
        )
    change = _CHANGES[how](entry, profile) if how else planting.same
    needs = entry.get("needs", [entry["check_digit"]] if how == "check_digit" else ())
    return Planting(
        feed_id, entry["reason"], entry["n"], change, tuple(needs), entry.get("extra", False), entry.get("outcome")
    )


def _divided(entry: Element, profile: Profile) -> Change:
    ((column, by),) = entry["divided"].items()
    return planting.divided(column, by)


def _valued(entry: Element, profile: Profile) -> Change:
    ((column, choices),) = entry["value"].items()
    return planting.value(column, *choices)


def _worded(entry: Element, profile: Profile) -> Change:
    ((column, choices),) = entry["text"].items()
    return planting.text(column, *choices)


_CHANGES: Mapping[str, Callable[[Element, Profile], Change]] = {
    "empty": lambda entry, profile: planting.empty(entry["empty"]),
    "value": _valued,
    "text": _worded,
    "divided": _divided,
    "check_digit": lambda entry, profile: planting.check_digit(entry["check_digit"]),
    "swapped": lambda entry, profile: planting.swapped(*entry["swapped"]),
    "foreign_area": lambda entry, profile: planting.foreign_area(entry["foreign_area"], profile),
    "retired_area": lambda entry, profile: planting.retired_area(entry["retired_area"], profile),
    "earlier": lambda entry, profile: planting.happened_earlier(*entry["earlier"]),
    "later": lambda entry, profile: planting.happens_later(entry["later"], entry.get("days", 0)),
}


def _usual(contract: Contract, profile: Profile) -> Iterator[Planting]:
    """What can be wrong with a register by its contract alone; good objects keep a good row."""

    def bad(reason: str, change: Change, *, extra: bool = True, needs: tuple[str, ...] = ()) -> Planting:
        return Planting(contract.id, reason, _USUAL, change, needs, extra)

    keyed = [column for column in contract.columns if column.key_position is not None]
    # The key itself is what an added bad row is known by: another required column is emptied.
    required = next((c for c in contract.columns if c.required and c.key_position is None), None)
    if required is not None:
        yield bad("missing_key", planting.empty(required.physical_name))
    free = [column for column in contract.columns if column not in keyed and column is not required]
    if (wordy := next((c for c in free if c.allowed or c.value_map), None)) is not None:
        yield bad("wrong_type", planting.value(wordy.physical_name, "不明", "??"))
    elif contract.server.kind == "files" and (number := next((c for c in free if _is_number(c)), None)) is not None:
        yield bad("wrong_type", planting.text(number.physical_name, *_NO_NUMBER))
    for column in free:
        if _is_number(column) and column.concept not in ("lon", "lat") and column.maximum is not None:
            beyond = column.maximum + _BEYOND
            yield bad(
                "out_of_range",
                planting.value(
                    column.physical_name, int(beyond) if column.logical_type == "integer" else float(beyond)
                ),
            )
            break
    if (area := next((c for c in contract.columns if c.code_list == "area"), None)) is not None:
        yield bad("unknown_area_code", planting.foreign_area(area.physical_name, profile))
        yield bad("retired_area_code", planting.retired_area(area.physical_name, profile), extra=False)
    lon, lat = contract.by_concept("lon"), contract.by_concept("lat")
    if lon is not None and lat is not None:
        yield bad("swapped_lat_lon", planting.swapped(lon.physical_name, lat.physical_name), extra=False)
    if (digits := next((c for c in contract.columns if c.check_digit == "uscc"), None)) is not None:
        name = digits.physical_name
        yield bad("bad_check_digit", planting.check_digit(name), extra=False, needs=(name,))
    yield bad("duplicate", planting.same)


def _is_number(column: Column) -> bool:
    return column.logical_type in ("number", "integer") and not column.fault_codes
