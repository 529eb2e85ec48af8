"""The private servers are real, speak Chinese, and are reached over loopback with a password."""

from __future__ import annotations

import socket

import pytest
import sqlalchemy as sa


@pytest.mark.servers
@pytest.mark.parametrize("fixture", ["postgres_url", "mariadb_url"])
def test_server_keeps_chinese_text(fixture: str, request: pytest.FixtureRequest) -> None:
    engine = sa.create_engine(request.getfixturevalue(fixture))
    table = sa.Table("house_probe", sa.MetaData(), sa.Column("name_zh", sa.String(40)))
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{"name_zh": "三峡大坝𠮷"}])
        assert connection.execute(sa.select(table)).scalar_one() == "三峡大坝𠮷"
        table.drop(connection)
    engine.dispose()


@pytest.mark.servers
@pytest.mark.parametrize("fixture", ["postgres_url", "mariadb_url"])
def test_server_refuses_a_wrong_password(fixture: str, request: pytest.FixtureRequest) -> None:
    url = sa.make_url(request.getfixturevalue(fixture)).set(password="wrong")
    engine = sa.create_engine(url)
    with pytest.raises(sa.exc.OperationalError):
        engine.connect()
    engine.dispose()


def test_no_test_reaches_beyond_loopback() -> None:
    with pytest.raises(PermissionError, match="loopback only"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(PermissionError, match="loopback only"):
        socket.getaddrinfo("example.org", 80)
