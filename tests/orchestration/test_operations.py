"""Backups open whole or not at all, and the doctor names what ails a home."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.runtime.backup import BackupError, backup, restore
from core.runtime.run_lock import HomeBusyError, only_run
from core.settings import ARCHIVE_KEY, Home
from core.store import tables
from core.store.archive import Archive
from core.store.database import open_ops
from orchestration.doctor import examine, look_over

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


@pytest.fixture
def engine(home: Home) -> Iterator[sa.Engine]:
    engine = open_ops(home.ops_url)
    yield engine
    engine.dispose()


@pytest.fixture
def archived(home: Home) -> str:
    return Archive(home.archive, home.secret(ARCHIVE_KEY)).put(b"what the department sent")


def ails(home: Home, engine: sa.Engine) -> dict[str, str]:
    return {f.subject: f.found for f in examine(home, engine, load_contracts(), NOW) if not f.well}


def test_a_backup_comes_back_whole(home: Home, engine: sa.Engine, archived: str, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.cursor).values(feed_id="weather.station", value="7", moved_at=NOW))
    rules = home.root / "rules" / "20260615T040000"
    rules.mkdir(parents=True)
    (rules / "alert_rules.csv").write_text("rule_id\n", encoding="utf-8")
    assert backup(home, tmp_path / "b.tar", NOW) == 3
    other = replace(home, root=tmp_path / "other")
    assert restore(other, tmp_path / "b.tar") == 3
    assert (other.root / "rules" / rules.name / "alert_rules.csv").read_text(encoding="utf-8") == "rule_id\n"
    assert Archive(other.archive, other.secret(ARCHIVE_KEY)).get(archived) == b"what the department sent"
    restored = open_ops(other.ops_url)
    with restored.connect() as connection:
        assert connection.execute(sa.select(tables.cursor.c.value)).scalar() == "7"
    restored.dispose()
    assert [p.name for p in other.root.iterdir() if p.name.startswith("tmp")] == []


def test_a_backup_holds_no_keys(home: Home, engine: sa.Engine, archived: str, tmp_path: Path) -> None:
    backup(home, tmp_path / "b.tar", NOW)
    assert home.environment[ARCHIVE_KEY].encode() not in (tmp_path / "b.tar").read_bytes()


def test_a_backup_never_replaces_another(home: Home, engine: sa.Engine, tmp_path: Path) -> None:
    backup(home, tmp_path / "b.tar", NOW)
    with pytest.raises(FileExistsError):
        backup(home, tmp_path / "b.tar", NOW)


def test_no_backup_while_a_batch_runs(home: Home, engine: sa.Engine, tmp_path: Path) -> None:
    with only_run(home), pytest.raises(HomeBusyError, match="another batch is running"):
        backup(home, tmp_path / "b.tar", NOW)


def test_a_home_with_data_is_not_overwritten(home: Home, engine: sa.Engine, tmp_path: Path) -> None:
    backup(home, tmp_path / "b.tar", NOW)
    with pytest.raises(BackupError, match="holds data"):
        restore(home, tmp_path / "b.tar")


@pytest.mark.parametrize("spoil", ["torn", "altered", "foreign"])
def test_a_spoilt_backup_is_refused_and_leaves_nothing(
    home: Home, engine: sa.Engine, archived: str, tmp_path: Path, spoil: str
) -> None:
    path = tmp_path / "b.tar"
    backup(home, path, NOW)
    body = bytearray(path.read_bytes())
    if spoil == "torn":
        path.write_bytes(body[: len(body) // 2])
    elif spoil == "altered":
        at = body.find(b"SQLite format 3") + 200
        body[at] ^= 0xFF
        path.write_bytes(body)
    else:
        with tarfile.open(path, "w") as tar:
            tar.add(__file__, arcname="something.py")
    other = replace(home, root=tmp_path / "other")
    with pytest.raises(BackupError):
        restore(other, path)
    assert list(other.root.iterdir()) == []


def test_the_doctor_names_what_is_missing(home: Home, engine: sa.Engine) -> None:
    for name in ("ops.db", "secrets.env"):
        (home.root / name).chmod(0o600)
    found = ails(home, engine)
    assert set(found) == {"settings", "last run", "generation"}
    assert "CITYRISK_WEATHER_URL" in found["settings"]


def test_the_doctor_sees_keys_that_do_not_fit(home: Home, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.batch).values(
                batch_id="b",
                feed_id="weather.station",
                contract_version="1",
                source_ref="x",
                media="json",
                archive_sha256="0" * 64,
                received_at=NOW,
                rows_in=1,
                rows_landed=1,
                rows_quarantined=0,
                rows_ignored=0,
                state="landed",
                run_id="r",
            )
        )
        connection.execute(
            sa.insert(tables.file).values(
                path="weather/station/2026-06-15/b.parquet",
                batch_id="b",
                feed_id="weather.station",
                landed_on="2026-06-15",
                rows=1,
                bytes=1,
                state="live",
            )
        )
    found = ails(home, engine)
    assert "CITYRISK_ARCHIVE_KEY" in found["keys"]
    assert found["landing"] == "1 live files, 1 not on disk"


@pytest.mark.case("security.M8")
def test_the_doctor_sees_files_that_others_may_read(home: Home, engine: sa.Engine) -> None:
    (home.root / "ops.db").chmod(0o644)
    assert "ops.db" in ails(home, engine)["file rights"]


@pytest.mark.case("security.M7")
@pytest.mark.parametrize("spoil", ["missing home", "no database", "torn", "unreadable"])
def test_the_doctor_tells_of_a_home_in_any_state(home: Home, engine: sa.Engine, spoil: str) -> None:
    engine.dispose()
    store = home.root / "ops.db"
    if spoil == "missing home":
        home = replace(home, root=home.root / "nowhere")
    elif spoil == "no database":
        store.write_bytes(b"not a database" * 5000)
    elif spoil == "torn":
        store.write_bytes(store.read_bytes()[: store.stat().st_size // 3])
    else:
        store.unlink()
        store.mkdir()
    unwell = {one.subject for one in look_over(home, load_contracts(), NOW) if not one.well}
    assert unwell & {"home", "ops store"}
    assert not (spoil == "missing home" and home.root.exists()), "it changes nothing"


@pytest.mark.case("security.M7")
def test_a_run_without_its_lock_has_died(home: Home, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.run).values(
                run_id="r", started_at=NOW, ended_at=None, result="running", step="check", detail=""
            )
        )
    assert "died at step check" in ails(home, engine)["last run"]
    with only_run(home):
        assert "last run" not in ails(home, engine)


@pytest.mark.case("security.C1")
def test_the_doctor_sees_stopped_schedules(home: Home, engine: sa.Engine) -> None:
    store = home.root / "dagster" / "schedules" / "schedules.db"
    store.parent.mkdir(parents=True)
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("create table instigators (status text, instigator_body text)")
        body = json.dumps({"origin": {"job_name": "weather_station"}})
        connection.executemany("insert into instigators values (?, ?)", [("STOPPED", body), ("RUNNING", body)])
    assert "weather_station" in ails(home, engine)["schedules"]


@pytest.mark.case("security.M6")
def test_a_corrupt_store_is_not_backed_up(home: Home, engine: sa.Engine, tmp_path: Path) -> None:
    engine.dispose()
    store = home.root / "ops.db"
    body = bytearray(store.read_bytes())
    for page in range(2, len(body) // 4096):
        body[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    store.write_bytes(body)
    with pytest.raises(BackupError, match="damaged"):
        backup(home, tmp_path / "b.tar", NOW)
    assert list(tmp_path.glob("b.tar*")) == []


@pytest.mark.case("security.M6")
@pytest.mark.parametrize("spoil", ["digest", "added"])
def test_an_altered_manifest_is_refused(
    home: Home, engine: sa.Engine, archived: str, tmp_path: Path, spoil: str
) -> None:
    backup(home, tmp_path / "b.tar", NOW)
    unpacked = tmp_path / "unpacked"
    with tarfile.open(tmp_path / "b.tar") as tar:
        tar.extractall(unpacked, filter="data")
    if spoil == "digest":
        (unpacked / "ops.db").write_bytes(b"forged")
        manifest = json.loads((unpacked / "manifest.json").read_text())
        manifest["sha256"]["ops.db"] = hashlib.sha256(b"forged").hexdigest()
        (unpacked / "manifest.json").write_text(json.dumps(manifest))
    else:
        (unpacked / "archive" / "planted").write_bytes(b"x")
    with tarfile.open(tmp_path / "forged.tar", "w") as tar:
        tar.add(unpacked, arcname=".")
    other = replace(home, root=tmp_path / "other")
    with pytest.raises(BackupError, match="manifest"):
        restore(other, tmp_path / "forged.tar")
    assert list(other.root.iterdir()) == []


def test_a_backup_from_before_signatures_is_restored_when_asked_for(
    home: Home, engine: sa.Engine, archived: str, tmp_path: Path
) -> None:
    backup(home, tmp_path / "b.tar", NOW)
    unpacked = tmp_path / "unpacked"
    with tarfile.open(tmp_path / "b.tar") as tar:
        tar.extractall(unpacked, filter="data")
    manifest = json.loads((unpacked / "manifest.json").read_text())
    (unpacked / "manifest.json").write_text(json.dumps({**manifest, "hmac": None}))
    with tarfile.open(tmp_path / "old.tar", "w") as tar:
        tar.add(unpacked, arcname=".")
    other = replace(home, root=tmp_path / "other")
    with pytest.raises(BackupError, match="`--unsigned`"):
        restore(other, tmp_path / "old.tar")
    assert restore(other, tmp_path / "old.tar", unsigned=True) >= 2


def test_the_doctor_names_an_element_that_nothing_uses(home: Home, engine: sa.Engine) -> None:
    contracts = load_contracts()
    odd = replace(contracts["weather.station"], unused=("the document: old is not used",))
    findings = {one.subject: one for one in examine(home, engine, {**contracts, odd.id: odd}, NOW)}
    assert not findings["contracts"].well
    assert findings["contracts"].found == "weather.station: the document: old is not used"
