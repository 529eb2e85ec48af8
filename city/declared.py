"""What `simulation.yaml` of every system declares: how departments and devices fill the feeds, and the incidents."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.catalogue import load_contracts
from core.contract import Contract
from core.declarations import DeclarationError, read_declaration, seconds
from core.system import folders, systems_root

Element = Mapping[str, Any]
Where = Mapping[str, frozenset[Any]]


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows a register has: a count, a count of each kind, or some per row of another register.

    `every_s` and `per_day` are of readings and events: rows over the built days, not things that last.
    """

    count: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)
    each: str = ""
    where: Where | None = None
    times: str = ""
    every_s: int = 0
    per_day: float = 0.0


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the rows of a register stand; see the schema for the words."""

    scatter: str = "towns"
    chain: int = 0
    step_m: float = 0.0
    together_m: float = 0.0
    within_m: float = 0.0


@dataclass(frozen=True, slots=True)
class GoesOn:
    """How a feed goes on after the built days.

    It repeats a period of so many seconds. `holds` are columns that stay at a device's last value, `numbers` is the
    column by which events are numbered on, `stays` are times that do not move.
    """

    period_s: int
    holds: tuple[str, ...] = ()
    numbers: str = ""
    stays: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Department:
    """One served feed. `rows` is None where the rows are made by code of the city, `defects` where none is declared."""

    feed_id: str
    rows: Rows | None
    place: Placing
    columns: Mapping[str, Element]
    file_title: str
    file_days_ago: int
    defects: tuple[Element, ...] | None
    without: frozenset[str]
    goes_on: GoesOn | None


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """What the devices of one pushed feed say, and how often, in seconds."""

    feed_id: str
    every_s: int
    at_most_s: int
    alarming_s: int | None
    chance: float
    where: Where
    system_code: str
    station_class: str
    values: Mapping[str, Element]


@dataclass(frozen=True, slots=True)
class Declared:
    """All systems of a folder: contracts and departments by feed id, kinds of devices, incidents with their key, rules.

    The key of an incident hangs on its system and its place there alone, so that another system moves nothing.
    """

    contracts: Mapping[str, Contract]
    departments: Mapping[str, Department]
    devices: Mapping[str, DeviceKind]
    incidents: tuple[tuple[str, Element], ...]
    rules: Mapping[str, Element]

    def register_of(self, feed_id: str) -> tuple[Contract, str]:
        """The register of a pushed feed, and its column (as the department calls it) that names the devices."""
        named = str(self.contracts[feed_id].server.options.get("register", ""))
        register_id, _, column = named.rpartition(".")
        if register_id not in self.contracts:
            raise DeclarationError(
                f"{feed_id}: register {named!r} of its contract is no column of a feed that is there"
            )
        register = self.contracts[register_id]
        return register, register.column(column).physical_name

    @property
    def registers(self) -> tuple[str, ...]:
        """Feeds that list devices which report by themselves, and those that they hang on."""
        found = {self.register_of(id)[0].id for id, one in self.contracts.items() if one.server.options.get("register")}
        parents = {
            department.rows.each
            for id in found
            if (department := self.departments.get(id)) and department.rows and department.rows.each
        }
        return tuple(sorted(found | parents))


def declared(root: Path | None = None) -> Declared:
    """Every system under `root`, by default the folder of this process. Raises DeclarationError, ContractError."""
    root = root or systems_root(os.environ)
    departments: dict[str, Department] = {}
    devices: dict[str, DeviceKind] = {}
    incidents: list[tuple[str, Element]] = []
    rules: dict[str, Element] = {}
    contracts = load_contracts(root)
    for folder in folders(root):
        if (path := folder / "rules.yaml").is_file():
            rules |= read_declaration(path, "rules")["rules"]
        path = folder / "simulation.yaml"
        if not path.is_file():
            continue
        document = read_declaration(path, "simulation")
        for feed_id in (*document.get("departments", {}), *document.get("devices", {})):
            if feed_id not in contracts:
                raise DeclarationError(
                    f"{path}: {feed_id}: no contract of that id; `cityrisk feed list` names those there are"
                )
        departments |= {id: _department(id, raw) for id, raw in document.get("departments", {}).items()}
        devices |= {id: _device(id, raw) for id, raw in document.get("devices", {}).items()}
        incidents += _incidents(document, folder, path, contracts)
    return Declared(contracts, departments, devices, tuple(incidents), rules)


def suits(row: Mapping[str, Any], where: Where) -> bool:
    """Whether a row of a register has one of the wanted values in each column."""
    return all(row[name] in values for name, values in where.items())


def where_of(raw: Element | None) -> Where:
    """A condition as it is written."""
    return {name: frozenset(values) for name, values in (raw or {}).items()}


def _incidents(
    document: Element, folder: Path, path: Path, contracts: Mapping[str, Contract]
) -> Iterator[tuple[str, Element]]:
    seen: dict[str, int] = {}
    for entry in document.get("incidents", ()):
        for one in (entry, *([entry["beside"]] if "beside" in entry else [])):
            if one["feed"] not in contracts:
                raise DeclarationError(f"{path}: incidents: {one['rule']}: no contract {one['feed']!r}")
        words = f"{folder.parent.name}/{folder.name}/{entry['rule']}/{entry['colour']}"
        seen[words] = seen.get(words, 0) + 1
        yield f"{words}/{seen[words]}", entry


def _department(feed_id: str, raw: Element) -> Department:
    rows, defects = raw.get("rows"), raw.get("defects")
    file = raw.get("file", {})
    return Department(
        feed_id=feed_id,
        rows=_rows(rows) if rows is not None else None,
        place=Placing(**raw.get("place", {})),
        columns=raw.get("columns", {}),
        file_title=file.get("title", ""),
        file_days_ago=file.get("days_ago", 16),
        defects=tuple(defects) if isinstance(defects, list) else None,
        without=frozenset(defects["without"]) if isinstance(defects, dict) else frozenset(),
        goes_on=_goes_on(raw["goes_on"]) if "goes_on" in raw else None,
    )


def _goes_on(raw: Element) -> GoesOn:
    return GoesOn(
        seconds(raw["repeats"]), tuple(raw.get("holds", ())), raw.get("numbers", ""), frozenset(raw.get("stays", ()))
    )


def _rows(raw: str | Element) -> Rows:
    if isinstance(raw, str):
        return Rows(count=raw)
    if "kinds" in raw:
        return Rows(kinds=raw["kinds"])
    return Rows(
        each=raw["each"],
        where=where_of(raw.get("where")),
        times=raw.get("times", ""),
        every_s=seconds(raw["every"]) if "every" in raw else 0,
        per_day=raw.get("per_day", 0.0),
    )


def _device(feed_id: str, raw: Element) -> DeviceKind:
    every_s = seconds(raw["every"])
    return DeviceKind(
        feed_id=feed_id,
        every_s=every_s,
        at_most_s=max(every_s, seconds(raw["at_most"])) if "at_most" in raw else every_s,
        alarming_s=seconds(raw["when_alarming"]) if "when_alarming" in raw else None,
        chance=raw.get("chance", 1.0),
        where=where_of(raw.get("where")),
        system_code=raw.get("system_code", ""),
        station_class=raw.get("station_class", ""),
        values=raw["values"],
    )
