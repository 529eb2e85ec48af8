"""Rules of the house that a reader can check in a file: where SQL lives, what rooms may import, names, sizes, words."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("core", "ingest", "quality", "orchestration", "alerting", "access", "dashboards", "city", "cli")
NOT_OURS = {
    ".git",
    ".venv",
    ".build",
    ".hypothesis",
    "var",
    "dist",
    "build",
    "target",
    "logs",
    "dbt_packages",
    "__pycache__",
}

# Where a string may hold SQL, and why. Everything else on data is a dbt model.
MAY_HOLD_SQL = {
    "access/": "reads mart tables, parameters bound",
    "orchestration/publish.py": "copies and audits the finished file",
    "orchestration/damage.py": "reads every block of the files of a build",
    "orchestration/published_": "reads the finished file part by part, and merges what it wrote",
    "ingest/connect": "speaks to the departments' databases",
    "quality/": "row-returning expectations are SQL, made from contracts",
    "city/": "is the departments: it fills their databases",
}
SQL = re.compile(
    r"\bselect\b.+?\bfrom\b|\binsert\s+into\b|\bdelete\s+from\b|\bupdate\s+\S+\s+set\b"
    r"|\b(create|drop|alter)\s+(or\s+replace\s+)?(temp\w*\s+)?(table|view|schema|index|sequence)\b|\battach\s+'",
    re.IGNORECASE | re.DOTALL,
)
# What access may know of the rooms below it.
ACCESS_MAY_IMPORT = ("alerting", "core")
# No socket, no file, no clock: these modules only compute.
PURE = (
    "core/contract.py",
    "core/geo",
    "ingest/conform",
    "core/mask",
    "core/stages.py",
    "ingest/protocols",
    "core/stream/raw.py",
    "core/stream/live.py",
    "alerting/engine/",
    "alerting/engine/episode.py",
    "alerting/lifecycle/",
    "alerting/policy/routing.py",
)
IMPURE_IMPORTS = {"socket", "httpx", "sqlalchemy", "subprocess", "urllib", "tempfile", "os", "time", "asyncio"}
IMPURE_CALLS = {
    "open",
    "input",
    "print",
    "now",
    "today",
    "utcnow",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
}


def files(*suffixes: str) -> list[Path]:
    """Every file of the project with one of these endings, in name order."""
    found = [path for path in everything() if not suffixes or path.suffix in suffixes]
    assert found, f"no file ends with {suffixes}"
    return found


@cache
def everything() -> list[Path]:
    """Every file of the project that people wrote or committed; a tool's leavings and a home do not count."""
    found: list[Path] = []
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [one for one in subfolders if one not in NOT_OURS and not one.endswith(("_cache", ".egg-info"))]
        found += [Path(folder, one) for one in names]
    return sorted(found)


def code(*rooms: str) -> list[Path]:
    """The Python files of some rooms."""
    return [path for path in files(".py") if path.relative_to(ROOT).parts[0] in rooms]


