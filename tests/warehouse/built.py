"""A home to land rows in, build and ask."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import Home
from core.store import database, tables
from orchestration.build import SOURCES, UNTIMED, BuildResult, build
from orchestration.manifest import Manifest, mark_built, write_manifest
from orchestration.project import DERIVED, PROJECT, digest_of
from warehouse import synthetic

DAYS = tuple(date(2026, 10, day) for day in (1, 2, 3))
NOW = datetime(2026, 10, 4, 4, tzinfo=UTC)
LOWER_HALF = UNTIMED


@dataclass
class Warehouse:
    """A home under test: land rows, build, ask."""

    home: Home
    engine: sa.Engine
    contracts: dict[str, Contract]
    project: Path = PROJECT
    now: datetime = NOW
    builds: list[Manifest] = field(default_factory=list)

    def build(self, full_refresh: bool = False, select: tuple[str, ...] | None = LOWER_HALF) -> BuildResult:
        """Write the manifest, build, and mark what was built; fails the test when dbt failed."""
        self.now += timedelta(minutes=10)
        manifest = write_manifest(
            self.home, self.engine, self.contracts, self.now, f"run{len(self.builds)}", "420500", full_refresh
        )
        before = digest_of(self.project, *SOURCES)
        result = build(self.home, full_refresh=full_refresh, select=select, project=self.project)
        assert result.success, result.message
        assert digest_of(self.project, *SOURCES) == before, "dbt wrote over what it was built from"
        mark_built(self.engine, manifest, self.now)
        self.builds.append(manifest)
        return result

    def land(
        self, feed_id: str, day: date, n: int, batch_id: str, seed: int = 0, received_at: datetime | None = None
    ) -> None:
        """Land plausible rows of one feed and day as one admitted batch."""
        contract = self.contracts[feed_id]
        frame = synthetic.rows_of(contract, day, n, seed, received_at)
        synthetic.land_rows(self.home, self.engine, contract, frame, batch_id)

    def set_batch(self, batch_id: str, state: str) -> None:
        """Change a batch's state in the ledger."""
        with self.engine.begin() as connection:
            connection.execute(sa.update(tables.batch).where(tables.batch.c.batch_id == batch_id).values(state=state))

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of a query on the built warehouse."""
        with duckdb.connect(str(self.home.warehouse), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    def ask_mart(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of a query on what would be published."""
        with duckdb.connect(str(self.home.mart), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    def checksums(self) -> dict[str, tuple[object, ...]]:
        """Rows and an order-free checksum of every core table."""
        tables = self.ask(
            "select table_name from information_schema.tables where table_schema = 'core' and table_type = 'BASE TABLE'"
        )
        return {str(name): self.ask(f"select count(*), sum(hash(t)) from core.{name} as t")[0] for (name,) in tables}


def open_warehouse(root: Path, project: Path = PROJECT, contracts: Path | None = None) -> Warehouse:
    """An empty home."""
    home = Home(root, {})
    loaded = load_contracts(contracts) if contracts else load_contracts()
    return Warehouse(home, database.open_ops(home.ops_url), loaded, project)


def copy_project(root: Path) -> Path:
    """The parts of the project that a feed touches, as a copy."""
    repository = PROJECT.parent
    shutil.copytree(repository / "systems", root / "systems")
    for name in (DERIVED, "macros", "seeds", "models/core", "tests/generic"):
        shutil.copytree(PROJECT / name, root / "dbt_project" / name)
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT / name, root / "dbt_project" / name)
    return root / "dbt_project"
