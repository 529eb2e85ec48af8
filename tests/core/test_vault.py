"""The vault: sealed in the store, opened only with a name and a reason on record."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.store import database, tables
from core.store.vault import Vault, VaultError

KEY = bytes(range(32))
NOW = datetime(2026, 11, 1, 3, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = database.open_ops(f"sqlite:///{tmp_path / 'ops.db'}")
    yield engine
    engine.dispose()


def actions(engine: sa.Engine) -> list[tuple[str, ...]]:
    a = tables.operator_action.c
    with engine.connect() as connection:
        return [
            tuple(row) for row in connection.execute(sa.select(a.actor, a.action, a.target, a.reason).order_by(a.id))
        ]


def test_reveal_is_recorded(engine: sa.Engine) -> None:
    vault = Vault(engine, KEY)
    vault.keep({"aa": "张三", "bb": "13800000000"})
    assert vault.reveal("aa", "duty", "塔吊司机离岗", NOW) == "张三"
    assert actions(engine) == [("duty", "reveal", "aa", "塔吊司机离岗")]


def test_asking_for_nothing_is_recorded_too(engine: sa.Engine) -> None:
    assert Vault(engine, KEY).reveal("zz", "duty", "call", NOW) is None
    assert [row[2] for row in actions(engine)] == ["zz"]


@pytest.mark.parametrize(("actor", "reason"), [("", "call"), ("duty", " ")])
def test_no_reveal_without_name_and_reason(engine: sa.Engine, actor: str, reason: str) -> None:
    vault = Vault(engine, KEY)
    vault.keep({"aa": "张三"})
    with pytest.raises(VaultError, match="recorded"):
        vault.reveal("aa", actor, reason, NOW)
    assert not actions(engine)


def test_no_reveal_when_it_cannot_be_recorded(engine: sa.Engine) -> None:
    vault = Vault(engine, KEY)
    vault.keep({"aa": "张三"})
    tables.operator_action.drop(engine)
    with pytest.raises(sa.exc.OperationalError):
        vault.reveal("aa", "duty", "call", NOW)


def test_keep_many_and_again(engine: sa.Engine) -> None:
    vault = Vault(engine, KEY)
    values = {f"{i:032x}": f"人{i}" for i in range(1_203)}
    vault.keep(values)
    vault.keep({**values, "new": "新"})
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.vault)) == 1_204
    assert vault.reveal(f"{1_202:032x}", "duty", "call", NOW) == "人1202"


def test_store_tells_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    Vault(engine, KEY).keep({"aa": "110101199003070097"})
    engine.dispose()
    for path in tmp_path.iterdir():
        assert b"110101199003070097" not in path.read_bytes()


def test_other_key_is_said_and_asking_is_recorded(engine: sa.Engine) -> None:
    Vault(engine, KEY).keep({"aa": "张三"})
    with pytest.raises(VaultError, match="CITYRISK_ARCHIVE_KEY"):
        Vault(engine, bytes(32)).reveal("aa", "duty", "call", NOW)
    assert len(actions(engine)) == 1
