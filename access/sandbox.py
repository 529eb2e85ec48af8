"""Foreign SQL on the newest generation: read it first, then run it in a child process that can do nothing else.

Two walls. The statement's own syntax tree is checked: one SELECT, tables of `mart` only, no table function that
reads anything. Then a child process with an empty environment runs it on the read-only file, with files, network,
extensions and settings locked by DuckDB and file writing forbidden by the operating system; it is killed when its
time is over.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from access.known_at import known_tables
from access.serving import LOCKED_DOWN, Home, in_utc, locked_to, readable

_CHILD = Path(__file__).with_name("sandbox_child.py")
_MEMORY_LIMIT = "1GB"
_ADDRESS_SPACE_BYTES = 4 << 30  # the engine's gigabyte, its libraries, and room that threads reserve and never touch
_OUTPUT_BYTES = 256 << 20
_THREADS = 2
_OPEN_ATTEMPTS = 3
_START_UP = timedelta(seconds=5)  # of the child itself, not charged to the statement
# Table functions that only make rows out of their arguments.
_HARMLESS_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
# Scalar functions that tell of the machine or of other statements.
_TELLTALE_FUNCTIONS = frozenset({"getenv", "current_setting", "getvariable", "current_query", "query", "query_table"})


class SandboxError(RuntimeError):
    """A statement that gave no rows: refused, failed or stopped."""


class SqlRefusedError(SandboxError):
    """The statement is not one that may be run here; says what was found and what is allowed."""


class SqlFailedError(SandboxError):
    """The statement was run and failed, or took too long; carries the engine's words."""


@dataclass(frozen=True, slots=True)
class SqlResult:
    """Rows of a statement, at most `limit` of them, and the generation that they come from."""

    frame: pl.DataFrame
    is_truncated: bool
    generation: str
    elapsed_s: float


def run_sql(
    home: Home, text: str, limit: int | None = 1000, timeout_s: float = 30.0, known_at: datetime | None = None
) -> SqlResult:
    """Run one SELECT on the `mart` tables of the newest generation, or as readers had them at an instant.

    Raises SqlRefusedError before anything runs, SqlFailedError afterwards, NoGenerationError with nothing published,
    NotKnownError for an instant of which nothing is kept.
    """
    named = check(text)
    if known_at is not None:
        known, started = known_tables(home, known_at, named), time.monotonic()
        setup = [*known.setup, *locked_to(known.files)]
        frame, is_truncated = _run_in_child(":memory:", text, limit, timeout_s, setup)
        return SqlResult(frame, is_truncated, known.generation.stem, time.monotonic() - started)
    for attempt in range(_OPEN_ATTEMPTS):
        generation = readable(home)
        started = time.monotonic()
        try:
            frame, is_truncated = _run_in_child(str(generation), text, limit, timeout_s)
        except SqlFailedError:
            # Upkeep may have deleted the generation before the child opened it.
            if generation.exists() or attempt == _OPEN_ATTEMPTS - 1:
                raise
            continue
        return SqlResult(frame, is_truncated, generation.stem, time.monotonic() - started)
    raise AssertionError("unreachable: the last attempt returns or raises")


def check(text: str) -> frozenset[str]:
    """The tables of `mart` that a statement reads. Raises SqlRefusedError unless it is one SELECT on nothing else."""
    tree = syntax_tree(text)
    named: set[str] = set()
    for node, with_names in _nodes(tree, frozenset()):
        kind = node.get("type")
        if kind == "BASE_TABLE":
            _check_table(node, with_names)
            named.add(str(node["table_name"]).lower())
        elif kind == "TABLE_FUNCTION":
            _check_table_function(node)
        elif kind == "SHOW_REF" and node.get("query") is None:
            raise SqlRefusedError("SHOW is not available; mart.data_dictionary lists tables and columns")
        elif kind == "FUNCTION" and _is_telltale(str(node["function_name"]).lower()):
            raise SqlRefusedError(f"the function {node['function_name']}() is not allowed here")
    return frozenset(named)


