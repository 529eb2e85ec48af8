"""Stands in for dbt's `adapter` while sqlfluff renders models: no database, and the default engine's macros."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def dispatch(context: Context, macro_name: str, macro_namespace: str | None = None) -> Callable[..., Any]:
    """The macro that dbt would choose for DuckDB. Raises KeyError, naming it, when there is none."""
    for prefix in ("duckdb__", "default__"):
        macro: Callable[..., Any] | None = context.get(prefix + macro_name)
        if macro is not None:
            return macro
    raise KeyError(f"default__{macro_name} is not in dbt_project/macros ({macro_namespace})")
