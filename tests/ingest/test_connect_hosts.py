"""A host that answered no feed of a run is asked once by the next, and patiently again when it has answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from departments import Database, Service, at, now, service
from starlette.responses import Response

from core.settings import Home
from ingest.connect import ConnectError, fault, pull
from ingest.connect.hosts import UnansweringHosts

SHORT = {"CITYRISK_CONNECT_DEADLINE_S": "0.3"}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as one:
        yield one


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries."""
    found: list[float] = []
    sleep = fault.time.sleep

    def noted(seconds: float) -> None:
        found.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(fault.time, "sleep", noted)
    return found


def asked(web: Service, hosts: UnansweringHosts) -> str:
    """What a pull of the feed fails with, '' when it does not."""
    found = ""
    try:
        list(pull(web.contract, web.home, None, now, hosts))
    except ConnectError as error:
        found = f"{error.trouble}: {error}"
    return found


def test_the_next_feed_of_a_host_that_is_down_asks_once(web: Service, waits: list[float]) -> None:
    web.vanish()
    web.home = Home(web.home.root, {**web.home.environment, **SHORT})
    hosts = UnansweringHosts()
    first = asked(web, hosts)
    assert first.startswith("unreachable: sample.reading: ")
    assert waits, "retried as agreed"
    assert "within 0.3 s" in first
    waits.clear()
    second = asked(web, hosts)
    assert waits == []
    assert "sample.reading" in second
    assert "ConnectError" in second, "what was found is said by each feed"
    assert "no other feed of this run had one from this host" in second
    asked(web, UnansweringHosts())
    assert waits, "another run begins anew"


def test_one_answer_and_it_is_asked_patiently_again(web: Service, waits: list[float]) -> None:
    web.add([("r1", at(1))])
    hosts = UnansweringHosts()
    hosts.note(f"127.0.0.1:{web.port}", is_answering=False)
    assert asked(web, hosts) == ""
    web.answers = [lambda: Response("busy", 503)] * 2
    assert asked(web, hosts) == ""
    assert len(waits) == 2


def test_patience_comes_back_within_one_pull(web: Service, waits: list[float]) -> None:
    """The host was down for the feed before; it answers the first page, is busy for the second, and is asked again."""
    hosts = UnansweringHosts()
    hosts.note(f"127.0.0.1:{web.port}", is_answering=False)
    web.add([(f"r{n}", at(n)) for n in range(15)])  # two pages
    web.answers = [None, lambda: Response("busy", 503)]
    assert asked(web, hosts) == ""
    assert len(waits) == 1


def test_a_service_that_answers_badly_is_no_host_that_is_down(web: Service, waits: list[float]) -> None:
    web.home = Home(web.home.root, {**web.home.environment, **SHORT})
    web.answers = [lambda: Response("broken", 500)] * 200
    hosts = UnansweringHosts()
    for _ in range(2):
        waits.clear()
        with pytest.raises(ConnectError, match="HTTP 500"):
            list(pull(web.contract, web.home, None, now, hosts))
        assert waits


def test_a_host_that_is_down_holds_up_no_other_host(web: Service, waits: list[float]) -> None:
    web.add([("r1", at(1))])
    hosts = UnansweringHosts()
    hosts.note("127.0.0.1:1", is_answering=False)
    web.answers = [lambda: Response("busy", 503)]
    assert asked(web, hosts) == ""
    assert len(waits) == 1


def test_databases_have_hosts_and_files_have_none(tmp_path: Path, waits: list[float]) -> None:
    base = Database(tmp_path, f"sqlite:///{tmp_path / 'd.db'}")
    hosts = UnansweringHosts()
    hosts.note("", is_answering=False)
    base.add([("r1", at(1))])
    assert [base.ids(one) for one in pull(base.contract, base.home, None, now, hosts)] == [["r1"]]
    url = sa.URL.create("postgresql", "city", "secret", "127.0.0.1", 1, "city").render_as_string(hide_password=False)
    base.home = Home(tmp_path, {**base.home.environment, **SHORT, "SAMPLE_DB_URL": url})
    for is_first in (True, False):
        waits.clear()
        with pytest.raises(ConnectError) as raised:
            list(pull(base.contract, base.home, None, now, hosts))
        assert raised.value.trouble == "unreachable"
        assert bool(waits) is is_first
        assert "secret" not in str(raised.value)
