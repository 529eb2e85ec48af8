"""The ops store: made by migrations, equal to its tables, once, quickly, whole or not at all."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.store import database, migrate, tables
from core.store.migrate import MigrationError


def differences(engine: sa.Engine) -> list[object]:
    assert tables.alert.metadata is database.metadata
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), database.metadata))


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ops.db'}"


def test_revision_is_the_newest_step() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == database.REVISION


def test_sqlite_has_the_tables(tmp_path: Path) -> None:
    engine = database.open_ops(sqlite_url(tmp_path / "new"))
    assert differences(engine) == []
    assert len(sa.inspect(engine).get_table_names()) == len(database.metadata.tables) + 1
    engine.dispose()


@pytest.mark.servers
def test_postgres_has_the_tables(postgres_url: str) -> None:
    maker = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with maker.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE ops_of_migrations"))
    url = sa.make_url(postgres_url).set(database="ops_of_migrations").render_as_string(hide_password=False)
    try:
        engine = database.open_ops(url)
        assert differences(engine) == []
        database.open_ops(url).dispose()
        engine.dispose()
    finally:
        with maker.connect() as connection:
            connection.execute(sa.text("DROP DATABASE ops_of_migrations WITH (FORCE)"))
        maker.dispose()


def test_a_difference_would_be_seen(tmp_path: Path) -> None:
    engine = database.open_ops(sqlite_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE run DROP COLUMN step"))
    assert [one[0] for one in differences(engine) if isinstance(one, tuple)] == ["add_column"]
    engine.dispose()


def test_opening_again_is_quick_and_loads_no_migrations(tmp_path: Path) -> None:
    """In processor time: others may be busy on the machine."""
    started = time.process_time()
    database.open_ops(sqlite_url(tmp_path)).dispose()
    assert time.process_time() - started < 1.5
    code = (
        "import sys, time; from core.store import database\n"
        "started = time.process_time(); database.open_ops(sys.argv[1]); took = time.process_time() - started\n"
        "assert 'alembic' not in sys.modules; print(took)"
    )
    command = [sys.executable, "-c", code, sqlite_url(tmp_path)]
    took = [float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(2)]
    assert min(took) < 0.1


def test_a_crash_between_steps_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", torn)
        with pytest.raises(KeyboardInterrupt):
            database.open_ops(sqlite_url(tmp_path))
    engine = sa.create_engine(sqlite_url(tmp_path))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    database.open_ops(sqlite_url(tmp_path)).dispose()


def test_two_who_open_a_new_store_at_once(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def opened() -> None:
        try:
            database.open_ops(sqlite_url(tmp_path)).dispose()
        except sa.exc.SQLAlchemyError as error:
            failed.append(error)

    threads = [threading.Thread(target=opened) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    engine = database.open_ops(sqlite_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(MigrationError, match=r"revision 9999, expected .* newer version"):
        database.open_ops(sqlite_url(tmp_path))


def test_tables_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    engine = sa.create_engine(sqlite_url(tmp_path))
    database.metadata.create_all(engine)
    engine.dispose()
    with pytest.raises(MigrationError, match="without a revision"):
        database.open_ops(sqlite_url(tmp_path))
