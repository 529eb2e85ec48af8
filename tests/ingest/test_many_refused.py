"""A delivery of rows that are refused for one reason: samples and a count, and every row can still come back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl
import pytest
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.settings import Home
from core.stages import Note, Payload
from core.store import tables
from core.store.database import open_ops
from core.store.landed import live_files
from ingest.land.notes import NOTES_A_REASON, drawn_together, places_of
from ingest.parse.columns import expected_names
from ingest.places import pack_places, unpack_places
from ingest.pull import Intake, open_intake, pull_feed
from ingest.reprocess.quarantine import replay
from ingest.reprocess.restore import restore

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
CONTRACT = load_contracts()["emergency.tailings_reading"]
FEEDS = {CONTRACT.id: CONTRACT}
N_BAD, N_GOOD = 20, 3


@pytest.fixture
def intake(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Intake]:
    """Twenty rows refused for one reason among three good ones; five of a reason get a note of their own."""
    monkeypatch.setattr("ingest.land.notes.NOTES_A_REASON", 5)
    engine = open_ops(home.ops_url)
    made = open_intake(home, engine, "run-1", lambda: NOW)
    values = ["x" if n % 2 else "y" for n in range(N_BAD)] + ["82.1"] * N_GOOD
    lines = [f"P{n},2026-06-14 08:00:00,{value},6.4,88.5,12.5,105.3,0.0,正常" for n, value in enumerate(values)]
    body = "\n".join([",".join(expected_names(CONTRACT)), *lines, ""]).encode("gb18030")
    pull_feed(made, CONTRACT, [Payload(CONTRACT.id, body, "csv", "a.csv", NOW)])
    yield made
    engine.dispose()


def points(intake: Intake) -> list[str]:
    files = live_files(intake.engine, intake.home, CONTRACT.id)
    return sorted(point for path in files for point in pl.read_parquet(path)["point_id"].to_list())


def refused(intake: Intake, *, is_waiting: bool) -> tuple[int, int]:
    """Notes and rows of quarantine that wait, or that were replayed."""
    q = tables.quarantine.c
    which = q.replayed_at.is_(None) if is_waiting else q.replayed_at.is_not(None)
    query = sa.select(sa.func.count(), sa.func.sum(q.n_rows)).where(q.outcome == "quarantined", which)
    with intake.engine.connect() as connection:
        return tuple(int(figure or 0) for figure in connection.execute(query).one())  # type: ignore[return-value]


def lose_and_restore(intake: Intake) -> None:
    before = points(intake)
    for path in live_files(intake.engine, intake.home, CONTRACT.id):
        path.unlink()
    assert restore(intake, FEEDS).lost_paths == ()
    assert points(intake) == before


@pytest.mark.case("security.H5")
def test_three_hundred_thousand_refused_rows_are_samples_and_a_count() -> None:
    notes = [Note("missing_key", "row", "quarantined", f"#{n}", "id", None, "a value") for n in range(1, 300_002)]
    kept = drawn_together(notes)
    assert len(kept) == NOTES_A_REASON + 1
    assert sum(note.n_rows for note in kept) == 300_001
    assert len(kept[-1].locator) < 100
    places = [place for note in kept for place in places_of(note.grain, note.locator)]
    assert places == [note.locator for note in notes]


@pytest.mark.parametrize(
    "places",
    [
        [],
        ["", "7", "08", "09", "10", "a|1", "a|2", "a|4", "长|x\n", "[1]"],
        [f"9.{n}.0" for n in range(9)],
        ["00000000000000000001", "123456789012345678901234567890"],
    ],
)
def test_packed_places_come_out_as_they_were(places: list[str]) -> None:
    assert list(unpack_places(pack_places(places))) == places


@pytest.mark.case("security.H5")
def test_rows_beyond_the_samples_are_restored_and_replayed(intake: Intake) -> None:
    assert refused(intake, is_waiting=True) == (6, N_BAD)
    assert len(points(intake)) == N_GOOD
    lose_and_restore(intake)
    with intake.engine.begin() as connection:  # half of them can be read by now
        connection.execute(
            sa.insert(tables.override).values(
                feed_id=CONTRACT.id,
                column_name=CONTRACT.columns[2].name,
                found="x",
                use="82.2",
                actor="t",
                reason="t",
                at=NOW,
            )
        )
    assert [done.rows_landed for done in replay(intake, FEEDS)] == [N_BAD // 2]
    assert len(points(intake)) == N_GOOD + N_BAD // 2
    assert refused(intake, is_waiting=True)[1] == refused(intake, is_waiting=False)[1] == N_BAD // 2
    lose_and_restore(intake)
    assert [done.rows_landed for done in replay(intake, FEEDS)] == [0]
