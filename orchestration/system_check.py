"""`cityrisk system check` and `system new`: what is wrong with a folder, and a first one that is right."""

from __future__ import annotations

import csv
import re
from collections.abc import Container
from pathlib import Path

from core.declarations import DeclarationError
from core.system import DOMAINS, System, folders, load_planned, load_system, load_systems
from ingest.catalogue import feed_ids, load_contract
from ingest.contract import ContractError
from orchestration.derive import rules

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LETTERS = dict(zip(DOMAINS, "LPWNC", strict=True))
_SKELETON = """\
# yaml-language-server: $schema=../../../core/schemas/system.schema.json
id: {id}
name: {{zh: {zh}, en: {en}}}
summary:
  zh: 这个系统监测什么、为了什么
  en: What it watches, and what for
subdomain: {name}
owner: {owner}
size:
  of: {name}
  cities: {{}}
"""


def check_folders(root: Path, only: str | None = None) -> tuple[list[str], int]:
    """Faults of all folders under `root` or of the system `only`, and how many folders were looked at."""
    faults, n_checked = [], 0
    taken: dict[str, Path] = {}
    feeds = feed_ids(root)
    for folder in folders(root):
        try:
            system = load_system(folder)
        except DeclarationError as error:
            faults.append(str(error))
            continue
        if (other := taken.setdefault(system.id, folder)) != folder:
            faults.append(f"{folder}/system.yaml: id {system.id} is that of {other}; choose a free one")
        if only not in (None, system.id):
            continue
        n_checked += 1
        faults += _faults(system, feeds)
    return faults, n_checked


def _faults(system: System, feeds: Container[str]) -> list[str]:
    found = _rule_faults(system, feeds)
    for path in system.contract_paths:
        try:
            contract = load_contract(path)
        except ContractError as error:
            found.append(f"{path}: {error}")
            continue
        if contract.domain != system.domain and not contract.is_draft:
            found.append(f"{path}: domain is {contract.domain!r}, its folder stands under {system.domain!r}; move one")
        if contract.subdomain != system.subdomain and not contract.is_draft:
            found.append(
                f"{path}: subdomain is {contract.subdomain!r}, system.yaml says {system.subdomain!r}; agree on one"
            )
    known = {name for counts in system.sizes.values() for name in counts}
    found += [
        f"{system.folder}/simulation.yaml: counts/{name}: no city of system.yaml counts it; name one of "
        f"{', '.join(sorted(known)) or 'none'}"
        for name in sorted(set(system.scalings) - known)
    ]
    return found


def _rule_faults(system: System, feeds: Container[str]) -> list[str]:
    """What is wrong with its rules; `feeds` are those of all systems."""
    try:
        text = rules.tables([system])["alert_rules.csv"]
    except DeclarationError as error:
        return [str(error)]
    found = [(row["rule_id"], feed) for row in csv.DictReader(text.splitlines()) for feed in row["feeds"].split("|")]
    next_step = "`cityrisk feed list` names those there are"
    return [
        f"{system.folder}/rules.yaml: {rule_id}: feed {feed!r} has no contract; {next_step}"
        for rule_id, feed in found
        if feed and feed not in feeds
    ]


def write_skeleton(root: Path, place: str, system_id: str | None = None) -> Path:
    """Write the folder of a new system. Raises ValueError for a place or id that cannot be, DeclarationError."""
    domain, _, name = place.partition("/")
    if domain not in DOMAINS or not _NAME.fullmatch(name):
        raise ValueError(f"{place!r}; expected <domain>/<name> with a domain of {', '.join(DOMAINS)} and a plain name")
    folder = root / domain / name
    if folder.exists():
        raise ValueError(f"{folder} exists; choose another name")
    systems, planned = load_systems(root), load_planned(root)
    chosen = system_id or _free_id(_LETTERS[domain], {*systems, *planned})
    if chosen in systems:
        raise ValueError(f"id {chosen} is that of {systems[chosen].folder}; choose a free one")
    words = planned.get(chosen)
    zh, en = (words.name_zh, words.name_en) if words else (name, name.replace("_", " ").capitalize())
    owners = [s.owner for s in sorted(systems.values(), key=lambda s: s.domain != domain)]
    (folder / "feeds").mkdir(parents=True)
    text = _SKELETON.format(id=chosen, zh=zh, en=en, name=name, owner=owners[0] if owners else name)
    (folder / "system.yaml").write_text(text, encoding="utf-8")
    return folder


def _free_id(letter: str, taken: set[str]) -> str:
    """The next number that no system has or will have."""
    return f"{letter}{max((int(id[1:]) for id in taken if id[0] == letter), default=0) + 1:02d}"
