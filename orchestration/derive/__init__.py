"""Everything that contracts imply as text: staging and conformed models, their yml, seeds, docs pages.

The producers are pure; `write_derived` and `stale` touch the disk. The results are committed, and a test fails when
one of them is not what its contract implies.

Not here: checks (`quality`), Dagster assets (`orchestration.definitions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.catalogue import load_contracts
from core.contract import Contract
from core.system import load_systems
from orchestration.derive import conformed, pages, properties, rules, seeds, staging
from orchestration.derive.rendering import render
from orchestration.systems import CONDITIONS, system_rows

# Folders that hold derived files and nothing else: what derive does not name there is a leftover.
DERIVED_FOLDERS = (
    "dbt_project/models/staging",
    "dbt_project/models/conformed",
    "dbt_project/seeds/generated",
    "docs/feeds",
)


def derive(contracts: Mapping[str, Contract], root: Path) -> dict[Path, str]:
    """Every derived file of the project at `root` with the text it must have."""
    feeds = list(contracts.values())
    texts: dict[str, str] = {}
    texts |= {f"dbt_project/models/staging/{name}": text for name, text in staging.models(feeds).items()}
    texts |= {f"dbt_project/models/staging/{name}": text for name, text in properties.staging(feeds).items()}
    texts |= {f"dbt_project/models/conformed/{name}": text for name, text in conformed.models(feeds).items()}
    texts |= {f"dbt_project/models/conformed/{name}": text for name, text in properties.conformed().items()}
    texts |= {f"dbt_project/seeds/generated/{name}": text for name, text in seeds.tables(feeds).items()}
    texts |= {f"docs/feeds/{name}": text for name, text in pages.pages(feeds).items()}
    return {root / name: text for name, text in texts.items()}


def write_derived(root: Path) -> list[Path]:
    """Bring the derived files of the project at `root` up to date; leftovers go. Returns what changed."""
    wanted = _wanted(root)
    changed = _differing(root, wanted)
    for path in changed:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return changed


def stale(root: Path) -> list[Path]:
    """Derived files that are missing, differ from what the contracts imply, or are left over."""
    return _differing(root, _wanted(root))


def _wanted(root: Path) -> dict[Path, str]:
    texts = derive(load_contracts(root / "systems", is_strict=True), root)
    rule_tables = rules.tables(load_systems(root / "systems").values())
    texts |= {root / rules.FOLDER / name: text for name, text in rule_tables.items()}
    rows = system_rows(root / "systems")
    return {**texts, root / "docs" / "systems.md": render("systems.md.jinja", rows=rows, conditions=CONDITIONS)}


def _differing(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    present = {path for folder in DERIVED_FOLDERS for path in (root / folder).glob("*") if path.is_file()}
    differing = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    return sorted({*differing, *(present - wanted.keys())})
