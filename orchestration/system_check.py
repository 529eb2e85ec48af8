"""`cityrisk system check` and `system new`: what is wrong with a folder, and a first one that is right."""

from __future__ import annotations

import contextlib
import csv
import re
import shutil
import tempfile
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from pathlib import Path

from alerting.rules import RuleError, load_rules
from alerting.rules.load import OVERRIDES, THRESHOLDS, WINDOWS
from core.catalogue import feed_ids, load_contract, owners_of
from core.contract import ContractError
from core.declarations import DeclarationError
from core.system import DOMAINS, System, folders, load_planned, load_system, load_systems
from ingest.propose import propose
from ingest.sample import as_text, outcome, sample_faults, sample_of
from orchestration import declared_check, reference_check
from orchestration.declared_check import House
from orchestration.derive import declared_tables, rules
from orchestration.project import PROJECT, table_of

_FILES = ("system.yaml", "rules.yaml", "guide.yaml", "simulation.yaml")
_FEED_FILE = re.compile(r"\.odcs\.yaml$|\.sample\.|\.expected\.json$")
_PARTS = Path(__file__).parent.parent / "dashboards" / "parts"
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
_SAMPLE_ROWS = """\
编号,名称,行政区划代码,经度,纬度
X0001,第一个对象,420503,111.2865,30.6918
X0002,第二个对象,420505,111.4277,30.5301
X0003,第三个对象,420502,111.3040,30.7080
"""
_SAMPLE_TROUBLE = """\
,没有编号的对象,420503,111.2871,30.6922
X0001,第一个对象,420503,111.2865,30.6918
"""


def check_folders(root: Path, only: str | None = None) -> tuple[list[str], int]:
    """Faults of all folders under `root` or of the system `only`, and how many folders were looked at."""
    systems, faults = _loaded(root)
    feeds, n_checked = feed_ids(root), 0
    try:
        contracts = {
            system.id: tuple(load_contract(p, is_strict=False) for p in _readable(system)) for system in systems
        }
        house = House.of(root, contracts, systems)
    except DeclarationError as error:
        return [*faults, str(error)], 0
    for system in systems:
        if only in (None, system.id):
            n_checked += 1
            faults += _faults(system, feeds)
            faults += _declared_faults(system, house)
    return faults or _faults_together(root, house), n_checked


def _loaded(root: Path) -> tuple[tuple[System, ...], list[str]]:
    """The systems whose system.yaml can be read, in order of folder, and what is wrong with the others."""
    systems: dict[str, System] = {}
    found = []
    for folder in folders(root):
        try:
            system = load_system(folder)
        except DeclarationError as error:
            found.append(str(error))
            continue
        if (other := systems.setdefault(system.id, system)) is not system:
            found.append(f"{folder}/system.yaml: id {system.id} is that of {other.folder}; choose a free one")
    return tuple(systems.values()), found


def _declared_faults(system: System, house: House) -> list[str]:
    try:
        return declared_check.faults(system, house)
    except DeclarationError as error:
        return [str(error)]


def _faults_together(root: Path, house: House) -> list[str]:
    """What is wrong between systems: what they name of each other, ids that stand twice, what cities say of them."""
    try:
        tables = declared_tables(root)
        found = [*reference_check.faults(root, house, tables), *_repeated(root, tables)]
    except DeclarationError as error:
        return [str(error)]
    return found or _refused_by_the_engine(root, tables)


def _repeated(root: Path, tables: Mapping[str, str]) -> list[str]:
    """Codes that two folders give: one would be lost, or rows doubled."""
    keys = {
        "seeds/signal_bounds.csv": "signal_code",
        "seeds/vital_signs.csv": "sign_code",
        "seeds/alerting/inhibitions.csv": "inhibition_id",
    }
    found = []
    for table, key in keys.items():
        rows = [(row.get("method_version"), row[key]) for row in csv.DictReader(tables[table].splitlines())]
        found += [
            f"{root}: {key} {code!r} stands in two folders; rename one"
            for _, code in sorted({row for row in rows if rows.count(row) > 1}, key=str)
        ]
    return found


def _refused_by_the_engine(root: Path, tables: Mapping[str, str]) -> list[str]:
    with tempfile.TemporaryDirectory() as scratch:
        header = table_of(PROJECT, WINDOWS).read_text("utf-8").partition("\n")[0]  # rows of a home speak of its devices
        (Path(scratch) / WINDOWS).write_text(f"{header}\n", encoding="utf-8")
        shutil.copyfile(table_of(PROJECT, THRESHOLDS), Path(scratch) / THRESHOLDS)
        for name in ("alert_rules.csv", "alert_conditions.csv", OVERRIDES):
            (Path(scratch) / name).write_text(tables[f"seeds/alerting/{name}"], encoding="utf-8")
        try:
            load_rules(Path(scratch))
        except RuleError as error:
            return [f"{root}: rules of all systems together: {error}"]
    return []


