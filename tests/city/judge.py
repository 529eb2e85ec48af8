"""A second opinion on every served row: the reason codes' definitions, applied to the contracts word for word."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import cn2an
import yaml
from stdnum.cn import ric, uscc

BEIJING = timezone(timedelta(hours=8))
FACTORS = {"kg": 1e-3, "km": 1e3}
SLIPS = {"MPa": 1e3, "kPa": 10.0}


@dataclass
class Column:
    """One property of a contract as the judge needs it."""

    name: str
    kind: str
    required: bool
    is_key: bool
    options: dict[str, Any]
    allowed: set[str] | None
    extra: dict[str, Any]


@dataclass
class Judge:
    """Judges the rows of one feed in turn; `area_codes` are the 6-digit codes in force."""

    contract: Path
    area_codes: set[str]
    retired: set[str]
    received_at: datetime
    columns: list[Column] = field(default_factory=list)
    seen: set[tuple[Any, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Read the contract."""
        raw = yaml.safe_load(self.contract.read_text(encoding="utf-8"))
        for entry in raw["schema"][0]["properties"]:
            extra = {p["property"]: p["value"] for p in entry.get("customProperties", [])}
            listed = {e["value"] for e in entry["enum"]} if "enum" in entry else None
            allowed = set(extra["valueMap"]) if "valueMap" in extra else listed
            options = entry.get("logicalTypeOptions", {})
            kind, required = entry["logicalType"], bool(entry.get("required"))
            column = Column(
                entry["physicalName"], kind, required, bool(entry.get("primaryKey")), options, allowed, extra
            )
            self.columns.append(column)

    def reasons(self, row: dict[str, Any]) -> list[str]:
        """Every reason that the row satisfies, in the order of checking; an exact copy is judged as nothing else."""
        whole = tuple(str(row.get(column.name)) for column in self.columns)
        if whole in self.seen:
            return ["duplicate"]
        self.seen.add(whole)
        found: list[str] = []
        values: dict[str, Any] = {}
        for column in self.columns:
            cell = row.get(column.name)
            if cell is None:
                found += ["missing_key"] * column.required
                continue
            try:
                values[column.name] = self._value(column, cell)
            except ValueError:
                found.append("wrong_type")
        if self._swapped(values):
            found.append("swapped_lat_lon")
        for column in self.columns:
            if column.name in values:
                found += self._limits(column, values[column.name])
        return found + self._times(values)

    def _value(self, column: Column, cell: Any) -> Any:
        text = unicodedata.normalize("NFKC", str(cell)).strip()
        if column.kind in ("number", "integer"):
            return _number(text) * FACTORS.get(column.extra.get("sourceUnit", ""), 1.0)
        if column.kind in ("timestamp", "date"):
            return _moment(text, column.extra["sourceFormats"])
        if column.allowed is not None and (text.lower() if text in ("True", "False") else text) not in column.allowed:
            raise ValueError(text)
        if (pattern := column.options.get("pattern")) and not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    def _swapped(self, values: dict[str, Any]) -> bool:
        places = {column.extra.get("concept"): column.name for column in self.columns}
        lon, lat = values.get(places.get("lon", "")), values.get(places.get("lat", ""))
        if lon is None or lat is None or not (3 <= lon <= 54 and 73 <= lat <= 136):
            return False
        values[places["lon"]], values[places["lat"]] = lat, lon
        return True

    def _limits(self, column: Column, value: Any) -> list[str]:
        if column.extra.get("codeList") == "area":
            code = value[:6]
            return (
                ["retired_area_code"] if code in self.retired else ["unknown_area_code"] * (code not in self.area_codes)
            )
        if check := column.extra.get("checkDigit"):
            module = {"uscc": uscc, "resident_id": ric}[check]
            return ["bad_check_digit"] * (module.calc_check_digit(value if module is ric else value[:-1]) != value[-1])
        if not isinstance(value, float):
            return []
        if "plausible" in column.extra:
            low, high = column.extra["plausible"]
            slips = [value * SLIPS[unit] for unit in column.extra["unitSlips"]]
            if not low <= value <= high and any(low <= other <= high for other in slips):
                return ["unit_mismatch"]
        low, high = column.options.get("minimum", float("-inf")), column.options.get("maximum", float("inf"))
        return ["out_of_range"] * (not low <= value <= high)

    def _times(self, values: dict[str, Any]) -> list[str]:
        by_concept = {column.extra.get("concept"): column.name for column in self.columns}
        event_name = by_concept.get("observed_at") or by_concept.get("occurred_at")
        event = values.get(event_name or "")
        if event is None:
            return []
        sent = values.get(by_concept.get("transmitted_at", ""))
        if event > (sent or self.received_at) + timedelta(minutes=10):
            return ["future_time"]
        return ["late"] if sent is not None and sent - event > timedelta(days=2) else []


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        if not re.fullmatch("[零一二三四五六七八九十百千万]+", text):
            raise
    return float(cn2an.cn2an(text, "smart"))


def _moment(text: str, formats: list[str]) -> datetime:
    for form in formats:
        try:
            moment = datetime.strptime(text, form)  # noqa: DTZ007 — the source has no offset
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)).astimezone(UTC)
    raise ValueError(text)
