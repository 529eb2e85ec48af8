"""A wrong key is told by its name, at once, and is never taken into use beside the right one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from access.actions import reveal
from access.rights import Reader
from alerting import serve as alerting
from core.mask import keyed_hash
from core.runtime.backup import backup, restore
from core.settings import ARCHIVE_KEY, HASH_KEY, NATS_PASSWORD, STREAM_KEY, Home
from core.store import database, tables
from core.store.archive import Archive
from core.store.keys import CHECKED, WrongKeyError, checked_key, compare, confirm_keys
from core.store.vault import Vault
from ingest.devices import serve as listening
from ingest.intake import process
from ingest.pull import open_intake
from orchestration.doctor import examine
from orchestration.upkeep import upkeep

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
OTHER = base64.b64encode(b"another key of thirty-two bytes.").decode()


@pytest.fixture
def engine(home: Home) -> Iterator[sa.Engine]:
    engine = database.open_ops(home.ops_url)
    yield engine
    engine.dispose()


def given(home: Home, name: str) -> Home:
    return replace(home, environment={**home.environment, name: OTHER})


def landed(home: Home, engine: sa.Engine) -> None:
    """What a home from before check values holds: archived bytes, and a person's number in the vault."""
    sha256 = Archive(home.archive, home.secret(ARCHIVE_KEY)).put(b"what the department sent")
    number = "13800000000"
    Vault(engine, home.secret(ARCHIVE_KEY)).keep({keyed_hash(home.secret(HASH_KEY), number): number})
    row = {
        "batch_id": "b",
        "feed_id": "weather.station",
        "contract_version": "1",
        "source_ref": "x",
        "media": "json",
        "archive_sha256": sha256,
        "received_at": NOW,
        "rows_in": 1,
        "rows_landed": 1,
        "rows_quarantined": 0,
        "rows_ignored": 0,
        "state": "landed",
        "run_id": "r",
    }
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.batch).values(row))


@pytest.mark.case("security.M4")
@pytest.mark.parametrize("name", CHECKED)
def test_every_process_names_a_wrong_key(home: Home, engine: sa.Engine, name: str, tmp_path: Path) -> None:
    confirm_keys(home, engine)
    wrong, said = given(home, name), f"{name} is not the key that {home.root} was made with"

    async def starts() -> None:
        for serve in (listening.serve, process.serve, alerting.serve):
            with pytest.raises(WrongKeyError, match=said):
                await serve(wrong, {}, lambda: NOW, asyncio.Event())

    asyncio.run(starts())
    with pytest.raises(WrongKeyError, match=said):
        open_intake(wrong, engine, "r", lambda: NOW)
    found = {f.subject: f for f in examine(wrong, engine, {}, NOW)}
    assert not found["keys"].well
    assert said in found["keys"].found
    backup(home, tmp_path / "b.tar", NOW)
    with pytest.raises((WrongKeyError, RuntimeError), match=name):
        restore(replace(wrong, root=tmp_path / "other"), tmp_path / "b.tar")
    confirm_keys(home, engine)


@pytest.mark.case("security.M4")
def test_who_opens_sealed_things_refuses_a_wrong_key(home: Home, engine: sa.Engine, tmp_path: Path) -> None:
    confirm_keys(home, engine)
    wrong = given(home, ARCHIVE_KEY)
    with pytest.raises(WrongKeyError, match=ARCHIVE_KEY):
        reveal(wrong, Reader("duty", "duty_officer"), "ab12", "call", NOW)
    with pytest.raises(WrongKeyError, match=ARCHIVE_KEY):
        upkeep(wrong, engine, {}, NOW)
    with pytest.raises(WrongKeyError, match=ARCHIVE_KEY):
        backup(wrong, tmp_path / "b.tar", NOW)
    assert not (tmp_path / "b.tar").exists()


@pytest.mark.case("security.M4")
@pytest.mark.parametrize("name", CHECKED)
def test_an_older_home_is_tried_before_a_key_is_believed(home: Home, engine: sa.Engine, name: str) -> None:
    landed(home, engine)
    with pytest.raises(WrongKeyError, match=name):
        confirm_keys(given(home, name), engine)
    assert not (home.key_checks / name).exists()
    confirm_keys(home, engine)
    assert all(compare(home, one) for one in CHECKED)


@pytest.mark.case("security.M4")
def test_one_damaged_file_of_an_older_home_makes_no_key_wrong(home: Home, engine: sa.Engine) -> None:
    landed(home, engine)
    before = set(home.archive.rglob("*"))
    damaged = Archive(home.archive, home.secret(ARCHIVE_KEY)).put(b"sent later")
    (path,) = (one for one in set(home.archive.rglob("*")) - before if one.is_file())
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with engine.begin() as connection:
        row = dict(connection.execute(sa.select(tables.batch)).mappings().one())
        later = {**row, "batch_id": "c", "archive_sha256": damaged, "received_at": NOW + timedelta(hours=1)}
        connection.execute(sa.insert(tables.batch).values(later))
    confirm_keys(home, engine)
    assert compare(home, ARCHIVE_KEY)


@pytest.mark.case("security.M4")
def test_check_values_tell_nothing_and_bind_nothing_but_their_keys(home: Home, engine: sa.Engine) -> None:
    confirm_keys(home, engine)
    for name in CHECKED:
        path = home.key_checks / name
        assert path.stat().st_mode & 0o077 == 0
        assert home.environment[name] not in path.read_text(encoding="ascii")
    assert sorted(one.name for one in (home.key_checks).iterdir()) == sorted(CHECKED)
    rotated = given(given(home, STREAM_KEY), f"{NATS_PASSWORD}_FIRE")  # these change while a home lives
    confirm_keys(rotated, engine)
    assert checked_key(rotated, engine, ARCHIVE_KEY) == home.secret(ARCHIVE_KEY)
