"""What is wrong with a `simulation.yaml` beyond its form: columns, counts, rules and metrics that are not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from city.clock import Span
from city.declared import Declared, declared
from city.geography import load_counties
from city.live.devices import declared_devices
from city.profiles import CITIES, load_profile, sizes_of
from city.registers import draw_registers
from city.streams import Streams
from core.contract import Contract, ContractError
from core.declarations import DeclarationError, read_declaration
from core.documents import line_of
from core.system import System, load_systems

Element = Mapping[str, Any]
Fault = tuple[tuple[str | int, ...], str]
_counties, _profile = cache(load_counties), cache(load_profile)
_SMALLEST, _ANY_DAY = 0.001, datetime(2026, 1, 1, tzinfo=UTC)


def simulation_faults(root: Path, only: str | None = None) -> list[str]:
    """Faults of the simulations under `root`, or of that of the system `only`; '' where nothing can be read at all."""
    try:
        systems, simulated = load_systems(root), declared(root)
        for city in CITIES:
            sizes_of(city, root)
    except (DeclarationError, ContractError) as error:
        return [str(error)]
    rules = _rules(systems)
    faults: list[str] = []
    for system in systems.values():
        path = None if system.folder is None else system.folder / "simulation.yaml"
        if path is None or not path.is_file() or only not in (None, system.id):
            continue
        document = read_declaration(path, "simulation")
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        found = [*_department_faults(document, system, simulated), *_device_faults(document, simulated)]
        found += _incident_faults(document, simulated, rules)
        faults += [f"{path}:{line_of(node, place)}: {'/'.join(map(str, place))}: {text}" for place, text in found]
        if not found:
            faults += [f"{path}: {text}" for text in _trial_faults(document, system, simulated, root)]
    return faults


def _rules(systems: Mapping[str, System]) -> dict[str, set[str]]:
    """Rules of all systems to the colours that they can have."""
    found: dict[str, set[str]] = {}
    for system in systems.values():
        path = None if system.folder is None else system.folder / "rules.yaml"
        if path is not None and path.is_file():
            for rule_id, rule in read_declaration(path, "rules")["rules"].items():
                found[rule_id] = {condition["colour"] for condition in rule.get("conditions", ())}
    return found


def _department_faults(document: Element, system: System, simulated: Declared) -> Iterator[Fault]:
    for feed_id, raw in document.get("departments", {}).items():
        place, contract = ("departments", feed_id), simulated.contracts[feed_id]
        rows = simulated.departments[feed_id].rows
        if rows is None:
            continue
        for count in {rows.count, rows.times, *rows.kinds.values()} - {"", *system.scalings}:
            yield (*place, "rows"), f"{count!r} does not stand under counts; there are {_listed(system.scalings)}"
        known = {column.physical_name: column for column in contract.columns}
        made = raw.get("columns", {})
        for name in made:
            if name not in known and not name.startswith("_"):
                yield (*place, "columns", name), f"no such column in the contract; there are {_listed(known)}"
        for name, column in known.items():
            if column.required and name not in made:
                yield (*place, "columns"), f"{name!r} is required by the contract and has no generator; add one"


def _device_faults(document: Element, simulated: Declared) -> Iterator[Fault]:
    for feed_id, raw in document.get("devices", {}).items():
        contract = simulated.contracts[feed_id]
        yield from _metric_faults(("devices", feed_id, "values"), raw["values"], contract)


def _metric_faults(place: tuple[str | int, ...], names: Element, contract: Contract) -> Iterator[Fault]:
    known = {column.name for column in contract.columns}
    for name in names:
        if name not in known:
            yield (*place, name), f"no column of {contract.id}; there are {_listed(known)}"


def _incident_faults(document: Element, simulated: Declared, rules: Mapping[str, set[str]]) -> Iterator[Fault]:
    for number, entry in enumerate(document.get("incidents", ())):
        place = ("incidents", number)
        for where, one in ((place, entry), *([((*place, "beside"), entry["beside"])] if "beside" in entry else [])):
            yield from _metric_faults((*where, "curves"), one.get("curves", {}), simulated.contracts[one["feed"]])
            for rule_id, colour in ((one["rule"], one["colour"]), *one.get("also", ())):
                if rule_id not in rules:
                    yield (*where, "rule"), f"no rule {rule_id!r} in any rules.yaml"
                elif rules[rule_id] and colour not in rules[rule_id]:
                    yield (*where, "colour"), f"{rule_id} has no {colour}; it has {_listed(rules[rule_id])}"


def _trial_faults(document: Element, system: System, simulated: Declared, root: Path) -> Iterator[str]:
    """What a trial at the smallest scale stumbles over, in the first city that counts the system."""
    city = next((city for city in CITIES if system.sizes.get(city)), None)
    own = document.get("departments", {}).keys()
    departments = {id: one for id, one in simulated.departments.items() if id in own and one.rows and not one.rows.each}
    if city is None or not departments:
        return
    profile, streams, span = _profile(city, root), Streams(city, 1), Span(_ANY_DAY, 1)
    own_only, counties = replace(simulated, departments=departments), _counties(profile.code)
    try:
        tables = draw_registers(own_only, profile, counties, span, streams, _SMALLEST, {})
        for feed_id in document.get("devices", {}):
            register = simulated.register_of(feed_id)[0].id
            if register in tables:
                declared_devices(simulated, feed_id, tables[register].frame.to_dicts(), city, 1)
    except DeclarationError as error:
        yield str(error)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
