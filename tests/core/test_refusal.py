"""A delivery of which nothing lands is no success: it is named, with what was lost and what is new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import Home
from core.stages import Payload
from core.store.database import open_ops
from core.store.refusal import Refusal, standing
from ingest.parse.columns import expected_names
from ingest.pull import Intake, Outcome, open_intake, pull_feed
from ingest.reprocess.quarantine import replay

NOW = datetime(2026, 6, 14, 4, tzinfo=UTC)
CONTRACT = load_contracts()["emergency.tailings_reading"]
NAMES = expected_names(CONTRACT)
ROW = "P1,2026-06-14 08:00:00,82.1,6.4,88.5,12.5,105.3,0.0,正常"

pytestmark = pytest.mark.case("engineer.1")


@pytest.fixture
def intake(home: Home) -> Iterator[Intake]:
    engine = open_ops(home.ops_url)
    yield open_intake(home, engine, "run-1", lambda: NOW)
    engine.dispose()


def csv(name: str, header: tuple[str, ...], row: str, contract: Contract = CONTRACT) -> Payload:
    return Payload(contract.id, f"{','.join(header)}\n{row}\n".encode("gb18030"), "csv", name, NOW)


def pulled(intake: Intake, *payloads: Payload) -> tuple[Outcome, Refusal | None]:
    outcome = pull_feed(intake, CONTRACT, payloads)
    with intake.engine.connect() as connection:
        return outcome, standing(connection).get(CONTRACT.id)


def test_a_renamed_column_is_named_with_the_new_one(intake: Intake) -> None:
    good, before = pulled(intake, csv("good.csv", NAMES, ROW))
    assert (good.result, before) == ("landed", None)
    renamed = ("测点号", *NAMES[1:])
    intake = open_intake(intake.home, intake.engine, "run-2", lambda: NOW.replace(hour=5))
    outcome, refusal = pulled(
        intake, Payload(CONTRACT.id, csv("bad.csv", renamed, ROW).body, "csv", "bad.csv", NOW.replace(hour=5))
    )
    assert (outcome.result, outcome.rows_landed) == ("rejected", 0)
    assert refusal is not None
    assert (refusal.source_ref, refusal.last_good_ref, refusal.last_good_at) == ("bad.csv", "good.csv", NOW)
    for text in (outcome.detail, refusal.why):
        assert "测点号" in text
        assert NAMES[0] in text


def test_two_new_columns_are_no_rename_and_are_named_too(intake: Intake) -> None:
    header = (*(name for name in NAMES if name != NAMES[0]), "甲", "乙")
    outcome, refusal = pulled(intake, csv("bad.csv", header, ROW.removeprefix("P1,") + ",a,b"))
    assert outcome.result == "rejected"
    assert refusal is not None
    assert f"lost column: {NAMES[0]}" in refusal.why
    assert "new column: 甲, 乙" in refusal.why


def test_what_was_delivered_last_counts(intake: Intake) -> None:
    empty = Payload(CONTRACT.id, b"", "csv", "empty.csv", NOW)
    outcome, _ = pulled(intake, empty, csv("good.csv", NAMES, ROW))
    assert (outcome.result, outcome.rows_quarantined) == ("landed", 1)
    assert "empty.csv refused: 1 × empty_file" in outcome.detail


def test_repeats_alone_are_nothing_new(intake: Intake) -> None:
    pulled(intake, csv("a.csv", NAMES, ROW))
    outcome, refusal = pulled(intake, csv("b.csv", NAMES, f"{ROW}\n{ROW}"))
    assert (outcome.result, refusal) == ("nothing_new", None)


def test_a_replay_ends_it(intake: Intake) -> None:
    _, refusal = pulled(intake, csv("bad.csv", NAMES, ROW.replace("82.1", "eighty")))
    assert refusal is not None
    assert refusal.why.startswith("1 × wrong_type in")

    columns = tuple(replace(c, logical_type="string") if c.logical_type == "number" else c for c in CONTRACT.columns)
    lenient = replace(CONTRACT, columns=columns, version="9.9.9")
    (done,) = replay(intake, {CONTRACT.id: lenient})
    assert done.rows_landed == 1
    with intake.engine.connect() as connection:
        assert standing(connection) == {}
