"""From a payload to the ledger: landed once, in its own days, back from the archive, replayed, merged, let go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import Home
from core.stages import Payload
from core.store import tables
from core.store.database import open_ops
from core.store.landed import live_files
from core.store.ledger import read_cursor
from ingest.land.compact import FILES_WORTH_MERGING, compact, delete_replaced
from ingest.land.files import sweep_orphans, verify_landed
from ingest.land.retention import expire, expire_archive
from ingest.pull import Intake, open_intake, pull_feed
from ingest.reprocess.quarantine import replay
from ingest.reprocess.restore import restore

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
HEADER = "测点编码,监测时间,干滩长度(m),浸润线埋深(m),孔隙水压力(kPa),表面位移(mm),库水位(m),降雨量(mm),状态"


@pytest.fixture
def contract() -> Contract:
    return load_contracts()["emergency.tailings_reading"]


@pytest.fixture
def intake(home: Home) -> Iterator[Intake]:
    engine = open_ops(home.ops_url)
    yield open_intake(home, engine, "run-1", lambda: NOW)
    engine.dispose()


def line(point: str, time: str, pressure: str = "88.5", state: str = "正常") -> str:
    return f"{point},{time},82.1,6.4,{pressure},12.5,105.3,0.0,{state}"


def payload(contract: Contract, name: str, *lines: str, at: datetime = NOW) -> Payload:
    body = "\n".join([HEADER, *lines, ""]).encode("gb18030")
    return Payload(contract.id, body, "csv", name, at)


def pull(intake: Intake, contract: Contract, *payloads: Payload) -> tuple[str, int]:
    outcome = pull_feed(intake, contract, payloads)
    assert outcome.result != "failed", outcome.detail
    return outcome.result, outcome.rows_landed


def landed(intake: Intake, contract: Contract) -> pl.DataFrame:
    paths = live_files(intake.engine, intake.home, contract.id)
    return pl.concat([pl.read_parquet(p) for p in paths]).sort("point_id", "observed_at")


def notes(intake: Intake) -> list[tuple[str, str, str]]:
    q = tables.quarantine.c
    with intake.engine.connect() as connection:
        return [tuple(r) for r in connection.execute(sa.select(q.reason, q.outcome, q.source_ref).order_by(q.id))]


def test_rows_land_by_beijing_day(intake: Intake, contract: Contract) -> None:
    pull(
        intake,
        contract,
        payload(contract, "a.csv", line("P1", "2026-06-14 23:00:00"), line("P1", "2026-06-15 00:00:00")),
    )
    days = [p.parent.name for p in live_files(intake.engine, intake.home, contract.id)]
    assert days == ["2026-06-14", "2026-06-15"]
    assert landed(intake, contract)["observed_at"].to_list() == [
        datetime(2026, 6, 14, 15, tzinfo=UTC),
        datetime(2026, 6, 14, 16, tzinfo=UTC),
    ]


def test_same_bytes_land_once(intake: Intake, contract: Contract) -> None:
    first = payload(contract, "a.csv", line("P1", "2026-06-14 08:00:00"))
    assert pull(intake, contract, first) == ("landed", 1)
    assert pull(intake, contract, replace(first, source_ref="copy of a.csv")) == ("nothing_new", 0)
    assert notes(intake) == [("resent_file", "ignored", "copy of a.csv")]


def test_a_whole_register_that_is_sent_again_is_the_present_state_again(intake: Intake, contract: Contract) -> None:
    """The second file had lost a point; the department mends it by sending the first once more."""
    register = replace(contract, snapshot="full")
    both = payload(register, "a.csv", line("P1", "2026-06-14 08:00:00"), line("P2", "2026-06-14 08:00:00"))
    one = payload(register, "b.csv", line("P1", "2026-06-14 08:00:00"))
    sent = [replace(p, received_at=p.received_at + timedelta(hours=n)) for n, p in enumerate((both, one, both, both))]
    assert [pull(intake, register, p)[0] for p in sent] == ["landed", "landed", "landed", "nothing_new"]
    newest = max(landed(intake, register)["_received_at"])
    assert newest == sent[2].received_at
    assert notes(intake) == [("resent_file", "ignored", "a.csv")]


def test_repeated_row_is_ignored_and_a_correction_lands(intake: Intake, contract: Contract) -> None:
    pull(intake, contract, payload(contract, "a.csv", line("P1", "2026-06-14 08:00:00")))
    again = payload(
        contract,
        "b.csv",
        line("P1", "2026-06-14 08:00:00"),
        line("P1", "2026-06-14 09:00:00"),
        line("P2", "2026-06-14 08:00:00"),
    )
    assert pull(intake, contract, again) == ("landed", 2)
    assert notes(intake) == [("duplicate", "ignored", "b.csv:2")]
    corrected = payload(contract, "c.csv", line("P1", "2026-06-14 08:00:00", pressure="91.0"))
    assert pull(intake, contract, corrected) == ("landed", 1)


def test_late_file_adds_to_its_own_days_only(intake: Intake, contract: Contract) -> None:
    pull(intake, contract, payload(contract, "a.csv", *(line("P1", f"2026-06-{d} 08:00:00") for d in (12, 13, 14))))
    before = set(live_files(intake.engine, intake.home, contract.id))
    pull(intake, contract, payload(contract, "late.csv", line("P2", "2026-06-12 08:00:00")))
    added = set(live_files(intake.engine, intake.home, contract.id)) - before
    assert [p.parent.name for p in added] == ["2026-06-12"]


def test_crash_before_the_ledger_leaves_nothing_live(
    intake: Intake, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    one = payload(contract, "a.csv", line("P1", "2026-06-14 08:00:00"))
    with monkeypatch.context() as patch:
        patch.setattr("ingest.land.accept.record_notes", crash)
        with pytest.raises(KeyboardInterrupt):
            pull_feed(intake, contract, [one])
    assert live_files(intake.engine, intake.home, contract.id) == []
    assert len(sweep_orphans(intake.home, intake.engine)) == 1
    assert pull(intake, contract, one) == ("landed", 1)
    assert sweep_orphans(intake.home, intake.engine) == []


def test_lost_files_come_back_from_the_archive(intake: Intake, contract: Contract) -> None:
    pull(
        intake,
        contract,
        payload(contract, "a.csv", *(line("P1", t) for t in ("2026-06-13 08:00:00", "2026-06-14 08:00:00", "bad"))),
        payload(contract, "b.csv", line("P1", "2026-06-14 08:00:00"), line("P2", "2026-06-14 08:00:00")),
    )
    before = landed(intake, contract)
    for path in live_files(intake.engine, intake.home, contract.id):
        path.unlink()
    assert restore(intake, {contract.id: contract}).batches == 2
    assert landed(intake, contract).equals(before)
    assert verify_landed(intake.home, intake.engine) == []


def test_replay_after_an_override_lands_the_row_once(intake: Intake, contract: Contract) -> None:
    pull(
        intake,
        contract,
        payload(
            contract, "a.csv", line("P1", "2026-06-14 08:00:00", state="检修中"), line("P2", "2026-06-14 08:00:00")
        ),
    )
    assert notes(intake) == [("wrong_type", "quarantined", "a.csv:2")]
    assert [r.rows_landed for r in replay(intake, {contract.id: contract})] == [0]
    with intake.engine.begin() as connection:
        connection.execute(
            sa.insert(tables.override).values(
                feed_id=contract.id,
                column_name="quality_flag",
                found="检修中",
                use="维护",
                actor="duty",
                reason="their new word for maintenance",
                at=NOW,
            )
        )
    assert [r.rows_landed for r in replay(intake, {contract.id: contract})] == [1]
    assert replay(intake, {contract.id: contract}) == []
    rows = landed(intake, contract)
    assert rows.select("point_id", "quality_flag").rows() == [("P1", "maintenance"), ("P2", "normal")]
    for path in live_files(intake.engine, intake.home, contract.id):
        path.unlink()
    restore(intake, {contract.id: contract})
    assert landed(intake, contract).equals(rows)


def admit_and_build(intake: Intake) -> None:
    with intake.engine.begin() as connection:
        connection.execute(sa.update(tables.batch).where(tables.batch.c.state == "landed").values(state="admitted"))
        connection.execute(sa.update(tables.file).values(built_at=NOW))


def test_small_files_are_merged_without_losing_or_doubling_rows(intake: Intake, contract: Contract) -> None:
    for n in range(FILES_WORTH_MERGING):
        pull(
            intake,
            contract,
            payload(contract, f"{n}.csv", line(f"P{n}", "2026-06-14 08:00:00"), line(f"P{n}", "2026-06-13 08:00:00")),
        )
    before = landed(intake, contract)
    admit_and_build(intake)
    assert compact(intake.home, intake.engine, {contract.id: contract}, NOW) == 2
    assert landed(intake, contract).equals(before)
    parts = set(intake.home.landing.rglob("*.parquet"))
    assert len(parts) == 2 * FILES_WORTH_MERGING + 2
    assert delete_replaced(intake.home, intake.engine, NOW) == 0
    assert delete_replaced(intake.home, intake.engine, NOW + timedelta(seconds=1)) == 2 * FILES_WORTH_MERGING
    for path in live_files(intake.engine, intake.home, contract.id):
        path.unlink()
    assert restore(intake, {contract.id: contract}).batches == 2
    assert landed(intake, contract).equals(before)


def test_a_file_that_has_grown_large_is_left_alone(
    intake: Intake, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.land.compact.LARGE_ROWS", 4)
    monkeypatch.setattr("ingest.land.compact.MERGED_ROWS", 5)
    large = payload(contract, "a.csv", *(line("P0", f"2026-06-14 {hour:02}:00:00") for hour in range(4)))
    pull(intake, contract, large)
    for n in range(FILES_WORTH_MERGING):
        pull(intake, contract, payload(contract, f"{n}.csv", line(f"P{n}", "2026-06-14 08:30:00")))
    before = landed(intake, contract)
    admit_and_build(intake)
    assert compact(intake.home, intake.engine, {contract.id: contract}, NOW) == 1
    files = live_files(intake.engine, intake.home, contract.id)
    assert sorted(pl.read_parquet(path).height for path in files) == [3, 4, 5]
    assert landed(intake, contract).equals(before)


def test_facts_past_their_retention_go_and_their_bytes_after_them(intake: Intake, contract: Contract) -> None:
    pull(intake, contract, payload(contract, "a.csv", line("P1", "2026-06-14 08:00:00")))
    contracts = {contract.id: contract}
    assert expire(intake.home, intake.engine, contracts, NOW) == 0
    later = NOW + contract.retention + timedelta(days=2)
    assert expire(intake.home, intake.engine, contracts, later) == 1
    assert live_files(intake.engine, intake.home, contract.id) == []
    assert expire_archive(intake.engine, intake.archive, contracts, later) == 1
    assert expire_archive(intake.engine, intake.archive, contracts, later) == 0


def test_a_lost_file_says_why(intake: Intake, contract: Contract) -> None:
    result = pull_feed(intake, contract, [Payload(contract.id, b"", "csv", "dir/empty.csv", NOW)]).result
    assert result == "rejected"
    assert notes(intake) == [("empty_file", "quarantined", "empty.csv")]


def test_a_feed_that_fails_is_an_outcome(home: Home, intake: Intake, contract: Contract) -> None:
    outcome = pull_feed(intake, contract)
    assert outcome.result == "not_configured"
    assert "CITYRISK_EMERGENCY_DROP" in outcome.detail
    with intake.engine.connect() as connection:
        assert connection.execute(sa.select(tables.fetch_outcome.c.result)).scalar() == "not_configured"


def test_file_by_hand_leaves_the_cursor(intake: Intake, contract: Contract, tmp_path: Path) -> None:
    from ingest.pull import file_payload

    path = tmp_path / "hand.csv"
    path.write_bytes(payload(contract, "x", line("P1", "2026-06-14 08:00:00")).body)
    assert pull(intake, contract, file_payload(contract, path, NOW)) == ("landed", 1)
    assert read_cursor(intake.engine, contract.id) is None
