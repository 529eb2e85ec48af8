"""Files made to be far larger than they look cost themselves, and quickly."""

from __future__ import annotations

import io
import json

import pytest
import xlsxwriter
from sample_contract import column, contract

from ingest.parse import FileFault, parse

FEED = contract(column("id", key_position=1), file_format="json")


@pytest.mark.case("security.C3")
def test_a_sheet_with_its_first_and_its_last_cell_is_refused_before_it_is_laid_out() -> None:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write("A1", "id")
    sheet.write("XFD1048576", "x")
    book.close()
    with pytest.raises(FileFault, match="reaches row 1048576, column 16384: 17179869184 cells"):
        parse(buffer.getvalue(), "xlsx", FEED)


@pytest.mark.case("security.H4")
@pytest.mark.parametrize("depth", [0, 1])
def test_rows_with_a_key_each_are_refused(depth: int) -> None:
    rows = [{"id": f"{n}", f"k{n}": {"v": 1} if depth else "1"} for n in range(20_000)]
    with pytest.raises(FileFault, match="20000 names that the contract does not know"):
        parse(json.dumps(rows).encode(), "json", FEED)
