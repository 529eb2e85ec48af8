"""The rows that channels work by: the channels themselves, and the duty offices that they reach.

Read from the newest rules generation like notification policies.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from alerting.cap.tables import CapTables
from alerting.notify.channels.message import Language

Kind = Literal["webhook", "email", "mqtt", "robot", "sms", "cap"]
LONGEST_CARRIER = 15  # the fault's number and the channel's id are one key of 32 letters
TABLES = ("channels", "contacts", "organisations", "cap_levels", "cap_events")


class ChannelConfigError(RuntimeError):
    """A table of the channels is missing or a row cannot be used; says which, and what is expected."""


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One row of channels.csv."""

    channel_id: str
    kind: Kind
    name_zh: str
    name_en: str
    is_public: bool
    carries_faults: bool
    languages: tuple[Language, ...]
    address_env: str
    secret_env: str
    template: str
    expects: str
    per_minute: int
    dry_run: bool


class Directory:
    """Duty offices: an organisation without one of its own is reached at the one above it."""

    def __init__(self, contacts: Iterable[Mapping[str, str]], organisations: Iterable[Mapping[str, str]]) -> None:
        self._contacts = {row["organisation_id"]: row for row in contacts}
        self._parents = {row["organisation_id"]: row["parent_id"] for row in organisations}

    def find(self, target: str, column: str) -> str | None:
        """`duty_phone` or `duty_email` of a unit, None when nobody up to the top has one."""
        holder: str | None = target
        while holder:
            found = self._contacts.get(holder, {}).get(column)
            if found:
                return found
            holder = self._parents.get(holder)
        return None


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """Everything that the workers read from rows."""

    channels: Mapping[str, ChannelRow]
    directory: Directory
    cap: CapTables


def load_channel_config(*folders: Path) -> ChannelConfig:
    """The book from CSV files, each table from the first folder that has it. Raises ChannelConfigError."""
    rows = {name: _read(name, folders) for name in TABLES}
    return ChannelConfig(
        {row["channel_id"]: _channel(row) for row in rows["channels"]},
        Directory(rows["contacts"], rows["organisations"]),
        CapTables.of(rows["cap_levels"], rows["cap_events"]),
    )


def _channel(row: Mapping[str, str]) -> ChannelRow:
    where = f"channels.csv, {row['channel_id']}"
    if row["kind"] not in get_args(Kind):
        raise ChannelConfigError(f"{where}: kind {row['kind']!r} found, expected one of {', '.join(get_args(Kind))}")
    languages = tuple(one for one in get_args(Language) if one in row["languages"].split())
    if not languages or not row["address_env"] or not row["per_minute"].isdigit() or int(row["per_minute"]) < 1:
        raise ChannelConfigError(
            f"{where}: give languages (zh, en), address_env, and per_minute as a whole number from 1"
        )
    if row["carries_faults"] == "true" and len(row["channel_id"]) > LONGEST_CARRIER:
        raise ChannelConfigError(
            f"{where}: a channel that carries feed faults has an id of at most {LONGEST_CARRIER} letters"
        )
    return ChannelRow(
        row["channel_id"],
        row["kind"],  # type: ignore[arg-type]
        row["name_zh"],
        row["name_en"],
        row["is_public"] == "true",
        row["carries_faults"] == "true",
        languages,
        row["address_env"],
        row["secret_env"],
        row["template"],
        row["expects"],
        int(row["per_minute"]),
        row["dry_run"] == "true",
    )


def _read(name: str, folders: tuple[Path, ...]) -> list[dict[str, str]]:
    for folder in folders:
        path = folder / f"{name}.csv"
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                return list(csv.DictReader(file))
    places = ", ".join(map(str, folders))
    raise ChannelConfigError(
        f"no {name}.csv in {places}; publish the rules again, a generation holds every table of channels"
    )
