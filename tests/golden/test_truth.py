"""Everything the city planted is found for what it is, and nothing else is: per reason, row by row."""

from __future__ import annotations

import polars as pl
import pytest
import sqlalchemy as sa

from core.store import tables
from golden.conftest import RunCity

pytestmark = [pytest.mark.servers, pytest.mark.slow]

FOUND_BY = ("feed_id", "grain", "reason", "outcome", "source_ref")


def found(run: RunCity) -> pl.DataFrame:
    """What the product noted, in truth's words."""
    q = tables.quarantine.c
    with run.engine.connect() as connection:
        rows = connection.execute(sa.select(*(q[name] for name in FOUND_BY))).all()
    return pl.DataFrame([tuple(row) for row in rows], schema=list(FOUND_BY), orient="row")


def planted(run: RunCity) -> pl.DataFrame:
    """What the city planted."""
    return run.truth.filter(pl.col("kind") == "defect").select(FOUND_BY)


def test_every_feed_was_fetched(run_city: RunCity) -> None:
    assert {o.feed_id: o.detail for o in run_city.result.outcomes if o.result not in ("landed", "rejected")} == {}


def test_found_equals_planted_per_reason(run_city: RunCity) -> None:
    by = ["feed_id", "grain", "reason", "outcome"]
    counts_found = dict(found(run_city).group_by(by).len().map_rows(lambda r: (str(r[:-1]), r[-1])).iter_rows())
    counts_planted = dict(planted(run_city).group_by(by).len().map_rows(lambda r: (str(r[:-1]), r[-1])).iter_rows())
    assert counts_found == counts_planted, f"seed {run_city.seed}"


def test_found_where_it_was_planted(run_city: RunCity) -> None:
    here, there = found(run_city), planted(run_city)
    invented = here.join(there, on=FOUND_BY, how="anti").sort(FOUND_BY)
    missed = there.join(here, on=FOUND_BY, how="anti").sort(FOUND_BY)
    assert invented.rows() == [], f"seed {run_city.seed}"
    assert missed.rows() == [], f"seed {run_city.seed}"


def test_all_reasons_were_planted(run_city: RunCity) -> None:
    assert planted(run_city)["reason"].n_unique() >= 20


def test_no_row_is_unaccounted_for(run_city: RunCity) -> None:
    b = tables.batch.c
    query = sa.select(
        b.feed_id, sa.func.sum(b.rows_in), sa.func.sum(b.rows_landed + b.rows_quarantined + b.rows_ignored)
    ).where(b.rows_landed > 0)
    with run_city.engine.connect() as connection:
        for feed_id, came, accounted in connection.execute(query.group_by(b.feed_id)):
            assert came == accounted, feed_id
