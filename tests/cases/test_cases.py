"""Every line of `cases.toml` that a test names exists there; the whole sweep is `make test ARGS="-m case"`."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
CASES = Path(__file__).with_name("cases.toml")
OPEN = Path(__file__).with_name("open.toml")


def listed() -> dict[str, str]:
    """Case id (`live.A1`, `security.held.H3`) → what must hold."""
    return dict(_lines("", tomllib.loads(CASES.read_text(encoding="utf-8"))))


def proven() -> dict[str, list[str]]:
    """Case id → the tests that are marked with it."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for case in _cases_of(node):
                    found.setdefault(case, []).append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


def still_open() -> dict[str, str]:
    """Case id → what is missing."""
    sections = tomllib.loads(OPEN.read_text(encoding="utf-8"))
    return {f"{section}.{name}": str(what) for section, lines in sections.items() for name, what in lines.items()}


def test_every_case_is_proven_or_stands_among_the_open_ones() -> None:
    cases, proofs, missing = listed(), proven(), still_open()
    assert not set(missing) - set(cases), "open.toml names cases that are not listed"
    neither = {case: words for case, words in cases.items() if case not in proofs and case not in missing}
    assert not neither, f"neither a test nor a line in {OPEN.name}: {neither}"


def test_marked_cases_are_listed() -> None:
    unknown = {case: tests for case, tests in proven().items() if case not in listed()}
    assert not unknown, f"cases that {CASES.name} does not list: {unknown}"


def _lines(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _lines(f"{prefix}{name}.", value)
        else:
            # Letters of a section stand in its line's name already: live.A.A1 is live.A1.
            section = prefix.removesuffix(".").rpartition(".")
            head = f"{section[0]}." if section[2] and name.startswith(section[2]) and len(section[2]) == 1 else prefix
            yield f"{head}{name}", str(value)


def _cases_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.case":
            yield from (str(ast.literal_eval(argument)) for argument in decorator.args)
