"""One dbt build in this process: seeds when they changed, then models and their tests.

A subprocess costs five to eight seconds before the first model, dbt in-process about one. Afterwards every handle on
the two DuckDB files is closed, so that publish can copy them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from core.settings import Home
from orchestration.manifest import LAST_BUILT_ON, day_of_build
from orchestration.parsed import SOURCES, parsed
from orchestration.project import DERIVED, digest_of, open_project

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

# What the last build of a home was made of: its seeds, and everything.
SEEDED, BUILT = "seeds.sha256", "built.sha256"
# Models that depend on landed files alone.
UNTIMED = (f"path:{DERIVED}/models", "path:models/core")
BAD = ("error", "fail", "runtime error", "skipped", "partial success")
SEEDS = ("dbt_project.yml", "seeds", f"{DERIVED}/seeds")
# Tests that a whole build asks in one statement when its models stand: the kinds of macros/hold_at_once.sql.
ALL_HOLD = "all_hold"
TOGETHER = tuple(
    f"test_name:{kind},config.severity:error"
    for kind in ("not_null", "unique", "accepted_values", "relationships", "within", "key_holds")
)


@dataclass(frozen=True, slots=True)
class NodeResult:
    """How one model, seed or test went."""

    name: str  # dbt's unique id
    status: str
    seconds: float
    message: str


@dataclass(frozen=True, slots=True)
class BuildResult:
    """How a build went, node by node; `message` says in one text why it failed, '' when it did not."""

    success: bool
    message: str
    nodes: tuple[NodeResult, ...]

    def seconds_of(self, name: str) -> float:
        """How long one model, seed or test took. Raises KeyError for one that did not run."""
        for node in self.nodes:
            if node.name.rsplit(".", 1)[-1] == name:
                return node.seconds
        raise KeyError(name)


def build(
    home: Home, *, full_refresh: bool = False, select: Sequence[str] | None = None, project: Path | None = None
) -> BuildResult:
    """Build the warehouse and the mart file of a home. Never raises for what dbt found: the result says it.

    `select`: dbt selectors, all when None. `project`: another than the home's own, which the caller keeps up to date.
    Needs a manifest (`orchestration.manifest.write_manifest`) in place.
    """
    home.build.mkdir(parents=True, exist_ok=True)
    home.warehouse.parent.mkdir(parents=True, exist_ok=True)
    with open_project(home, project) as opened:
        return _build(home, opened, full_refresh, select)


def _build(home: Home, project: Path, full_refresh: bool, select: Sequence[str] | None) -> BuildResult:
    seeds, models = digest_of(project, *SEEDS), digest_of(project, *SOURCES)
    is_seeded = home.warehouse.exists() and _recall(home, SEEDED) == seeds
    is_current = is_seeded and _recall(home, BUILT) == models and not _is_affected(home)
    arguments = ["build", "--exclude-resource-type", "seed", "unit_test"]
    if full_refresh:
        arguments.append("--full-refresh")
    if select:
        arguments += ["--indirect-selection", "cautious", "--select", *select]
    elif is_current and not full_refresh:
        # Nothing came and no model changed: only what looks at the clock can differ.
        arguments += ["--indirect-selection", "cautious", "--exclude", *UNTIMED, *TOGETHER, ALL_HOLD]
    else:
        arguments += ["--exclude", *TOGETHER, ALL_HOLD]
    nodes: list[NodeResult] = []
    with _environment(_variables(home)):
        try:
            if not is_seeded:
                _remember(home, SEEDED, "")  # whoever dies here has seeded nothing
                seeded = _run(home, project, ["seed", "--full-refresh"])
                nodes += _nodes(seeded)
                if not seeded.success:
                    return BuildResult(False, _message(seeded, nodes), tuple(nodes))
                _remember(home, SEEDED, seeds)
            if not select:
                _remember(home, BUILT, "")
            built = _run(home, project, arguments)
            nodes += _nodes(built)
            if _nodes(built) and not select:
                tested = _tested(home, project, nodes)
                nodes += _nodes(tested)
                built = tested if built.success else built
        finally:
            _close()
    if not select:
        _remember(home, BUILT, models if built.success else "")
        if built.success:
            _remember(home, LAST_BUILT_ON, day_of_build(home).isoformat())
    return BuildResult(built.success, _message(built, nodes), tuple(nodes))


def _tested(home: Home, project: Path, built: Sequence[NodeResult]) -> dbtRunnerResult:
    """Test the models that were built. Where not all tests hold, or nothing could say so at once, each runs by itself.

    Then what fails has its name, as if dbt had run it among the models.
    """
    models = [
        node.name.rsplit(".", 1)[-1] for node in built if node.name.startswith("model.") and node.status not in BAD
    ]
    told = _run(home, project, ["test", "--select", ALL_HOLD, "--vars", json.dumps({"built": models})])
    if told.success and _nodes(told):
        return told
    by_itself = ["test", "--indirect-selection", "buildable", "--exclude", "test_type:singular"]
    return _run(home, project, [*by_itself, "--select", "resource_type:seed", *models])


def unit_test(home: Home, project: Path | None = None) -> BuildResult:
    """Run dbt's unit tests: worked numbers against models, on given rows. Needs a finished build of the same home."""
    with open_project(home, project) as opened, _environment(_variables(home)):
        try:
            tested = _run(home, opened, ["test", "--resource-type", "unit_test"])
            nodes = _nodes(tested)
            return BuildResult(tested.success, _message(tested, nodes), tuple(nodes))
        finally:
            _close()


