"""Who only looks waits for no library that computes: what a verb imports is counted, its seconds are measured apart.

Seconds and memory: `benchmarks/light_verbs.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chain.small_home import fill_small_home

# Each costs as much as all that a light verb needs, or more.
HEAVY = {
    *("alembic", "argon2", "cryptography", "dagster", "dbt", "duckdb", "great_expectations", "httpx", "jsonschema_rs"),
    *("lxml", "nats", "numpy", "open_data_contract_standard", "paho", "pandas", "polars", "psycopg", "pyarrow"),
    *("pydantic", "pyproj", "shapely", "sqlalchemy.orm", "streamlit", "yaml"),
}
STORE = "sqlalchemy"  # half of what a light verb may cost: only where the ops store is read
LOOKING = (
    "--help",
    "alerts --help",
    "feed list",
    "feed show weather.observation",
    "system list",
    "system list --json",
    "decode hj212 --hex 00",
    "status",
)
READING = ("quarantine list", "quarantine show 1", "feed held", "alerts list")

# Runs one verb in this interpreter and tells which modules it needed.
PROBE = """
import json, sys
from cli import app
code = 0
try:
    app(sys.argv[2:])
except SystemExit as end:
    code = end.code
with open(sys.argv[1], "w") as report:
    json.dump({"code": code, "modules": sorted(sys.modules)}, report)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with rows, and a cache in which every document of the product is kept already."""
    folder = tmp_path_factory.mktemp("light")
    fill_small_home(folder / "home", 3)
    run(folder, "feed", "list")
    run(folder, "system", "list", "--json")
    return folder


def run(folder: Path, *words: str) -> tuple[int, set[str]]:
    """The exit code of a verb and the modules that it imported."""
    report = folder / "report.json"
    environment = {**os.environ, "CITYRISK_HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder)}
    command = [sys.executable, "-c", PROBE, str(report), *words]
    subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120)
    found = json.loads(report.read_text(encoding="utf-8"))
    return found["code"], set(found["modules"])


@pytest.mark.parametrize("line", LOOKING)
def test_looking_imports_nothing_heavy(place: Path, line: str) -> None:
    code, modules = run(place, *line.split())
    assert code == (1 if line.startswith(("status", "decode")) else 0)  # nothing runs; the frame is none
    assert sorted(modules & (HEAVY | {STORE})) == []


@pytest.mark.parametrize("line", READING)
def test_reading_the_ops_store_imports_nothing_else(place: Path, line: str) -> None:
    code, modules = run(place, *line.split())
    assert code == 0
    assert STORE in modules
    assert sorted(modules & HEAVY) == []


def test_the_probe_sees_what_a_verb_imports(place: Path) -> None:
    (place / "sample.csv").write_text("name\nx\n", encoding="utf-8")
    _, modules = run(place, "feed", "new", str(place / "sample.csv"))
    assert "polars" in modules
