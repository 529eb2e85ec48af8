"""Rows that came before: found exactly, whatever order and number, without ever looking at more than two days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from intake_process import GAS

from core.catalogue import load_contracts
from core.contract import Contract
from core.stages import value_schema
from ingest.intake.seen import FIRST_SLOTS, HashTable, SeenRows

NOW = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
TODAY = date(2026, 7, 10)


def rows(contract: Contract, *said: tuple[str, datetime, float]) -> pl.DataFrame:
    data = [{"device_id": device, "observed_at": at, "methane_pct_lel": lel} for device, at, lel in said]
    return pl.DataFrame(data, schema=value_schema(contract))


def test_a_table_agrees_with_a_set() -> None:
    chance, table, known = np.random.default_rng(3), HashTable(), set[int]()
    for _ in range(60):
        hashes = chance.integers(0, 20_000, size=chance.integers(0, 1500), dtype=np.uint64)
        fresh = table.add(hashes * np.uint64(0x9E3779B97F4A7C15))
        for value, is_fresh in zip(hashes.tolist(), fresh.tolist(), strict=True):
            assert is_fresh is (value not in known)
            known.add(value)
    assert len(known) > 10_000


def test_a_full_table_forgets_its_older_half_only() -> None:
    table = HashTable(most_slots=FIRST_SLOTS)
    numbers = np.arange(1, 4001, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert all(table.add(part).all() for part in np.split(numbers, 8))
    assert not table.add(numbers[-1500:]).any()
    for more in range(10):
        table.add(np.arange(10_000 * (more + 1), 10_000 * (more + 1) + 1000, dtype=np.uint64))
    assert table.add(numbers[:500]).all()


def test_the_first_row_of_a_day_loads_what_landed_on_it() -> None:
    contract, asked = load_contracts()[GAS], list[date | None]()
    said = ("GD1", NOW, 1.5)

    def landed(_: Contract, day: date | None) -> pl.DataFrame:
        asked.append(day)
        return rows(contract, said) if day == TODAY else rows(contract)

    seen = SeenRows(landed)
    fresh, unknown = seen.split(rows(contract, said, ("GD1", NOW, 2.5), ("GD2", NOW, 1.5)), contract, TODAY)
    assert (fresh.tolist(), unknown.tolist()) == ([False, True, True], [False] * 3)
    fresh, _ = seen.split(rows(contract, ("GD2", NOW, 1.5), ("GD1", NOW - timedelta(days=1), 1.5)), contract, TODAY)
    assert fresh.tolist() == [False, True]
    assert asked == [TODAY, TODAY - timedelta(days=1)]
    seen.forget(contract, [rows(contract, ("GD1", NOW, 2.5))])  # GD2's row was taken back, GD1's second one waits
    fresh, _ = seen.split(rows(contract, said, ("GD2", NOW, 1.5), ("GD1", NOW, 2.5)), contract, TODAY)
    assert fresh.tolist() == [False, True, False]


def test_rows_of_an_older_day_are_for_landing_to_judge() -> None:
    contract = load_contracts()[GAS]
    seen = SeenRows(lambda _contract, _day: rows(contract))
    old = rows(contract, ("GD1", NOW - timedelta(days=2), 1.5), ("GD1", NOW, 1.5))
    for expected in (True, False):
        fresh, unknown = seen.split(old, contract, TODAY)
        assert (fresh.tolist(), unknown.tolist()) == ([True, expected], [True, False])
    later = TODAY + timedelta(days=3)
    fresh, unknown = seen.split(old, contract, later)  # today has become an old day too
    assert (fresh.tolist(), unknown.tolist()) == ([True, True], [True, True])
