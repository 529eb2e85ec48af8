"""What dbt's models are, what each reads and what it means, read from their files without starting dbt.

dbt's own parse takes seconds to minutes and every run of the graph loads the graph anew; the project's references are
plain words, so they are read as such.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path

import yaml

from orchestration.project import DERIVED

_REF = re.compile(r"\bref\('(\w+)'\)")
_SOURCE = re.compile(r"\bsource\('landing', '(\w+)'\)")
_OPS = re.compile(r"\bops\('(\w+)'\)")
_ALIAS = re.compile(r"\balias='(\w+)'")
_VIEW = re.compile(r"\bmaterialized='view'")
_VIEW_LAYERS = frozenset({"staging", "conformed"})


@dataclass(frozen=True, slots=True)
class Model:
    """One dbt model."""

    name: str
    layer: str  # staging, conformed, core, risk or mart: its schema
    table: str
    description: str  # in both languages
    is_view: bool
    models: tuple[str, ...]  # what it reads of the other models
    feeds: tuple[str, ...]  # slugs of the feeds whose landed files it reads
    ops: tuple[str, ...]  # tables of the ops store that it reads


@lru_cache(maxsize=4)
def read_models(project: Path) -> Mapping[str, Model]:
    """Every model of the project by name, each after those that it reads."""
    roots = (project / DERIVED / "models", project / "models")
    described: dict[str, str] = {}
    for path in (path for root in roots for path in sorted(root.rglob("*.yml"))):
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        described |= {model["name"]: model.get("description", "") for model in document.get("models", ())}
    paths = [(path, path.relative_to(root).parts[0]) for root in roots for path in sorted(root.rglob("*.sql"))]
    texts = {path.stem: (path, layer) for path, layer in paths}
    found = {}
    for name, (path, layer) in texts.items():
        text = path.read_text(encoding="utf-8")
        alias = _ALIAS.search(text)
        found[name] = Model(
            name=name,
            layer=layer,
            table=alias[1] if alias else name,
            description=described.get(name, ""),
            is_view=layer in _VIEW_LAYERS or _VIEW.search(text) is not None,
            models=tuple(sorted({parent for parent in _REF.findall(text) if parent in texts and parent != name})),
            feeds=tuple(sorted(set(_SOURCE.findall(text)))),
            ops=tuple(sorted(set(_OPS.findall(text)))),
        )
    order = TopologicalSorter({name: model.models for name, model in found.items()}).static_order()
    return {name: found[name] for name in order}
