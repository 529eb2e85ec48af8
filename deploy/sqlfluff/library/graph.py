"""Stands in for dbt's `graph` while sqlfluff renders models: a project in which nothing is built yet."""

from __future__ import annotations

from typing import Any

nodes: dict[str, Any] = {}
sources: dict[str, Any] = {}
exposures: dict[str, Any] = {}
