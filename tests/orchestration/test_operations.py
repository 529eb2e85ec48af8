"""Backups open whole or not at all, and the doctor names what ails a home."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingest import ops
from ingest.archive import Archive
from ingest.catalogue import load_contracts
from ingest.ops import open_ops
from ingest.settings import ARCHIVE_KEY, Home
from orchestration.backup import BackupError, backup, restore
from orchestration.batch import BatchError, only_run
from orchestration.doctor import examine

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
        connection.execute(sa.insert(ops.cursor).values(feed_id="weather.station", value="7", moved_at=NOW))
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
        assert connection.execute(sa.select(ops.cursor.c.value)).scalar() == "7"
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
    with only_run(home), pytest.raises(BatchError, match="another batch is running"):
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
    found = ails(home, engine)
    assert set(found) == {"settings", "last run", "generation"}
    assert "CITYRISK_WEATHER_URL" in found["settings"]


def test_the_doctor_sees_keys_that_do_not_fit(home: Home, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.insert(ops.batch).values(
                batch_id="b", feed_id="weather.station", contract_version="1", source_ref="x", media="json",
                archive_sha256="0" * 64, received_at=NOW, rows_in=1, rows_landed=1, rows_quarantined=0,
                rows_ignored=0, state="landed", run_id="r",
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(ops.file).values(
                path="weather/station/2026-06-15/b.parquet", batch_id="b", feed_id="weather.station",
                landed_on="2026-06-15", rows=1, bytes=1, state="live",
            )
        )  # fmt: skip
    found = ails(home, engine)
    assert "CITYRISK_ARCHIVE_KEY" in found["keys"]
    assert found["landing"] == "1 live files, 1 not on disk"
