"""Rows of an upload: one for each factor, and one wide row for what a feed of one kind of device wants.

- `factor`: one row a factor and message, whatever the medium; times, period, code, quantity and unit of the standard's
  table, values, and the factor's own flag.
- `dust` and `water`: one row a message, columns named `<code>-<Field>` with codes of 2017 (`a34002-Rtd`), also for
  devices that send codes of 2005. Which of the two a message fills is read from its factors, because devices send
  under wrong system codes: particulates (or system 39) make `dust`, water factors make `water`.
- `facility`: state or run time of treatment facilities (2021, 2041).

Only N is a valid measurement (6.6.4 table 8). A wide row has one quality flag for all its values: where no value is
normal, the row carries the worst flag and keeps its values; where some are, the row is normal and the others are None,
with their letter in `<code>-Flag`. No flag at all counts as normal: many devices send none. Values that are no number
are None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from ingest.protocols.frame import Record, Value
from ingest.protocols.hj212.codes import (
    FACILITY_COMMANDS,
    FACILITY_STATES,
    FLAGS,
    ILLS,
    NUMBERS,
    UNKNOWN_FLAG,
    Command,
)
from ingest.protocols.hj212.factors import FACTORS, WATER, Factor, present_code
from ingest.protocols.hj212.segment import Segment

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")

# How long after DataTime a value may be sent and still count as fresh; the time label of a span is its start.
_FRESH = {
    "realtime": timedelta(minutes=15),
    "minute": timedelta(hours=1),
    "hour": timedelta(hours=3),
    "day": timedelta(days=2),
}

_PARTICULATES = ("a34001", "a34002", "a34004")
_DUST_SYSTEM = "39"
_WIDE: Mapping[str, Mapping[str, Factor]] = {
    "dust": {
        code: FACTORS[code]
        for code in (*_PARTICULATES, "a34005", "LA", "a01001", "a01002", "a01006", "a01007", "a01008")
    },
    "water": {factor.code: factor for factor in WATER},
}
_WIDE_FIELDS = ("Rtd", "Min", "Avg", "Max", "Cou", "Flag")

_WHEN = ("device_id", "observed_at", "transmitted_at", "is_backfill", "system_code", "period")
RECORD_FIELDS: Mapping[str, tuple[str, ...]] = {
    "factor": (
        *_WHEN,
        "factor_code",
        "sent_code",
        "quantity",
        "unit",
        "total_unit",
        *NUMBERS.values(),
        "flag",
        "device_flag",
        "quality_flag",
    ),
    "facility": (*_WHEN, "facility", "run_state", "run_h"),
    **{
        kind: (*_WHEN, "quality_flag", *(f"{code}-{field}" for code in codes for field in _WIDE_FIELDS))
        for kind, codes in _WIDE.items()
    },
}


def records_of(
    segment: Segment, command: Command, observed_at: datetime | None, transmitted_at: datetime | None
) -> tuple[Record, ...]:
    """All rows of one upload; none for requests, settings and answers."""
    if not command.period or not segment.factors:
        return ()
    when = _when(segment, command, observed_at, transmitted_at)
    if segment.head["CN"] in FACILITY_COMMANDS:
        return tuple(_facilities(segment, when))
    return (*_factors(segment, when), *_wide_rows(segment, when))


def quality_of(flag: str | None) -> str:
    """A flag letter as the word that feeds use."""
    return FLAGS.get(flag.upper(), UNKNOWN_FLAG) if flag else "normal"


def _when(
    segment: Segment, command: Command, observed_at: datetime | None, transmitted_at: datetime | None
) -> dict[str, Value]:
    when: dict[str, Value] = {
        "device_id": segment.head["MN"],
        "observed_at": observed_at.isoformat() if observed_at else None,
        "system_code": segment.head["ST"],
        "period": command.period,
    }
    if transmitted_at:
        when["transmitted_at"] = transmitted_at.isoformat()
        if observed_at:
            when["is_backfill"] = transmitted_at - observed_at > _FRESH[command.period]
    return when


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _factors(segment: Segment, when: Mapping[str, Value]) -> Iterator[Record]:
    for sent_code, values in segment.factors.items():
        numbers: dict[str, Value] = {NUMBERS[name]: _number(text) for name, text in values.items() if name in NUMBERS}
        if not numbers:
            continue
        code = present_code(sent_code)
        row: dict[str, Value] = {**when, "factor_code": code, "sent_code": sent_code, **numbers}
        if factor := FACTORS.get(code):
            row |= {"quantity": factor.quantity, "unit": factor.unit}
            if factor.total_unit:
                row["total_unit"] = factor.total_unit
        if "EFlag" in values:
            row["device_flag"] = values["EFlag"]
        if flag := values.get("Flag"):
            row["flag"] = flag
        row["quality_flag"] = quality_of(flag)
        yield Record("factor", row)


def _facilities(segment: Segment, when: Mapping[str, Value]) -> Iterator[Record]:
    for facility, values in segment.factors.items():
        row: dict[str, Value] = {**when, "facility": facility}
        if "RS" in values:
            row["run_state"] = FACILITY_STATES.get(values["RS"])
        if "RT" in values:
            row["run_h"] = _number(values["RT"])
        if len(row) > len(when) + 1:
            yield Record("facility", row)


def _wide_rows(segment: Segment, when: Mapping[str, Value]) -> Iterator[Record]:
    by_code: dict[str, dict[str, str]] = {}
    for sent_code, values in segment.factors.items():
        by_code.setdefault(present_code(sent_code), {}).update(values)
    dusty = segment.head["ST"] == _DUST_SYSTEM or not by_code.keys().isdisjoint(_PARTICULATES)
    for kind, codes in _WIDE.items():
        if kind == "dust" and not dusty:
            continue
        found = {code: values for code, values in by_code.items() if code in codes}
        columns = {
            code: {name: _number(values[name]) for name in _WIDE_FIELDS if name in values and name != "Flag"}
            for code, values in found.items()
        }
        if any(columns.values()):
            yield Record(kind, _wide_row(columns, found, when))


def _wide_row(
    columns: Mapping[str, Mapping[str, float | None]],
    sent: Mapping[str, Mapping[str, str]],
    when: Mapping[str, Value],
) -> dict[str, Value]:
    qualities = {code: quality_of(sent[code].get("Flag")) for code, values in columns.items() if values}
    some_normal = "normal" in qualities.values()
    row: dict[str, Value] = {**when, "quality_flag": "normal"}
    if not some_normal:
        row["quality_flag"] = min(qualities.values(), key=ILLS.index)
    for code, values in columns.items():
        keep = not some_normal or qualities.get(code) == "normal"
        row |= {f"{code}-{name}": value if keep else None for name, value in values.items()}
        if flag := sent[code].get("Flag"):
            row[f"{code}-Flag"] = flag
    return row
