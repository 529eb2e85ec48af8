"""Devices in no register: heard within limits, and never so that chatter takes the place of an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.catalogue import load_contracts
from ingest.devices.mqtt import LOOKED_AT_BYTES, records_in
from ingest.devices.unknown_devices import MOST_A_MINUTE, UnknownDevices

AT = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
GAS, STATE = "urban.gas_reading", "fire.device_state"
HUGE = b'{"ch4Lel": 1%s}' % (b"0" * 400)  # an integer beyond every float
QUIET = [{"ch4Lel": 1.0, "ts": 1}]


def at(second: float) -> datetime:
    return AT + timedelta(seconds=second)


@pytest.fixture
def strangers() -> UnknownDevices:
    return UnknownDevices(load_contracts())


def test_one_device_is_heard_every_few_seconds_and_a_department_so_often_a_minute(strangers: UnknownDevices) -> None:
    assert strangers.may_speak(GAS, "X1", QUIET, at(0))
    heard = [strangers.may_speak(GAS, "X1", [{"ts": second}], at(120 + second)) for second in range(11)]
    assert [second for second, is_heard in enumerate(heard) if is_heard] == [0, 5, 10]
    crowd = [strangers.may_speak(GAS, f"Y{n}", [{"ts": n}], at(200)) for n in range(MOST_A_MINUTE + 50)]
    assert sum(crowd) == MOST_A_MINUTE
    assert strangers.may_speak(STATE, "P1", [], at(200)), "another department's room is its own"


@pytest.mark.case("live.D3")
def test_chatter_never_takes_the_room_of_an_alarm(strangers: UnknownDevices) -> None:
    for number in range(MOST_A_MINUTE + 200):
        strangers.may_speak(STATE, f"C{number}", [], at(0))
    assert not strangers.may_speak(STATE, "P1", [], at(1))
    assert strangers.may_speak(STATE, "P1", [], at(1), is_alarm=True)
    assert strangers.may_speak(STATE, "C0", [], at(1), is_alarm=True), "its own chatter counts as little"


@pytest.mark.case("live.D3")
@pytest.mark.parametrize("body", [b'{"ch4Lel": 66}', b'[{"ch4Lel": "66"}]', b'{"ts": 1, "values": {"ch4Lel": 66}}'])
def test_chatter_never_takes_the_room_of_the_worst_value(strangers: UnknownDevices, body: bytes) -> None:
    for number in range(MOST_A_MINUTE + 200):
        strangers.may_speak(GAS, f"C{number}", QUIET, at(0))
    heard = [strangers.may_speak(GAS, "X1", records_in(body), at(second)) for second in range(1, 12)]
    assert [second for second, is_heard in enumerate(heard, 1) if is_heard] == [1, 6, 11], "long enough for a hold"
    assert not strangers.may_speak(GAS, "C9", QUIET, at(12))


@pytest.mark.case("live.D3")
@pytest.mark.parametrize("stuck", [100, 65535])
def test_a_device_at_the_end_of_its_range_hides_no_other(strangers: UnknownDevices, stuck: int) -> None:
    for number in range(MOST_A_MINUTE):
        strangers.may_speak(GAS, f"C{number}", QUIET, at(0))
    strangers.may_speak(GAS, "X1", [{"ch4Lel": stuck}], at(1))
    heard = [strangers.may_speak(GAS, "X2", [{"ch4Lel": 66}], at(second)) for second in range(2, 13)]
    assert [second for second, is_heard in enumerate(heard, 2) if is_heard] == [2, 7, 12]


def test_a_value_that_is_a_code_is_no_extreme() -> None:
    contract = load_contracts()[GAS]
    columns = tuple(
        replace(one, fault_codes=(65535.0,)) if one.physical_name == "ch4Lel" else one for one in contract.columns
    )
    strangers = UnknownDevices({GAS: replace(contract, columns=columns)})
    for number in range(MOST_A_MINUTE):
        strangers.may_speak(GAS, f"C{number}", [], at(0))
    assert not strangers.may_speak(GAS, "X1", [{"ch4Lel": 65535}], at(1))
    assert strangers.may_speak(GAS, "X1", [{"ch4Lel": 66}], at(1))


def test_a_body_is_read_only_where_it_decides(strangers: UnknownDevices) -> None:
    def unread() -> Iterator[dict[str, float]]:
        pytest.fail("read")
        yield {}

    assert strangers.may_speak(GAS, "X1", unread(), at(0))
    assert not list(records_in(b'{"ch4Lel": 66, "more": "%s"}' % (b"x" * LOOKED_AT_BYTES)))


@pytest.mark.parametrize("body", [b"", b"\xff", b"[1, null]", b'{"ch4Lel": "NaN", "o2Vol": {}}', b"7", HUGE])
def test_a_body_that_says_nothing_is_chatter(strangers: UnknownDevices, body: bytes) -> None:
    assert strangers.may_speak(GAS, "X1", records_in(body), at(0))
    assert not strangers.may_speak(GAS, "X1", records_in(body), at(1))
