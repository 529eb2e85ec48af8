"""Read the contracts from disk: the only place that opens contract files."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.compiled import Compiled
from core.contract import Contract, ContractError, parse_contract
from core.system import SYSTEMS_ROOT

log = logging.getLogger(__name__)

_DRAFT = re.compile(r"^status:\s*[\"']?draft\b", re.MULTILINE)  # in the text: such a file may be anything else
FEEDS = "*/*/feeds"  # where contracts stand under the folder of all systems
_ID = re.compile(r"^id:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


def load_contracts(
    root: Path = SYSTEMS_ROOT, *, with_drafts: bool = False, is_strict: bool = False
) -> dict[str, Contract]:
    """The contracts of all systems under `root` by feed id, in id order; drafts only where asked for.

    Processes must start whatever one file says too much: an element that nothing uses is told aloud and let pass,
    unless `is_strict`, and a draft that cannot be loaded is left out where drafts are not asked for. Raises
    ContractError for a file that is not valid ODCS, whose id is not its place, or whose id is taken.
    """
    contracts: dict[str, Contract] = {}
    for path in sorted(root.glob(f"{FEEDS}/*.odcs.yaml")):
        if not with_drafts and _DRAFT.search(path.read_text(encoding="utf-8")):
            continue
        contract = load_contract(path, is_strict=is_strict)
        expected = path.name.removesuffix(".odcs.yaml")
        if contract.id.partition(".")[2] != expected:
            raise ContractError(
                f"{path}: id is {contract.id!r}, expected '<department>.{expected}' as the file is named"
            )
        if contract.id in contracts:
            raise ContractError(f"{path}: id {contract.id!r} is taken by another system's feed; choose a free one")
        if contract.unused:
            log.error("%s: %s; `cityrisk feed check %s`", path, "; ".join(contract.unused), contract.id)
        if with_drafts or not contract.is_draft:
            contracts[contract.id] = contract
    return dict(sorted(contracts.items()))


def feed_ids(root: Path = SYSTEMS_ROOT) -> set[str]:
    """The ids that contract files under `root` give, whether the rest of them is right or not."""
    texts = (path.read_text(encoding="utf-8") for path in root.glob(f"{FEEDS}/*.odcs.yaml"))
    return {found[1] for text in texts if (found := _ID.search(text)) is not None}


def contract_path(feed_id: str, root: Path = SYSTEMS_ROOT) -> Path:
    """Where the contract of a feed stands: `<domain>/<system>/feeds/<feed>.odcs.yaml`. Raises ContractError."""
    name = feed_id.partition(".")[2]
    for path in sorted(root.glob(f"{FEEDS}/{name}.odcs.yaml")):
        if (found := _ID.search(path.read_text(encoding="utf-8"))) is not None and found[1] == feed_id:
            return path
    raise ContractError(f"no contract {feed_id!r} in a folder of {root}; `cityrisk feed list` names those there are")


def owners_of(contracts: Iterable[Contract]) -> dict[tuple[str, str], str]:
    """Domain and subdomain → the department that owns this kind of risk, where no row says who answers for it.

    It is the one whose feed registers the objects; failing that the devices; failing that whoever tells of it at all.
    Of several the first by feed id.
    """
    feeds = sorted(contracts, key=lambda contract: contract.id)
    owners: dict[tuple[str, str], str] = {}
    for entity in ("object", "device", ""):
        for contract in feeds:
            if not entity or entity in contract.entities:
                owners.setdefault((contract.domain, contract.subdomain), contract.department_code)
    return dict(sorted(owners.items()))


def load_contract(path: Path, *, is_strict: bool = True) -> Contract:
    """One contract file, validated against the standard's own schema first."""
    return _parsed(path.read_text(encoding="utf-8"), path.name, is_strict)


@lru_cache(maxsize=1024)  # a contract never changes, and one process asks for the same ones many times
def _parsed(text: str, name: str, is_strict: bool) -> Contract:
    def read() -> dict[str, Any]:
        from core.documents import agreed

        return agreed(text, name, _schema())

    return parse_contract(_compiled().document(text, read), name, is_strict=is_strict)


@cache
def _schema() -> Path:
    """The standard's own schema, found without importing the library that brings it: its models are not needed."""
    package = find_spec("open_data_contract_standard")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("open_data_contract_standard is not installed; `make setup` installs it")
    return Path(package.origin).with_name("schema.json")


@cache
def _compiled() -> Compiled:
    return Compiled("odcs", (_schema(), Path(__file__).with_name("documents.py")))
