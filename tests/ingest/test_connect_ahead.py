"""A department is read one payload ahead, never further, and says its trouble in its place."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest
from departments import NOW

from core.stages import Payload
from ingest.connect import ConnectError
from ingest.connect.ahead import ahead

TROUBLE = ConnectError("sample.reading", "the line", "cut", "a line", "wait")


def payload(number: int) -> Payload:
    return Payload("sample.reading", str(number).encode(), "json", f"page={number}", NOW)


class Department:
    """Gives three payloads and then says its trouble; counts how far it was read, and by which threads."""

    def __init__(self) -> None:
        self.given = [threading.Event() for _ in range(3)]
        self.threads: set[int] = set()
        self.is_closed = False

    def payloads(self) -> Generator[Payload]:
        try:
            for number, given in enumerate(self.given):
                self.threads.add(threading.get_ident())
                given.set()
                yield payload(number)
            raise TROUBLE
        finally:
            self.threads.add(threading.get_ident())
            self.is_closed = True


def test_the_next_is_read_while_one_is_in_hand() -> None:
    department = Department()
    given = ahead(department.payloads())
    next(given)
    assert department.given[1].wait(10)
    assert not department.given[2].is_set(), "one ahead, not two"
    next(given)
    assert department.given[2].wait(10)
    next(given)
    with pytest.raises(ConnectError, match="cut"):
        next(given)


def test_what_came_before_a_trouble_is_handed_over_first() -> None:
    taken: list[bytes] = []
    with pytest.raises(ConnectError, match="cut"):
        taken.extend(one.body for one in ahead(Department().payloads()))
    assert taken == [b"0", b"1", b"2"]


def test_who_stops_early_closes_the_connection_in_its_own_thread() -> None:
    department = Department()
    given = ahead(department.payloads())
    next(given)
    given.close()
    assert department.is_closed
    assert len(department.threads) == 1
    assert threading.get_ident() not in department.threads
