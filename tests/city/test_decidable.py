"""Every planted row defect shows in what is served, and no clean row looks like one."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from doors import FEEDS, served
from judge import Judge

from city.build import CityBuild
from city.geography import County
from core.catalogue import contract_path

NOT_READ = ("truncated_file", "empty_file", "renamed_column", "resent_file", "undeclared_datum")


@pytest.mark.parametrize("feed_id", FEEDS)
def test_rows_show_exactly_what_truth_says(
    built: CityBuild, truth: pl.DataFrame, contracts: Path, counties: dict[str, list[County]], feed_id: str
) -> None:
    of_feed = truth.filter((pl.col("kind") == "defect") & (pl.col("feed_id") == feed_id))
    skip = set(of_feed.filter(pl.col("reason").is_in(NOT_READ))["source_ref"])
    shifted = {ref.split("|")[1] for ref in of_feed.filter(pl.col("reason") == "wrong_time_zone")["source_ref"]}
    codes = {county.code for county in counties["yichang"]}
    judge = Judge(contract_path(feed_id, contracts), codes, {"420521"}, built.as_of + timedelta(hours=1))
    rows = served(built, feed_id, skip)
    judged = [(ref, tuple(judge.reasons(row))) for ref, row in rows if ref.split("|")[0] not in shifted]
    found = Counter((ref, reasons) for ref, reasons in judged if reasons)
    planted = of_feed.filter(pl.col("grain") == "row").select("source_ref", "reason").rows()
    assert len(judged) > len(planted) > 0
    assert found == Counter((ref, (reason,)) for ref, reason in planted)
