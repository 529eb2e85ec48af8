"""Everything that the folders of systems imply as text: staging and conformed models, their yml, seeds, docs pages.

Pure but for reading those folders. What dbt reads is never committed; pages for people and one snapshot of columns are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.catalogue import load_contracts
from core.contract import Contract
from core.system import load_systems
from orchestration.derive import (
    columns,
    conformed,
    duties,
    guides,
    index,
    pages,
    properties,
    rules,
    seeds,
    signs,
    staging,
)
from orchestration.derive.rendering import render
from orchestration.proofs import CONDITIONS
from orchestration.systems import system_rows


def project_texts(systems: Path, *, is_strict: bool = False) -> dict[str, str]:
    """What dbt reads and nobody writes by hand, by its place in the project's build folder.

    `is_strict`: an element of a contract that nothing uses is an error. Raises ContractError and DeclarationError.
    """
    return contract_texts(load_contracts(systems, is_strict=is_strict)) | declared_tables(systems)


def declared_tables(systems: Path) -> dict[str, str]:
    """Of `project_texts`, the seeds that the declarations beside the contracts imply. Raises DeclarationError."""
    every = list(load_systems(systems).values())
    alerting = rules.tables(every) | guides.tables(systems, every)
    places = duties.tables(systems, every, alerting["alert_conditions.csv"])
    alerting["alert_overrides.csv"] = places.pop("alert_overrides.csv")
    risk = index.tables(systems, every) | signs.tables(systems, every) | places
    return {
        **{f"seeds/generated/{name}": text for name, text in seeds.system_tables(every).items()},
        **{f"seeds/{name}": text for name, text in risk.items()},
        **{f"seeds/alerting/{name}": text for name, text in alerting.items()},
    }


def contract_texts(contracts: Mapping[str, Contract]) -> dict[str, str]:
    """Of `project_texts`, what the contracts alone imply."""
    feeds = list(contracts.values())
    return {
        **{f"models/staging/{name}": text for name, text in staging.models(feeds).items()},
        **{f"models/staging/{name}": text for name, text in properties.staging(feeds).items()},
        **{f"models/conformed/{name}": text for name, text in conformed.models(feeds).items()},
        **{f"models/conformed/{name}": text for name, text in properties.conformed().items()},
        **{f"seeds/generated/{name}": text for name, text in seeds.tables(feeds).items()},
    }


def document_texts(systems: Path) -> dict[str, str]:
    """What people read and review, by its place in the checkout. Raises ContractError and DeclarationError."""
    feeds = list(load_contracts(systems, is_strict=True).values())
    return {
        **{f"docs/feeds/{name}": text for name, text in pages.pages(feeds).items()},
        "docs/columns.csv": columns.snapshot(feeds),
        "docs/systems.md": render("systems.md.jinja", rows=system_rows(systems), conditions=CONDITIONS),
    }
