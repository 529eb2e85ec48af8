"""Read the contracts from disk: the only place that opens contract files."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

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
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise ContractError(f"{name}: not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ContractError(f"{name}: a {type(document).__name__} found, expected an ODCS mapping")
    for problem in _validator().iter_errors(document):
        where = "/".join(str(part) for part in problem.instance_path) or "document"
        raise ContractError(f"{name}: {where}: {problem.message}; see the Open Data Contract Standard")
    return parse_contract(document, name, is_strict=is_strict)


class _Loader(yaml.CSafeLoader):
    """YAML of JSON's types: dates stay the text that the standard's schema asks for."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


@cache
def _validator() -> Any:
    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    return jsonschema_rs.validator_for(text)
