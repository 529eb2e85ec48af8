"""Every feed's sample payload comes to the rows and reasons that its expected file states."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from core.catalogue import contract_path, load_contracts
from core.contract import Column, Contract
from core.system import SYSTEMS_ROOT
from ingest.sample import as_text, sample_faults, sample_of

CONTRACTS = load_contracts()
GAS = "urban.gas_reading"
CLEAR_NUMBER = re.compile(r"\b1[3-9][0-9]{9}\b|\b[0-9]{17}[0-9Xx]\b")  # a mobile number or a resident identity number


def path_of(feed_id: str) -> Path:
    return contract_path(feed_id, SYSTEMS_ROOT)


@pytest.mark.parametrize("feed_id", CONTRACTS)
def test_sample(feed_id: str) -> None:
    assert sample_faults(CONTRACTS[feed_id], path_of(feed_id)) == []


@pytest.mark.parametrize("feed_id", CONTRACTS)
def test_every_trouble_that_the_contract_allows_is_shown(feed_id: str) -> None:
    contract = CONTRACTS[feed_id]
    expected = json.loads(sample_of(contract, path_of(feed_id)).expected.read_text("utf-8"))
    assert len([row for row in expected["rows"] if "_flags" not in row]) >= 2
    assert set(troubles(contract)) - {note["reason"] for note in expected["notes"]} == set()


@pytest.mark.parametrize("feed_id", [c.id for c in CONTRACTS.values() if any(k.is_personal for k in c.columns)])
def test_no_personal_value_stands_in_what_is_expected(feed_id: str) -> None:
    contract = CONTRACTS[feed_id]
    text = sample_of(contract, path_of(feed_id)).expected.read_text("utf-8")
    assert not CLEAR_NUMBER.search(text)
    hashed = {c.landed_name for c in contract.landed_columns if c.mask == "hash"}
    values = {value for row in json.loads(text)["rows"] for name, value in row.items() if name in hashed}
    assert values
    assert all(re.fullmatch(r"<pseudonym \d+>", str(value)) for value in values)


def troubles(contract: Contract) -> Iterator[str]:
    """Reasons that rows of such a feed may have, as far as one payload without others can show them."""
    columns = [column for column in contract.columns if column.mask != "drop"]
    yield "duplicate"
    yield from (reason for column in columns for reason in _of_column(contract, column))
    if contract.is_stream:
        yield from _of_stream(contract)
    else:
        yield "missing_key"
        if {"lon", "lat"} <= {column.concept for column in columns}:
            yield "swapped_lat_lon"


def _of_column(contract: Contract, column: Column) -> Iterator[str]:
    is_coded = column.allowed or column.value_map or column.pattern
    if not contract.is_stream and (is_coded or column.logical_type in ("number", "integer", "date")):
        yield "wrong_type"
    bounds = (column.minimum, column.maximum)
    if bounds != (None, None) and not contract.is_stream:
        yield "out_of_range"
    if column.code_list == "area" and column.required:
        yield from ("unknown_area_code", "retired_area_code")
    if column.check_digit:
        yield "bad_check_digit"
    if column.unit_slips:
        yield "unit_mismatch"
    if column.concept in ("observed_at", "occurred_at", "inspected_at", "updated_at") and not contract.is_stream:
        yield "future_time"


def _of_stream(contract: Contract) -> Iterator[str]:
    yield "clock_wrong"
    if contract.id == contract.raw_feed:
        yield "bad_frame"
    if any(column.is_metric for column in contract.columns):
        yield "out_of_range"


def test_a_feed_without_a_sample_and_a_wrong_expectation_are_named(tmp_path: Path) -> None:
    feeds = tmp_path / "feeds"
    shutil.copytree(path_of("urban.gas_device").parent, feeds)
    contract, path = CONTRACTS["urban.gas_device"], feeds / "gas_device.odcs.yaml"
    expected = feeds / "gas_device.expected.json"
    document = json.loads(expected.read_text("utf-8"))
    document["rows"][0]["people_nearby"] = 78
    del document["rows"][1], document["notes"][0]
    expected.write_text(as_text(document), encoding="utf-8")
    assert sample_faults(contract, path) == [
        f"{expected}: row 2: people_nearby: found 79, expected 78",
        f"{expected}: row 4 lands and is not expected to",
        f"{expected}: row 8: wrong_type: found {{'at': '8', 'reason': 'wrong_type', 'outcome': 'quarantined', "
        "'column': 'space_id', 'found': 'RQ-42050200007'}, expected None",
    ]
    document["received_at"] = "yesterday"
    expected.write_text(as_text(document), encoding="utf-8")
    assert "expected.json:2: received_at: " in sample_faults(contract, path)[0]
    expected.unlink()
    assert "`cityrisk feed sample urban.gas_device`" in sample_faults(contract, path)[0]
    (feeds / "gas_device.sample.csv").rename(feeds / "gas_device.sample.txt")
    assert (
        "gas_device.sample.txt found, expected one payload as urban.gas_device is served"
        in (sample_faults(contract, path)[0])
    )


def test_a_row_that_is_expected_and_kept_out_says_why(tmp_path: Path) -> None:
    feeds = tmp_path / "feeds"
    shutil.copytree(path_of("urban.gas_device").parent, feeds)
    contract, path = CONTRACTS["urban.gas_device"], feeds / "gas_device.odcs.yaml"
    sample = sample_of(contract, path)
    sample.payload.write_bytes(sample.payload.read_bytes().replace(b"30.646444", b"306.46444"))
    assert f"{sample.expected}: row 4 is expected to land and does not; found out_of_range" in (
        sample_faults(contract, path)
    )


def test_what_comes_of_a_sample_is_printed_in_the_form_of_its_expected_file() -> None:
    done = CliRunner().invoke(app, ["feed", "sample", GAS, "--at", "2026-11-21T08:00:00"])
    assert done.output == sample_of(CONTRACTS[GAS], path_of(GAS)).expected.read_text("utf-8")
