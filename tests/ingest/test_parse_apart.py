"""A file that ends its parser, or takes too much of it, costs itself; the next one is read as if nothing had been."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import psutil
import pytest
import xlsxwriter
from sample_contract import column, contract

from ingest.parse import FileFault, apart
from ingest.parse.apart import parse_apart

SHEET = contract(column("id", key_position=1), column("name"), file_format="xlsx")


def workbook(*rows: tuple[str, str]) -> bytes:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet()
    for number, row in enumerate((("id", "name"), *rows)):
        sheet.write_row(number, 0, row)
    book.close()
    return buffer.getvalue()


def child() -> psutil.Process:
    """The process that reads foreign formats for us."""
    (found,) = apart._child()._processes.values()
    return psutil.Process(found.pid)


@pytest.mark.case("security.C3")
def test_a_file_is_read_by_a_child_with_bounds() -> None:
    assert parse_apart(workbook(("a", "甲")), "xlsx", SHEET).frame["name"].to_list() == ["甲"]
    assert child().rlimit(psutil.RLIMIT_AS) == (apart.ADDRESS_SPACE_BYTES, apart.ADDRESS_SPACE_BYTES)
    with pytest.raises(FileFault, match="0 bytes") as fault:
        parse_apart(b"", "xlsx", SHEET)
    assert fault.value.reason == "empty_file"


@pytest.mark.case("security.C3")
def test_a_file_that_ends_the_child_costs_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    parse_apart(workbook(("a", "甲")), "xlsx", SHEET)
    monkeypatch.setattr(apart, "_parse_within", _abort)
    with pytest.raises(FileFault, match="ends its reader") as fault:
        parse_apart(workbook(("a", "甲")), "xlsx", SHEET)
    assert fault.value.reason == "unreadable_file"
    monkeypatch.undo()
    assert parse_apart(workbook(("b", "乙")), "xlsx", SHEET).frame["name"].to_list() == ["乙"]


@pytest.mark.case("security.C3")
def test_a_file_that_asks_for_all_memory_costs_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_parse_within", _allocate)
    with pytest.raises((FileFault, MemoryError)):
        parse_apart(b"", "xlsx", SHEET)
    monkeypatch.undo()
    assert parse_apart(workbook(("b", "乙")), "xlsx", SHEET).frame.height == 1


def _abort(*_: object) -> None:
    os.abort()


def _allocate(*_: object) -> int:
    return pl.Series([0], dtype=pl.Int64).new_from_index(0, 1 << 36).len()


PARENT = """
import sys
from ingest.parse import apart
if __name__ == "__main__":
    apart._child().submit(int).result()
    print(next(iter(apart._child()._processes)), flush=True)
    sys.stdin.read()
"""


def test_the_child_goes_with_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        orphan.wait(timeout=20)
