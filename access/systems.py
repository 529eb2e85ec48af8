"""The systems of the city as their folders declare them, and of each what its page is drawn from.

A folder that cannot be read takes its own page away and no other; what is wrong with it is told on the overview.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from access.serving import Home
from core.catalogue import load_contract
from core.contract import Contract, ContractError
from core.declarations import DeclarationError, read_declaration
from core.system import DOMAINS, PagePart, System, folders, load_planned, load_system, systems_root

__all__ = ["DOMAINS", "CitySystem", "CitySystems", "Limit", "Metric", "PagePart", "Planned", "city_systems"]

_ABOVE, _BELOW = ("at_least", "above"), ("at_most", "below")
# What makes a number one that not every reading is compared with.
_NARROWED = frozenset({"aggregate", "applies_to", "hours"})


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity that the system's devices measure."""

    metric: str
    unit: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Limit:
    """One number of a rule: from it on, or down to it, this colour."""

    metric: str
    colour: str
    is_upper: bool
    value: float


@dataclass(frozen=True, slots=True)
class CitySystem:
    """One system with a folder. `page` is empty where system.yaml names no parts: then the usual ones stand."""

    id: str
    name_zh: str
    name_en: str
    domain: str
    subdomain: str
    owner: str
    summary_zh: str
    summary_en: str
    feed_ids: tuple[str, ...]
    object_types: tuple[str, ...]
    device_feed_ids: tuple[str, ...]  # registers of devices
    metrics: tuple[Metric, ...]
    rule_ids: tuple[str, ...]
    limits: tuple[Limit, ...]
    page: tuple[PagePart, ...]

    @property
    def has_devices(self) -> bool:
        """Whether one of its feeds registers devices."""
        return bool(self.device_feed_ids)

    def metric(self, name: str) -> Metric | None:
        """A quantity by its name."""
        return next((one for one in self.metrics if one.metric == name), None)


@dataclass(frozen=True, slots=True)
class Planned:
    """A system that the cities describe and that has no folder yet."""

    id: str
    name_zh: str
    name_en: str
    domain: str


@dataclass(frozen=True, slots=True)
class CitySystems:
    """All systems by id, the planned ones, and what is wrong with folders that could not be read."""

    built: Mapping[str, CitySystem]
    planned: tuple[Planned, ...]
    faults: tuple[str, ...]


def city_systems(home: Home) -> CitySystems:
    """The systems that this home runs with. Read once a process: new folders come with a new start."""
    try:
        return _systems_in(systems_root(home.environment))
    except DeclarationError as error:
        return CitySystems({}, (), (str(error),))


@lru_cache(maxsize=4)
def _systems_in(root: Path) -> CitySystems:
    built: dict[str, CitySystem] = {}
    faults: list[str] = []
    for folder in folders(root):
        try:
            system = load_system(folder)
            if system.id in built:
                raise DeclarationError(f"{folder}/system.yaml: id {system.id} is taken by another folder")
            built[system.id] = _city_system(system, folder)
        except (DeclarationError, ContractError) as error:
            faults.append(str(error))
    try:
        planned = tuple(
            Planned(one.id, one.name_zh, one.name_en, one.domain)
            for one in load_planned(root).values()
            if one.id not in built
        )
    except DeclarationError as error:
        planned = ()
        faults.append(str(error))
    return CitySystems(dict(sorted(built.items())), planned, tuple(faults))


def _city_system(system: System, folder: Path) -> CitySystem:
    loaded = [load_contract(path, is_strict=False) for path in system.contract_paths]
    contracts = [one for one in loaded if not one.is_draft]
    rules = _rules(folder / "rules.yaml")
    return CitySystem(
        id=system.id,
        name_zh=system.name_zh,
        name_en=system.name_en,
        domain=system.domain,
        subdomain=system.subdomain,
        owner=system.owner,
        summary_zh=system.summary_zh,
        summary_en=system.summary_en,
        feed_ids=tuple(contract.id for contract in contracts),
        object_types=tuple(sorted({c.object_type for c in contracts if c.object_type and "object" in c.entities})),
        device_feed_ids=tuple(contract.id for contract in contracts if "device" in contract.entities),
        metrics=_metrics(contracts),
        rule_ids=tuple(rules),
        limits=tuple(sorted(set(_limits(rules.values())), key=lambda one: (one.metric, one.value, one.colour))),
        page=system.page,
    )


def _metrics(contracts: Sequence[Contract]) -> tuple[Metric, ...]:
    """What the contracts call a quantity, the first one that names it."""
    found: dict[str, Metric] = {}
    for contract in contracts:
        for column in contract.columns if "reading" in contract.entities else ():
            if column.is_metric:
                named = Metric(column.name, column.unit or "", column.label_zh, column.description_en)
                found.setdefault(column.name, named)
    return tuple(found.values())


def _rules(path: Path) -> dict[str, dict[str, Any]]:
    rules: dict[str, dict[str, Any]] = read_declaration(path, "rules")["rules"] if path.is_file() else {}
    return rules


def _limits(rules: Iterable[dict[str, Any]]) -> Iterator[Limit]:
    """Numbers that a single reading is compared with, alone and at every object alike."""
    for rule in rules:
        conditions = [{**rule.get("each", {}), **own} for own in rule["conditions"]]
        together = Counter((one["colour"], one.get("group", 1)) for one in conditions)
        for condition in conditions:
            is_alone = together[condition["colour"], condition.get("group", 1)] == 1
            if rule.get("kind", "reading") != "reading" or not is_alone or _NARROWED & condition.keys():
                continue
            for name in (*_ABOVE, *_BELOW):
                value = condition.get(name)
                if isinstance(value, int | float):
                    yield Limit(condition["metric"], condition["colour"], name in _ABOVE, float(value))
