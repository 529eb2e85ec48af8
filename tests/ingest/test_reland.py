"""A batch can be taken back, a feed landed again, and a damaged file is found and made again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.settings import Home
from core.stages import Payload
from core.store import tables
from core.store.database import open_ops
from core.store.landed import live_files
from ingest.land.files import sweep_orphans, verify_landed
from ingest.parse.columns import expected_names
from ingest.pull import Intake, open_intake, pull_feed
from ingest.reprocess.reland import RelandError, reland, withdraw
from ingest.reprocess.restore import restore

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
CONTRACT = load_contracts()["emergency.tailings_reading"]
FEEDS = {CONTRACT.id: CONTRACT}
HEADER = ",".join(expected_names(CONTRACT))


@pytest.fixture
def intake(home: Home) -> Iterator[Intake]:
    engine = open_ops(home.ops_url)
    intake = open_intake(home, engine, "run-1", lambda: NOW)
    first = [f"P{n},2026-06-14 08:00:00,82.1,6.4,88.5,12.5,105.3,0.0,正常" for n in (1, 2)]
    second = [
        first[1],
        "P3,2026-06-14 09:00:00,82.1,6.4,88.5,12.5,105.3,0.0,正常",
        "P4,2026-06-14 09:00:00,x,6.4,88.5,12.5,105.3,0.0,正常",
    ]
    for minute, (name, lines) in enumerate({"a.csv": first, "b.csv": second}.items()):
        body = "\n".join([HEADER, *lines, ""]).encode("gb18030")
        pull_feed(intake, CONTRACT, [Payload(CONTRACT.id, body, "csv", name, NOW.replace(minute=minute))])
    yield intake
    engine.dispose()


def points(intake: Intake) -> list[str]:
    """Points of the rows that are live, in landing order."""
    files = live_files(intake.engine, intake.home, CONTRACT.id)
    return [p for path in files for p in pl.read_parquet(path)["point_id"].to_list()]


def batches(intake: Intake) -> dict[str, tuple[str, str]]:
    """Source → batch id and state of the ledger's newest row for it."""
    b = tables.batch.c
    with intake.engine.connect() as connection:
        rows = connection.execute(sa.select(b.source_ref, b.batch_id, b.state).order_by(b.state.desc())).all()
    return {str(r.source_ref): (str(r.batch_id), str(r.state)) for r in rows}


@pytest.mark.case("engineer.2")
def test_a_batch_is_taken_back_and_comes_back(intake: Intake) -> None:
    assert points(intake) == ["P1", "P2", "P3"]
    batch_id = batches(intake)["a.csv"][0]
    with pytest.raises(RelandError, match="no reason"):
        withdraw(intake, CONTRACT, batch_id, "li", " ")
    assert withdraw(intake, CONTRACT, batch_id, "li", "wrong month") == ["2026-06-14"]
    assert points(intake) == ["P3"]
    sweep_orphans(intake.home, intake.engine)
    assert len(list(intake.home.landing.rglob("*.parquet"))) == 1
    with intake.engine.connect() as connection:
        action = connection.execute(sa.select(tables.operator_action)).one()
        waiting = connection.scalars(sa.select(tables.live_waiting.c.batch_id)).all()
    assert (action.actor, action.action, action.reason) == ("li", "withdraw", "wrong month")
    assert batch_id not in waiting
    with pytest.raises(RelandError, match="is withdrawn"):
        withdraw(intake, CONTRACT, batch_id, "li", "again")
    again = open_intake(intake.home, intake.engine, "run-2", lambda: NOW)
    reland(again, CONTRACT, "li", "it was right", with_withdrawn=True)
    assert points(intake) == ["P1", "P2", "P3"]


@pytest.mark.case("engineer.2")
def test_a_feed_lands_again_under_todays_contract(intake: Intake) -> None:
    columns = tuple(
        replace(c, logical_type="string", minimum=None, maximum=None) if c.logical_type == "number" else c
        for c in CONTRACT.columns
    )
    changed = replace(CONTRACT, columns=columns, version="9.0.0")
    with intake.engine.begin() as connection:
        connection.execute(sa.update(tables.batch).values(state="admitted"))
    again = open_intake(intake.home, intake.engine, "run-2", lambda: NOW)
    done = reland(again, changed, "li", "text by agreement")
    assert (done.batches, done.rows_before, done.rows_landed) == (2, 3, 4)
    assert points(intake) == ["P1", "P2", "P3", "P4"]
    assert {state for _, state in batches(intake).values()} == {"admitted"}
    files = live_files(intake.engine, intake.home, CONTRACT.id)
    assert {pl.read_parquet_schema(path)["dry_beach_m"] for path in files} == {pl.String()}
    sweep_orphans(intake.home, intake.engine)
    assert restore(again, {CONTRACT.id: changed}).batches == 0
    body = intake.archive.get(_sha(intake))
    assert pull_feed(again, changed, [Payload(CONTRACT.id, body, "csv", "a.csv", NOW)]).result == "nothing_new"


@pytest.mark.case("engineer.2")
def test_killed_before_its_end_nothing_has_happened(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    before = points(intake)
    with monkeypatch.context() as patch:
        patch.setattr("ingest.reprocess.reland._audit", killed)
        with pytest.raises(KeyboardInterrupt):
            reland(open_intake(intake.home, intake.engine, "run-2", lambda: NOW), CONTRACT, "li", "try")
    sweep_orphans(intake.home, intake.engine)
    assert points(intake) == before
    assert verify_landed(intake.home, intake.engine) == []


@pytest.mark.case("security.M5")
def test_a_flipped_bit_and_a_cut_file_are_found_and_mended(intake: Intake) -> None:
    first, second = live_files(intake.engine, intake.home, CONTRACT.id)
    good = pl.read_parquet(first)
    body = bytearray(first.read_bytes())
    body[len(body) // 2] ^= 1
    first.write_bytes(bytes(body))
    second.write_bytes(second.read_bytes()[:200])
    found = verify_landed(intake.home, intake.engine, only_new=True)
    assert {one.found for one in found} == {"not what was written: its digest differs"}
    assert len(found) == 2
    restored = restore(intake, FEEDS, only_new=True)
    assert (restored.batches, restored.lost) == (2, {})
    assert verify_landed(intake.home, intake.engine) == []
    assert pl.read_parquet(first).equals(good)


@pytest.mark.case("security.M5", "engineer.2")
def test_what_cannot_come_back_stops_no_other(intake: Intake) -> None:
    (first, _) = live_files(intake.engine, intake.home, CONTRACT.id)
    first.unlink()
    intake.archive.delete(_sha(intake))
    restored = restore(intake, FEEDS)
    assert (restored.batches, list(restored.lost)) == (0, [CONTRACT.id])
    assert restored.lost_paths == (str(first.relative_to(intake.home.landing)),)


def _sha(intake: Intake) -> str:
    """The archived bytes of a.csv."""
    b = tables.batch.c
    with intake.engine.connect() as connection:
        return str(connection.scalar(sa.select(b.archive_sha256).where(b.source_ref == "a.csv")))
