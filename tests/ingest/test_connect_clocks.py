"""A wrong clock in one row is never believed: the rows behind it still come, whatever form times have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from departments import NOW, Database, Drop, Service, at, contract_of, service, take
from sample_contract import RECEIVED, column, contract, shape

from core.contract import Contract
from ingest.connect.mark import Mark, read_mark
from ingest.connect.progress import Progress

FORMS: dict[str, tuple[str, Any, Any, Any]] = {
    "ISO 8601": (
        "%Y-%m-%dT%H:%M:%S%z",
        "2026-11-01T08:00:00+08:00",
        "2099-01-01T00:00:00+08:00",
        "2026-11-02T08:00:00+08:00",
    ),
    "seconds": ("epoch_s", 1_793_500_000, 4_070_880_000, 1_793_600_000),
    "milliseconds": ("epoch_ms", 1_793_500_000_000, 4_070_880_000_000, 1_793_600_000_000),
    "milliseconds as text": ("epoch_ms", "1793500000000", "4070880000000", "1793600000000"),
    "slashes": ("%Y/%m/%d %H:%M", "2026/11/01 08:00", "2099/01/01 00:00", "2026/11/02 08:00"),
    "SQL": ("%Y-%m-%d %H:%M:%S", "2026-11-01 08:00:00", "2099-01-01 00:00:00", "2026-11-02 08:00:00"),
    "year of five digits": ("%Y-%m-%d %H:%M:%S", "2026-11-01 08:00:00", "20261-11-01 08:00:00", "2026-11-02 08:00:00"),
    "infinity": ("%Y-%m-%d %H:%M:%S", "2026-11-01 08:00:00", "infinity", "2026-11-02 08:00:00"),
}


def written(one: Contract, form: str) -> Contract:
    """The feed with its cursor field written in one form."""
    columns = tuple(replace(c, source_formats=(form,)) if c.physical_name == "sent" else c for c in one.columns)
    return replace(one, columns=columns)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as one:
        yield one


@pytest.mark.case("ingest.A1")
@pytest.mark.parametrize("name", FORMS)
def test_rest_goes_on_behind_a_row_of_2099(web: Service, name: str) -> None:
    form, first, far, later = FORMS[name]
    web.contract = written(web.contract, form)
    web.without_options("sinceParam")  # the reader's own judgement, not the service's
    web.add([("r1", first)])
    _, cursor = take(web)
    web.add([("far", far)])
    ids, cursor = take(web, cursor)
    assert ids == ["far"]
    assert read_mark(cursor).since == first
    web.add([("r2", later)])
    ids, cursor = take(web, cursor)
    assert ids == ["r2"]
    assert take(web, cursor)[0] == []


@pytest.mark.case("ingest.A2")
@pytest.mark.parametrize("name", ["seconds", "milliseconds", "slashes", "SQL", "infinity"])
def test_sql_goes_on_behind_a_row_of_2099(tmp_path: Path, name: str) -> None:
    form, first, far, later = FORMS[name]
    base = Database(tmp_path, f"sqlite:///{tmp_path / 'department.db'}")
    base.contract = written(base.contract, form)
    base.add([("far", far), ("r1", first)])
    ids, cursor = take(base)
    assert ids == ["r1", "far"]
    assert str(read_mark(cursor).since) == str(first)
    base.add([("r2", later)])
    ids, cursor = take(base, cursor)
    assert ids == ["r2"]
    assert take(base, cursor)[0] == []


@pytest.mark.case("ingest.A2")
@pytest.mark.servers
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_server_goes_on_behind_a_timestamp_of_2099(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    base = Database(tmp_path, request.getfixturevalue(f"{kind}_url"))
    base.add([("r1", at(1)), ("far", "2099-01-01 00:00:00")])
    _, cursor = take(base)
    base.add([("r2", at(2))])
    ids, cursor = take(base, cursor)
    assert ids == ["r2"]
    assert take(base, cursor)[0] == []


@pytest.mark.case("ingest.A1", "ingest.A2")
def test_a_cursor_that_a_wrong_clock_moved_before_begins_anew(tmp_path: Path) -> None:
    base = Database(tmp_path, f"sqlite:///{tmp_path / 'department.db'}")
    base.add([("r1", at(1))])
    assert take(base, Mark("2099-01-01 00:00:00").text())[0] == ["r1"]


@pytest.mark.case("ingest.A1")
def test_files_go_on_behind_a_file_of_2099(tmp_path: Path) -> None:
    drop = Drop(tmp_path)
    drop.add([("far", at(1))])
    os.utime(drop.folder / "far.csv", (4_070_880_000, 4_070_880_000))
    _, cursor = take(drop)
    drop.add([("r2", at(2))])
    assert take(drop, cursor)[0] == ["r2"]


def test_a_value_moves_back_in_its_own_form() -> None:
    for form, first, _, _ in FORMS.values():
        progress = Progress(written(contract_of({"type": "api", "location": "x"}), form), NOW)
        moved = progress.earlier(first, timedelta(hours=2))
        assert type(moved) is type(first)
        assert progress.instant_s(first) - progress.instant_s(moved) == 7200  # type: ignore[operator]


READING = contract(
    column("device_id", key_position=1),
    column("observed_at", "timestamp", concept="observed_at", key_position=2, required=True),
    column("sent_at", "timestamp", concept="transmitted_at"),
)


@pytest.mark.case("ingest.A3")
def test_a_sent_time_of_2099_excuses_no_event_of_2099() -> None:
    far = "2099-01-01T00:00:00Z"
    shaped = shape(READING, {"device_id": "D1", "observed_at": far, "sent_at": far})
    assert shaped.frame.is_empty()
    assert [note.reason for note in shaped.notes if note.outcome == "quarantined"] == ["future_time"]


@pytest.mark.case("ingest.A3")
def test_a_sent_time_of_2099_costs_itself() -> None:
    shaped = shape(READING, {"device_id": "D1", "observed_at": RECEIVED.isoformat(), "sent_at": "2099-01-01T00:00:00Z"})
    assert shaped.frame["sent_at"].to_list() == [None]
    assert shaped.frame["_flags"].to_list() == ["future_time"]


@pytest.mark.case("ingest.A3")
def test_freshness_of_a_feed_ends_at_its_receipt() -> None:
    from access.feeds import last_sign_of_facts

    received = datetime(2026, 11, 20, 4, tzinfo=UTC)
    assert last_sign_of_facts(datetime(2099, 1, 1, tzinfo=UTC), received) == received
    assert last_sign_of_facts(received - timedelta(hours=1), received) == received - timedelta(hours=1)
    assert last_sign_of_facts(None, received) is None