def syntax_tree(text: str) -> dict[str, Any]:
    """The parsed form of exactly one SELECT (DESCRIBE and SUMMARIZE count as one). Raises SqlRefusedError."""
    with duckdb.connect(":memory:", config=dict(LOCKED_DOWN)) as parser:
        try:
            found = parser.extract_statements(text)
        except duckdb.Error as error:
            raise SqlRefusedError(f"not SQL that can be read: {error}") from error
        kinds = [statement.type.name for statement in found]
        if kinds != ["SELECT"]:
            said = ", ".join(kinds) or "nothing"
            if "pivot" in text.lower():
                raise SqlRefusedError(
                    "PIVOT without its values needs a type of its own, which the sandbox does not make; write them: "
                    "PIVOT … ON column IN ('a', 'b') USING …"
                )
            raise SqlRefusedError(f"found {said}; expected one SELECT: the sandbox reads and does nothing else")
        row = parser.execute("select json_serialize_sql(?::varchar)", [text]).fetchone()
    parsed: dict[str, Any] = json.loads(row[0]) if row else {}
    if parsed.get("error", True):
        raise SqlRefusedError(f"not SQL that can be checked: {parsed.get('error_message', 'no syntax tree')}")
    tree: dict[str, Any] = parsed["statements"][0]["node"]
    return tree


def _run_in_child(
    database: str, text: str, limit: int | None, timeout_s: float, setup: Sequence[str] = ()
) -> tuple[pl.DataFrame, bool]:
    """Rows of a statement on a read-only file, or on tables that `setup` makes and then locks."""
    locks = {"threads": LOCKED_DOWN["threads"]} if setup else LOCKED_DOWN
    request = {
        "database": database,
        "setup": list(setup),
        "sql": text,
        "limit": limit,
        "bounds": {
            "wall_s": timeout_s,
            "cpu_s": int(timeout_s * _THREADS) + _START_UP.total_seconds(),
            "address_space_bytes": _ADDRESS_SPACE_BYTES,
            "output_bytes": _OUTPUT_BYTES,
        },
        "config": {**locks, "memory_limit": _MEMORY_LIMIT, "temp_directory": ""},
    }
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_CHILD)],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=timeout_s + _START_UP.total_seconds(),
            env={},
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise SqlFailedError(f"stopped after {timeout_s:g} s; ask for less, or give a longer --timeout") from late
    if done.returncode in (-signal.SIGALRM, -signal.SIGXCPU):
        raise SqlFailedError(f"stopped after {timeout_s:g} s; ask for less, or give a longer --timeout")
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise SqlFailedError(said or f"the process that ran it ended with code {done.returncode}, out of memory?")
    try:
        frame = pl.read_ipc_stream(io.BytesIO(done.stdout))
    except pl.exceptions.PanicException as error:
        raise SqlFailedError(f"a column's type cannot be shown; cast it to varchar ({error})") from None
    is_truncated = limit is not None and frame.height > limit
    return in_utc(frame.head(limit) if is_truncated and limit is not None else frame), is_truncated


def _nodes(tree: Any, scope: frozenset[str]) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Every node with the names of WITH that hold there: an engine's own table must not hide behind one elsewhere."""
    if isinstance(tree, list):
        for value in tree:
            yield from _nodes(value, scope)
    if not isinstance(tree, dict):
        return
    for entry in (tree.get("cte_map") or {}).get("map", []):
        name = entry["key"].lower()
        is_recursive = entry["value"]["query"]["node"]["type"] == "RECURSIVE_CTE_NODE"
        yield from _nodes(entry["value"], scope | {name} if is_recursive else scope)
        scope = scope | {name}
    yield tree, scope
    for key, value in tree.items():
        if key != "cte_map":
            yield from _nodes(value, scope)


def _is_telltale(function: str) -> bool:
    return function in _TELLTALE_FUNCTIONS or function.startswith(("duckdb_", "pragma_"))


def _check_table(node: dict[str, Any], with_names: frozenset[str]) -> None:
    catalog, schema, table = node["catalog_name"], node["schema_name"].lower(), node["table_name"]
    is_of_with = not schema and table.lower() in with_names
    if catalog or not (schema == "mart" or is_of_with):
        place = ".".join(part for part in (catalog, schema, table) if part)
        raise SqlRefusedError(f"{place!r} is not published; write mart.<table>, mart.data_dictionary lists them")


def _check_table_function(node: dict[str, Any]) -> None:
    name = str(node["function"]["function_name"]).lower()
    if name not in _HARMLESS_FUNCTIONS:
        raise SqlRefusedError(f"the table function {name}() is not allowed; tables of mart are all there is to read")