def _strange_files(folder: Path) -> list[str]:
    """Files that nothing reads, for a slip in a name takes the rules or a feed away and tells nobody."""
    own = [path for path in folder.iterdir() if path.name not in _FILES and path.suffix != ".py" and path.is_file()]
    feeds = [path for path in (folder / "feeds").glob("*") if not _FEED_FILE.search(path.name)]
    return [
        f"{path}: nothing reads a file of that name; expected {', '.join(_FILES)}, or in feeds/ <feed>.odcs.yaml "
        "and its sample and expected files"
        for path in sorted((*own, *feeds))
    ]


def _faults(system: System, feeds: Container[str]) -> list[str]:
    assert system.folder is not None  # it was read from one
    found = [*_strange_files(system.folder), *_rule_faults(system, feeds), *_page_faults(system)]
    owner = owners_of(load_contract(path, is_strict=False) for path in _readable(system))
    wrong = {one for (_, subdomain), one in owner.items() if subdomain == system.subdomain} - {system.owner}
    found += [
        f"{system.folder}/system.yaml: owner is {system.owner!r}, its feeds are of {one!r}, who is asked to "
        "dispose; agree on one"
        for one in sorted(wrong)
    ]
    for path in system.contract_paths:
        try:
            contract = load_contract(path)
        except ContractError as error:
            found.append(f"{path}: {error}")
            continue
        if not contract.is_draft:
            found += sample_faults(contract, path)
        if contract.domain != system.domain and not contract.is_draft:
            found.append(f"{path}: domain is {contract.domain!r}, its folder stands under {system.domain!r}; move one")
        if contract.subdomain != system.subdomain and not contract.is_draft:
            found.append(
                f"{path}: subdomain is {contract.subdomain!r}, system.yaml says {system.subdomain!r}; agree on one"
            )
    return [*found, *_count_faults(system)]


def _count_faults(system: System) -> list[str]:
    """Counts of its simulation that no city has."""
    known = {name for counts in system.sizes.values() for name in counts}
    try:
        scalings = system.scalings
    except DeclarationError as error:
        return [str(error)]
    return [
        f"{system.folder}/simulation.yaml: counts/{name}: no city of system.yaml counts it; name one of "
        f"{', '.join(sorted(known)) or 'none'}"
        for name in sorted(set(scalings) - known)
    ]


def _readable(system: System) -> list[Path]:
    """Its contracts that can be read; what is wrong with the others is said elsewhere."""
    readable = []
    for path in system.contract_paths:
        with contextlib.suppress(ContractError):
            load_contract(path, is_strict=False)
            readable.append(path)
    return readable


def _page_faults(system: System) -> list[str]:
    """Parts of its page that are no module, and trends of what none of its feeds measures."""
    parts = sorted(path.stem for path in _PARTS.glob("*.py") if path.stem != "__init__")
    contracts = [load_contract(path, is_strict=False) for path in _readable(system)]
    metrics = sorted({column.name for one in contracts for column in one.columns if column.is_metric})
    place = f"{system.folder}/system.yaml: page"
    return [
        *(
            f"{place}: part {one.of!r} is no module of dashboards/parts; write it, or name one of {', '.join(parts)}"
            for one in system.page
            if one.kind == "part" and one.of not in parts
        ),
        *(
            f"{place}: trend of {one.of!r}, which no feed of it measures; there is {', '.join(metrics) or 'nothing'}"
            for one in system.page
            if one.kind == "trend" and one.of and one.of not in metrics
        ),
    ]


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
    if next(root.glob(f"*/*/feeds/{name}.odcs.yaml"), None) is not None:
        raise ValueError(f"a feed {name!r} stands in another system; choose another name")
    systems, planned = load_systems(root), load_planned(root)
    chosen = system_id or _free_id(_LETTERS[domain], {*systems, *planned})
    if chosen in systems:
        raise ValueError(f"id {chosen} is that of {systems[chosen].folder}; choose a free one")
    words = planned.get(chosen)
    zh, en = (words.name_zh, words.name_en) if words else (name, name.replace("_", " ").capitalize())
    owners = [s.owner for s in sorted(systems.values(), key=lambda s: s.domain != domain)]
    (folder / "feeds").mkdir(parents=True)
    owner = owners[0] if owners else name
    text = _SKELETON.format(id=chosen, zh=zh, en=en, name=name, owner=owner)
    (folder / "system.yaml").write_text(text, encoding="utf-8")
    _write_feed(folder / "feeds", owner, name)
    return folder


def _write_feed(feeds: Path, owner: str, name: str) -> None:
    """A first feed to be replaced: a draft contract, its sample and what must come of it."""
    payload, path = feeds / f"{name}.sample.csv", feeds / f"{name}.odcs.yaml"
    payload.write_text(_SAMPLE_ROWS, encoding="utf-8")
    path.write_text(propose(payload, f"{owner}.{name}").yaml_text, encoding="utf-8")
    payload.write_text(_SAMPLE_ROWS + _SAMPLE_TROUBLE, encoding="utf-8")
    sample = sample_of(load_contract(path), path)
    found = outcome(sample, datetime(2026, 1, 1, tzinfo=UTC))
    sample.expected.write_text(as_text(found), encoding="utf-8")


def _free_id(letter: str, taken: set[str]) -> str:
    """The next number that no system has or will have."""
    return f"{letter}{max((int(id[1:]) for id in taken if id[0] == letter), default=0) + 1:02d}"
