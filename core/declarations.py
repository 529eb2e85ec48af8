"""Declarations of a system's folder read from YAML, each against the JSON Schema of its kind.

Not here: contracts, whose schema is the Open Data Contract Standard's own (`core.catalogue`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)$")  # numbers as JSON writes them; a code with a leading zero is a text


class DeclarationError(ValueError):
    """A file that cannot be used: says file, line, what was found, what was expected and what to do next."""


def read_declaration(path: Path, kind: str) -> dict[str, Any]:
    """The document of a file of this kind: the name of a schema of `core/schemas`. Raises DeclarationError.

    Whoever asks for the same text again is given the same document, which nobody changes.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path}: cannot be read: {error}; expected UTF-8 YAML") from error
    return _document(text, path, kind)


@lru_cache(maxsize=256)
def _document(text: str, path: Path, kind: str) -> dict[str, Any]:
    try:
        node, document = yaml.compose(text, Loader=_Loader), yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise DeclarationError(f"{path}: not YAML: {error}") from error
    _refuse_repeated(node, path)
    for problem in _validator(kind).iter_errors(document):
        place = "/".join(map(str, problem.instance_path)) or "the document"
        raise DeclarationError(
            f"{path}:{line_of(node, problem.instance_path)}: {place}: {problem.message}; "
            f"see core/schemas/{kind}.schema.json for what may stand there"
        )
    if not isinstance(document, dict):  # every schema asks for one; said again for the type checker
        raise DeclarationError(f"{path}:1: a {type(document).__name__} found, expected a mapping")
    return document


def seconds(duration: str) -> int:
    """A duration as declarations write it (`10 min`) in seconds. Raises ValueError."""
    found = re.fullmatch(r"(\d+) (s|min|h|d)", duration)
    if found is None:
        raise ValueError(f"{duration!r} is no duration; expected a number and one of {', '.join(_SECONDS)}")
    return int(found[1]) * _SECONDS[found[2]]


def place_in(path: Path, *place: str | int) -> str:
    """`file:line: a/b/c` of an element of a declaration, to say what is wrong with it."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
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


class _Loader(yaml.CSafeLoader):
    """YAML of JSON's types: dates stay the text that they are, and `010` is no 8."""

    yaml_implicit_resolvers = {
        first: [
            (tag, _DECIMAL if tag == "tag:yaml.org,2002:int" else pattern)
            for tag, pattern in resolvers
            if tag != "tag:yaml.org,2002:timestamp"
        ]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


@cache
def _validator(kind: str) -> Any:
    text = resources.files("core").joinpath(f"schemas/{kind}.schema.json").read_text(encoding="utf-8")
    return jsonschema_rs.validator_for(text)
