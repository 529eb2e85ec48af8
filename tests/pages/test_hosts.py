"""Pages answer to their own host names and origins only, and whoever holds connections open keeps nobody out."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from access import webserver
from core.settings import Home
from published import publish_city, utc
from served_pages import Site, served


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Pages that also answer to a name of the city."""
    home = Home(tmp_path_factory.mktemp("hosts"), {})
    (home.root / "secrets.env").write_text("CITYRISK_HOSTS=risk.city\n", encoding="utf-8")
    publish_city(home, utc(2026, 11, 20, 8))
    with served(home) as running:
        yield running


def drawn(site: Site, host: str, origin: str | None = None) -> str:
    """Everything that one run of a page sends to a browser that asks under this host name."""
    port = site.url.rpartition(":")[2]
    address = f"ws://{host}:{port}/_stcore/stream"
    own = origin or f"http://{host}:{port}"  # as a page under that very name would say
    here = socket.create_connection(("127.0.0.1", int(port)))
    with connect(address, sock=here, origin=Origin(own), proxy=None, max_size=None) as stream:
        asked = BackMsg()
        asked.rerun_script.query_string = "lang=en"
        stream.send(asked.SerializeToString())
        said = ""
        while True:
            body = stream.recv(timeout=120)
            assert isinstance(body, bytes)
            message = ForwardMsg.FromString(body)
            said += str(message)
            if message.WhichOneof("type") == "script_finished":
                return said


@pytest.mark.case("security.M9")
def test_a_foreign_host_name_gets_nothing_at_all(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        drawn(site, "evil.example")
    assert refused.value.response.status_code == 403
    answer = httpx.get(site.url, headers={"Host": "evil.example"}, trust_env=False)
    assert (answer.status_code, "CITYRISK_HOSTS" in answer.text) == (421, True)


@pytest.mark.case("security.M9")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "risk.city"])
def test_names_of_ours_are_answered(site: Site, host: str) -> None:
    assert "navigation" in drawn(site, host)


@pytest.mark.case("security.H3")
def test_idle_connections_of_one_address_keep_nobody_out(site: Site) -> None:
    port = int(site.url.rpartition(":")[2])
    with ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)))
            for _ in range(webserver.MOST_CONNECTIONS + 50)
        ]
        assert "navigation" in drawn(site, "127.0.0.1")
        for one in idle[webserver.MOST_OF_SOURCE :]:
            one.settimeout(5)
            with suppress(ConnectionError):
                assert one.recv(1) == b"", "more connections of one address stay open than it may have"


@pytest.mark.case("security.held.H3")
def test_a_socket_of_a_foreign_origin_is_refused(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        drawn(site, "127.0.0.1", origin="http://evil.example")
    assert refused.value.response.status_code == 403


@pytest.mark.case("security.held.H3")
@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/static/../../../../../etc/passwd",
        "/static/..%2f..%2f..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/media/../../secrets.env",
        "/component/x/../../../secrets.env",
        "/app/static/../../secrets.env",
        "/_stcore/bidi-components/x/../../../../secrets.env",
        "//etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_pages(site: Site, path: str) -> None:
    port = int(site.url.rpartition(":")[2])
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)  # sends a path as it is written
    asked.request("GET", path)
    answer = asked.getresponse()
    body = answer.read()
    asked.close()
    assert b"root:" not in body
    assert b"risk.city" not in body
    assert answer.status >= 300 or b"<!doctype html>" in body[:200].lower()  # the empty page, which shows nothing
