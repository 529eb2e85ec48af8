"""YAML read and held against the JSON Schema of its kind.

The parser and the validator cost more to import than most verbs to run, so only who finds nothing kept of a text
(`core.compiled`) comes here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from core.contract import ContractError
from core.errors import DeclarationError

_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)$")  # numbers as JSON writes them; a code with a leading zero is a text


def declared(text: str, path: Path, kind: str, schema: Path) -> dict[str, Any]:
    """The document of a declaration. Raises DeclarationError with its line."""
    try:
        node, document = yaml.compose(text, Loader=_Plain), yaml.load(text, Loader=_Plain)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise DeclarationError(f"{path}: not YAML: {error}") from error
    _refuse_repeated(node, path)
    for problem in _validator(schema).iter_errors(document):
        place = "/".join(map(str, problem.instance_path)) or "the document"
        raise DeclarationError(
            f"{path}:{line_of(node, problem.instance_path)}: {place}: {problem.message}; "
            f"see core/schemas/{kind}.schema.json for what may stand there"
        )
    if not isinstance(document, dict):  # every schema asks for one; said again for the type checker
        raise DeclarationError(f"{path}:1: a {type(document).__name__} found, expected a mapping")
    return document


def agreed(text: str, name: str, schema: Path) -> dict[str, Any]:
    """The document of a contract, valid by the standard's own schema. Raises ContractError."""
    try:
        document = yaml.load(text, Loader=_Undated)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise ContractError(f"{name}: not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ContractError(f"{name}: a {type(document).__name__} found, expected an ODCS mapping")
    for problem in _validator(schema).iter_errors(document):
        where = "/".join(str(part) for part in problem.instance_path) or "document"
        raise ContractError(f"{name}: {where}: {problem.message}; see the Open Data Contract Standard")
    return document


def place_in(path: Path, *place: str | int) -> str:
    """`file:line: a/b/c` of an element of a declaration, to say what is wrong with it."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Plain)
    return f"{path}:{line_of(node, place)}: {'/'.join(map(str, place))}"


def line_of(node: yaml.Node | None, place: Sequence[str | int]) -> int:
    """The line (from 1) on which the element at `place` stands, or the innermost one around it."""
    line = 1 if node is None else node.start_mark.line + 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _refuse_repeated(node: yaml.Node | None, path: Path) -> None:
    """Raise DeclarationError for a name that stands twice in one mapping: YAML would keep the last and tell nobody."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in lines:
                raise DeclarationError(
                    f"{path}:{line}: {key.value!r} stands a second time, first in line {lines[key.value]}; "
                    "one would be lost, so rename or remove one"
                )
            lines[key.value] = line
            _refuse_repeated(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_repeated(value, path)


class _Undated(yaml.CSafeLoader):
    """YAML of JSON's types: dates stay the text that the standard's schema asks for."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


class _Plain(_Undated):
    """The same, in which `010` is no 8."""

    yaml_implicit_resolvers = {
        first: [(tag, _DECIMAL if tag == "tag:yaml.org,2002:int" else pattern) for tag, pattern in resolvers]
        for first, resolvers in _Undated.yaml_implicit_resolvers.items()
    }


@cache
def _validator(schema: Path) -> Any:
    return jsonschema_rs.validator_for(schema.read_text(encoding="utf-8"))