def _run(home: Home, project: Path, arguments: Sequence[str]) -> dbtRunnerResult:
    """Run one dbt command on a project that is read once."""
    failed: list[dbtRunnerResult] = []

    def parse() -> Manifest | None:
        found = _invoke(home, project, ["parse"])
        if not found.success:
            failed.append(found)
            return None
        return cast("Manifest", found.result)

    manifest = parsed(project, parse)
    return failed[0] if manifest is None else _invoke(home, project, arguments, manifest)


def _invoke(home: Home, project: Path, arguments: Sequence[str], manifest: Manifest | None = None) -> dbtRunnerResult:
    """One dbt command; what it says from level info on goes to build/dbt/<command>.log."""
    from dbt.cli.main import dbtRunner

    work = home.build / "dbt"
    work.mkdir(parents=True, exist_ok=True)
    said: list[str] = []

    def listen(event: Any) -> None:
        if event.info.level != "debug":
            said.append(f"{event.info.level:5} {event.info.msg}\n")

    # dbt's own log files stay open until the process ends, so it writes none.
    result = dbtRunner(manifest, callbacks=[listen]).invoke(
        [
            *arguments,
            "--project-dir",
            str(project),
            "--profiles-dir",
            str(project),
            "--target-path",
            str(work / "target"),
            "--log-path",
            str(work),
            "--log-level-file",
            "none",
            "--log-level",
            "none",
            "--no-use-colors",
            "--no-partial-parse",  # what it would keep is of one home; see `orchestration.parsed`
            "--no-write-json",  # megabytes that nobody reads: what a build did, its nodes say
            "--no-version-check",
            "--no-send-anonymous-usage-stats",
            "--quiet",
        ]
    )
    with (work / f"{arguments[0]}.log").open("w", encoding="utf-8") as log:
        log.writelines(said)
    return result


def _nodes(result: dbtRunnerResult) -> list[NodeResult]:
    found: Any = getattr(result.result, "results", None) or ()
    return [
        NodeResult(run.node.unique_id, str(run.status), float(run.execution_time), str(run.message or ""))
        for run in found
    ]


def _message(result: dbtRunnerResult, nodes: Sequence[NodeResult]) -> str:
    """Why a build failed: the first nodes that did, the skipped ones counted."""
    if result.success:
        return ""
    if result.exception is not None:
        return str(result.exception)
    failed = [node for node in nodes if node.status in BAD and node.status != "skipped"]
    skipped = sum(node.status == "skipped" for node in nodes)
    texts = [f"{node.name}: {' '.join(node.message.split())[:400]}" for node in failed[:5]]
    more = f"; {len(failed) - 5} more failed" if len(failed) > 5 else ""
    return "; ".join(texts) + more + (f"; {skipped} skipped" if skipped else "")


def _recall(home: Home, name: str) -> str:
    """What the last build of this home left under a name, '' when nothing."""
    path = home.build / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _remember(home: Home, name: str, value: str) -> None:
    (home.build / name).write_text(value, encoding="utf-8")


def _is_affected(home: Home) -> bool:
    """Whether the manifest calls any day affected."""
    frame = pl.read_parquet(home.build / "landed.parquet", columns=["is_affected"])
    return bool(frame["is_affected"].any())


def _variables(home: Home) -> dict[str, str]:
    """What profiles.yml and the macros read from the environment."""
    return {
        "CITYRISK_BUILD": str(home.build),
        "CITYRISK_WAREHOUSE": str(home.warehouse),
        "CITYRISK_MART": str(home.mart),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for as long as dbt runs; it can be given them in no other way."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _close() -> None:
    """Let go of both DuckDB files: dbt keeps its connection open after an in-process run."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import reset_adapters

    reset_adapters()
    environment: Any = DuckDBConnectionManager._ENV
    if environment is not None:
        environment.close()
        DuckDBConnectionManager.close_all_connections()
