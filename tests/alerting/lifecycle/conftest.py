"""An ops store on each engine, the duty desk of the seeds, and changes as the rule engine would tell them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from alerting.engine.episode import EpisodeChange
from alerting.lifecycle.joining import Subject
from alerting.policy.notification_policies import NotificationPolicies, load_notification_policies
from core.store import tables
from core.store.database import open_ops
from orchestration.project import PROJECT, seed_folders
from told_episodes import Engineer, river_station

SEEDS = seed_folders(PROJECT)


@pytest.fixture(scope="session")
def policies() -> NotificationPolicies:
    """The desk that the seeds describe."""
    return load_notification_policies(*SEEDS)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A new SQLite store."""
    return f"sqlite:///{tmp_path / 'ops.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A new store on each engine, by URL, for several processes to open."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server_url = request.getfixturevalue("postgres_url")
    maker = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    name = f"alerts_{secrets.token_hex(4)}"
    with maker.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with maker.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    maker.dispose()


@pytest.fixture
def store(store_url: str) -> Iterator[sa.Engine]:
    """A new store on each engine."""
    engine = open_ops(store_url)
    yield engine
    engine.dispose()


@pytest.fixture
def quick_store(sqlite_url: str) -> Iterator[sa.Engine]:
    """A new SQLite store, for what does not depend on the engine."""
    engine = open_ops(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def subject_of() -> Callable[[EpisodeChange], Subject]:
    """Every object is a river station."""
    return river_station


@pytest.fixture
def engineer() -> Engineer:
    """A writer of changes."""
    return Engineer()


@pytest.fixture
def alerts_of() -> Callable[[sa.Engine], list[sa.RowMapping]]:
    """All alerts of a store in the order they opened."""

    def alerts(engine: sa.Engine) -> list[sa.RowMapping]:
        with engine.connect() as connection:
            query = sa.select(tables.alert).order_by(tables.alert.c.opened_at, tables.alert.c.alert_id)
            return list(connection.execute(query).mappings().all())

    return alerts
