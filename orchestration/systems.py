"""What is there of every system that the cities describe: the rows of `cityrisk system list` and `docs/systems.md`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.catalogue import load_contract
from core.contract import Contract
from core.declarations import read_declaration
from core.system import CITIES, System, load_planned, load_systems
from orchestration.proofs import CONDITIONS, proofs_of, verdict


@dataclass(frozen=True, slots=True)
class SystemRow:
    """A system with what its folder holds.

    A condition is False where nothing of it is there, and None where nobody has proven it on this commit: a proof is a
    recorded run of named tests, never a guess from files.
    """

    system: System
    contracts: tuple[Contract, ...]
    n_rules: int
    conditions: Mapping[str, bool | None]
    proof: tuple[str, ...] = ()

    @property
    def object_types(self) -> list[str]:
        """Kinds of objects that its feeds register."""
        return sorted({c.object_type for c in self.contracts if c.object_type})

    def as_json(self) -> dict[str, Any]:
        """The row as `cityrisk system list --json` prints it."""
        system = self.system
        return {
            "id": system.id,
            "name_zh": system.name_zh,
            "name_en": system.name_en,
            "domain": system.domain,
            "feeds": [c.id for c in self.contracts],
            "object_types": self.object_types,
            "rules": self.n_rules,
            "sizes": self.sizes,
            "conditions": dict(self.conditions),
            "proof": list(self.proof),
        }

    @property
    def sizes(self) -> dict[str, dict[str, Any]]:
        """City → how many it states, from whom the number comes, how many the simulated city of that name has."""
        stated = {city: count for city in CITIES if (count := self.system.stated(city)) is not None}
        return {
            city: {"stated": count.n, "source": count.source, "built": self.system.built(city)}
            for city, count in stated.items()
        }


def system_rows(root: Path, outcomes: Mapping[str, bool] | None = None) -> list[SystemRow]:
    """Every system under `root` and every planned one, in order of id. Raises DeclarationError.

    `outcomes`: how the tests that prove conditions ended on this commit, by test id; without them nothing is proven.
    """
    systems = load_systems(root)
    contracts = {id: tuple(load_contract(p, is_strict=False) for p in s.contract_paths) for id, s in systems.items()}
    rows = [_row(system, contracts[id], outcomes or {}) for id, system in systems.items()]
    planned = [
        SystemRow(system, (), 0, dict.fromkeys(CONDITIONS, False))
        for id, system in load_planned(root).items()
        if id not in systems
    ]
    return sorted((*rows, *planned), key=lambda row: row.system.id)


def _row(system: System, contracts: tuple[Contract, ...], outcomes: Mapping[str, bool]) -> SystemRow:
    n_rules = _n_rules(system)
    is_there = {"feed": bool(contracts), "model": bool(contracts), "rule": n_rules > 0, "page": bool(contracts)}
    proofs = proofs_of(system.id, [contract.id for contract in contracts])
    conditions = {name: verdict(proofs[name], outcomes) if is_there[name] else False for name in CONDITIONS}
    proof = tuple(test for name in CONDITIONS if is_there[name] for test in proofs[name])
    return SystemRow(system, contracts, n_rules, conditions, proof)


def _n_rules(system: System) -> int:
    path = system.folder / "rules.yaml" if system.folder else None
    return len(read_declaration(path, "rules")["rules"]) if path is not None and path.is_file() else 0