def name(path: Path) -> str:
    """The path as one writes it: from the root, with slashes."""
    return path.relative_to(ROOT).as_posix()


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string of a module but its docstrings, with its line; an f-string counts as one."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr):
            parts.add(id(node.body[0].value))
        if isinstance(node, ast.JoinedStr):
            constants = [part for part in node.values if isinstance(part, ast.Constant)]
            parts.update(map(id, constants))
            yield node.lineno, "{}".join(str(part.value) for part in constants)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every imported module with its line, also those inside functions; `from a import b` counts as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def within(module: str, allowed: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of `allowed` or lies below one."""
    return any(module == one or module.startswith(f"{one}.") for one in allowed)


# ── code ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_sql_lives_in_dbt() -> None:
    found = [
        f"{name(path)}:{line}: {text[:60]!r}"
        for path in code(*ROOMS)
        if not name(path).startswith(tuple(MAY_HOLD_SQL))
        for line, text in texts(ast.parse(path.read_text("utf-8")))
        if SQL.search(text)
    ]
    assert not found, "SQL outside dbt_project and its named exceptions:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "is_sql"),
    [
        ("SELECT a\nFROM b", True),
        ("insert  into t values (1)", True),
        ("create or replace table t as", True),
        ("select a feed from the list", True),  # prose that reads as SQL is worth rewording
        ("choose a feed; selected rows come from the ledger", False),
        ("updated the set", False),
    ],
)
def test_sql_is_recognised(text: str, is_sql: bool) -> None:
    assert bool(SQL.search(text)) is is_sql


def departments() -> tuple[set[str], set[str]]:
    """Feed ids, and the Chinese names of departments, as the contracts give them."""
    feeds, titles = set(), set()
    for path in (ROOT / "systems").glob("*/*/feeds/*.odcs.yaml"):
        contract = yaml.safe_load(path.read_text("utf-8"))
        feeds.add(contract["id"])
        titles.add(contract["team"]["name"])
    assert len(feeds) >= 10
    return feeds, titles


def test_code_names_no_department() -> None:
    feeds, titles = departments()
    codes = {feed.split(".")[0] for feed in feeds}
    found = [
        f"{name(path)}:{line}: {text[:60]!r}"
        for path in code("cli", "orchestration", "quality", "dashboards", "access")
        for line, text in texts(ast.parse(path.read_text("utf-8")))
        if text in codes or any(word in text for word in feeds | titles)
    ]
    assert not found, "departments come from contracts, code knows none:\n" + "\n".join(found)


def test_access_knows_little_of_the_rooms_below() -> None:
    found = [
        f"{name(path)}:{line}: {module}"
        for path in code("access")
        for line, module in imports(ast.parse(path.read_text("utf-8")))
        if module.split(".")[0] in ROOMS and not within(module, ("access", *ACCESS_MAY_IMPORT))
    ]
    assert not found, f"access may import {ACCESS_MAY_IMPORT} of ours:\n" + "\n".join(found)


def test_pure_modules_touch_nothing() -> None:
    pure = [path for path in code("core", "ingest", "alerting") if name(path).startswith(PURE)]
    assert len(pure) >= 2
    found = []
    for path in pure:
        tree = ast.parse(path.read_text("utf-8"))
        found += [f"{name(path)}:{line}: import {m}" for line, m in imports(tree) if m.split(".")[0] in IMPURE_IMPORTS]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called in IMPURE_CALLS:
                    found.append(f"{name(path)}:{node.lineno}: {called}()")
    assert not found, "pure modules open no socket, file or clock:\n" + "\n".join(found)


def test_nobody_imports_tests() -> None:
    found = [
        f"{name(path)}:{line}"
        for path in code(*ROOMS)
        for line, module in imports(ast.parse(path.read_text("utf-8")))
        if module.split(".")[0] in {"tests", "conftest", "servers", "benchmarks"}
    ]
    assert not found


def test_only_tests_open_the_truth() -> None:
    truth = "truth" + ".parquet"
    found = [
        f"{name(path)}:{line}"
        for path in code(*ROOMS)
        if path.relative_to(ROOT).parts[0] != "city"
        for line, text in texts(ast.parse(path.read_text("utf-8")))
        if truth in text
    ]
    assert not found, "the product never opens what the simulated city knows:\n" + "\n".join(found)


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_files_are_named_for_their_noun_or_verb() -> None:
    grab_bags = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    found = [
        name(path)
        for path in files()
        if grab_bags.intersection((*path.relative_to(ROOT).parts[:-1], path.stem)) or path.name == "models.py"
    ]
    assert not found, f"a file is named for what it is: {found}"


def test_no_two_test_files_share_a_name() -> None:
    """The tests are no package, so pytest imports each file by its bare name and refuses the second of one name."""
    paths = [path for path in code("tests") if path.name.startswith("test_")]
    twice = {path.name: [name(one) for one in paths if one.name == path.name] for path in paths}
    assert not {key: where for key, where in twice.items() if len(where) > 1}


def test_files_fit_a_head() -> None:
    paths = files(".py", ".sql", ".sh", ".toml", ".yaml")
    lengths = {name(path): path.read_text("utf-8").count("\n") for path in paths}
    too_long = {path: length for path, length in lengths.items() if length >= 500}
    assert not too_long, f"500 lines are too many: {too_long}"


def test_every_module_says_what_it_is() -> None:
    silent = [name(path) for path in code(*ROOMS) if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert not silent, f"a module says what it is in a sentence: {silent}"


# Spelled in pieces, so that this file does not find itself.
REGISTRY_HOSTS = ("pypi" + ".", "python" + "hosted", "registry" + ".npm", "mirrors" + ".aliyun", "mirrors" + ".tuna")
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(work|root|Users|home/\w+|opt/\w+)(/|\b)")


def test_no_registry_and_no_place_of_a_machine() -> None:
    found = []
    for path in files():
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # pictures and recorded bytes
        found += [
            f"{name(path)}:{number}: {line.strip()[:80]}"
            for number, line in enumerate(lines, 1)
            if any(host in line for host in REGISTRY_HOSTS) or (MACHINE_PATH.search(line) and path.name != "LICENSE")
        ]
    assert not found, "registry hosts and paths of one machine do not belong here:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("cd " + "/".join(["", "work", "main"]), True),
        ("home: " + "/".join(["", "root", ".cache"]), True),
        ("GET /v1/work/orders", False),
        ("a/work/b", False),
    ],
)
def test_machine_paths_are_recognised(line: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(line)) is found


def test_links_between_documents_lead_somewhere() -> None:
    found = []
    for path in files(".md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text("utf-8")):
            if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
                found.append(f"{name(path)}: {target}")
    assert not found, "broken links:\n" + "\n".join(found)


# ── dependencies ──────────────────────────────────────────────────────────────────────────────────────────────────────
def locked() -> dict[str, str]:
    """Package → version, as the lock pins them."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==([^\s;]+)", lock, re.MULTILINE))


def test_the_lock_answers_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = locked()
    wanted = project["dependencies"] + [one for extra in project["optional-dependencies"].values() for one in extra]
    for requirement in map(Requirement, wanted):
        key = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert key in pinned, f"{requirement} is not in requirements.lock: make lock"
        assert requirement.specifier.contains(pinned[key]), f"{requirement} but the lock has {pinned[key]}: make lock"


@pytest.mark.parametrize("lock", ["requirements.lock", "deploy/uv.lock.txt"])
def test_every_locked_package_has_hashes(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text("utf-8").strip())
    assert entries
    assert not [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry]
