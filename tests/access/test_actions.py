from __future__ import annotations

import pytest
import sqlalchemy as sa

from access.actions import reveal
from access.rights import NotAllowedError, Reader
from core.settings import ARCHIVE_KEY, Home
from core.store import database, tables
from core.store.vault import Vault
from published import utc

NOW = utc(2026, 11, 20, 8)
OFFICER = Reader(name="duty-3", role="duty_officer")


def _actions(home: Home) -> list[tuple[str, str, str, str]]:
    engine = database.open_ops(home.ops_url)
    table = tables.operator_action
    with engine.connect() as connection:
        rows = connection.execute(sa.select(table.c.actor, table.c.action, table.c.target, table.c.reason)).all()
    engine.dispose()
    return [tuple(row) for row in rows]


def test_a_reveal_is_remembered(home: Home) -> None:
    engine = database.open_ops(home.ops_url)
    Vault(engine, home.secret(ARCHIVE_KEY)).keep({"ab12": "13800000000"})
    engine.dispose()
    assert reveal(home, OFFICER, "ab12", "alert 7: call the driver", NOW) == "13800000000"
    assert reveal(home, OFFICER, "ffff", "alert 8", NOW) is None
    assert _actions(home) == [
        ("duty-3", "reveal", "ab12", "alert 7: call the driver"),
        ("duty-3", "reveal", "ffff", "alert 8"),
    ]


@pytest.mark.case("security.held.H3")
def test_a_viewer_may_not(home: Home) -> None:
    with pytest.raises(NotAllowedError, match="duty_officer"):
        reveal(home, Reader(name="someone"), "ab12", "curious", NOW)
    assert _actions(home) == []


def test_a_reason_is_needed(home: Home) -> None:
    with pytest.raises(ValueError, match="reason"):
        reveal(home, OFFICER, "ab12", "  ", NOW)
    assert _actions(home) == []
