"""Small departments to pull from, one of each kind, that can be told to fail."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.contract import Contract, Snapshot, parse_contract
from core.settings import Home
from core.stages import Payload
from ingest.connect import pull

NOW = datetime(2026, 11, 20, 4, tzinfo=UTC)
TOKEN = "a-token"
PATIENCE = {
    "CITYRISK_CONNECT_DEADLINE_S": "3",
    "CITYRISK_CONNECT_FIRST_WAIT_S": "0.01",
    "CITYRISK_CONNECT_LONGEST_WAIT_S": "0.05",
    "CITYRISK_CONNECT_ANSWER_S": "1",
}
_END_POSTGRES = "SELECT pg_terminate_backend({})"
Row = tuple[str, str | None]  # id, time of the department's clock


def now() -> datetime:
    return NOW


def at(minute: int) -> str:
    """A time of the department's clock."""
    return f"2026-11-01 {minute // 60:02d}:{minute % 60:02d}:00"


def contract_of(server: dict[str, Any], snapshot: Snapshot = "incremental", table: str = "t_reading") -> Contract:
    """A feed of ids and times from a server."""
    custom = [{"property": "snapshot", "value": snapshot}]
    if snapshot == "incremental" and server["type"] != "local":
        custom.append({"property": "cursorField", "value": "sent"})
    key = {"name": "row_id", "physicalName": "id", "logicalType": "string", "primaryKey": True, "primaryKeyPosition": 1}
    return parse_contract(
        {
            "apiVersion": "v3.2.0",
            "id": "sample.reading",
            "version": "1.0.0",
            "servers": [server],
            "schema": [
                {
                    "name": "reading",
                    "physicalName": table,
                    "customProperties": custom,
                    "properties": [key, {"name": "sent_at", "physicalName": "sent", "logicalType": "timestamp"}],
                }
            ],
            "slaProperties": [
                {"property": name, "value": 1, "unit": "h"}
                for name in ("frequency", "freshness", "silence", "retention")
            ],
        },
        "sample",
    )


class Department:
    """One feed and what it holds."""

    contract: Contract
    home: Home

    def add(self, rows: list[Row]) -> None:
        raise NotImplementedError

    def vanish(self) -> None:
        """Stop for good."""
        raise NotImplementedError

    def pull(self, cursor: str | None = None) -> Iterator[Payload]:
        return pull(self.contract, self.home, cursor, now)

    def as_snapshot(self) -> None:
        self.contract = replace(self.contract, snapshot="full")

    @staticmethod
    def ids(payload: Payload) -> list[str]:
        """The ids in a payload, in order."""
        match payload.media:
            case "json":
                return [str(record["id"]) for record in json.loads(payload.body)]
            case "ndjson":
                return [str(json.loads(line)["id"]) for line in payload.body.splitlines()]
            case _:
                return payload.body.decode().split()


# ── HTTP ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
class Service(Department):
    """An HTTP service with pages. `answers` are given first, one a request, then the truth."""

    def __init__(self, root: Path, port: int) -> None:
        self.port = port
        self.rows: list[Row] = []
        self.answers: list[Callable[[], Response] | None] = []
        self.requests: list[dict[str, str]] = []
        self.page_size = 10
        self.is_inclusive = True
        self.home = Home(root, {**PATIENCE, "SAMPLE_URL": f"http://127.0.0.1:{port}", "SAMPLE_TOKEN": TOKEN})
        options = {
            "tokenEnv": "SAMPLE_TOKEN",
            "recordsPath": "data.records",
            "totalPath": "data.total",
            "pageParam": "page",
            "sizeParam": "size",
            "pageSize": self.page_size,
            "sinceParam": "since",
        }
        custom = [{"property": name, "value": value} for name, value in options.items()]
        self.contract = contract_of({"type": "api", "location": "${SAMPLE_URL}/readings", "customProperties": custom})

    def add(self, rows: list[Row]) -> None:
        self.rows += rows

    def vanish(self) -> None:
        self.home = Home(self.home.root, {**self.home.environment, "SAMPLE_URL": "http://127.0.0.1:1"})

    def without_options(self, *names: str) -> None:
        """Drop what the contract says about the service."""
        options = {name: value for name, value in self.contract.server.options.items() if name not in names}
        self.contract = replace(self.contract, server=replace(self.contract.server, options=options))

    async def answer(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.requests.append(query)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "token"}, 401)
        planned = self.answers.pop(0) if self.answers else None
        return self.page(query) if planned is None else planned()

    def _is_after(self, sent: str, since: str) -> bool:
        return sent > since or (sent == since and self.is_inclusive)

    def page(self, query: dict[str, str]) -> Response:
        since = query.get("since", "")
        found = [
            row
            for row in self.rows
            if row[1] is None or str(row[1]) > since or (str(row[1]) == since and self.is_inclusive)
        ]
        found = sorted(found, key=lambda row: (str(row[1] or ""), row[0]))
        page, size = int(query.get("page", 1)), int(query.get("size", 10**6))
        records = [{"id": key, "sent": sent} for key, sent in found[(page - 1) * size : page * size]]
        return JSONResponse({"code": 0, "data": {"total": len(found), "records": records}})


def half() -> Response:
    """An answer whose line is cut in the middle."""
    return Response(b'{"data": {"total": 3, "rec', headers={"Content-Length": "5000"}, media_type="application/json")


@contextmanager
def service(root: Path) -> Iterator[Service]:
    """A service on a free loopback port."""
    holder: list[Service] = []

    async def answer(request: Request) -> Response:
        return await holder[0].answer(request)

    app = Starlette(routes=[Route("/readings", answer)])
    with serving(app) as port:
        holder.append(Service(root, port))
        yield holder[0]


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """An ASGI app behind a real server on a free loopback port, until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", ws="none"))
    ready = threading.Event()
    startup = server.startup

    async def started(**options: Any) -> None:
        await startup(**options)
        ready.set()

    server.startup = started  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ready.wait(20), "the test's own server did not start"
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


# ── databases ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class Database(Department):
    """A table in a database server or file."""

    def __init__(self, root: Path, url: str, given_url: str | None = None) -> None:
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        self.home = Home(root, {**PATIENCE, "SAMPLE_DB_URL": given_url or url})
        server = {"type": "custom", "customProperties": [{"property": "urlEnv", "value": "SAMPLE_DB_URL"}]}
        self.contract = contract_of(server)
        instant = sa.Text() if self.engine.dialect.name == "sqlite" else sa.DateTime()
        self.table = sa.Table(
            "t_reading",
            sa.MetaData(),
            sa.Column("id", sa.String(40)),
            sa.Column("sent", instant),
            sa.Column("pad", sa.Text),
        )
        self.table.drop(self.engine, checkfirst=True)
        self.table.create(self.engine)
        self.pad = "x"

    def add(self, rows: list[Row]) -> None:
        is_text = self.engine.dialect.name == "sqlite"
        with self.engine.begin() as connection:
            values = [
                {"id": key, "sent": sent if is_text or sent is None else datetime.fromisoformat(sent), "pad": self.pad}
                for key, sent in rows
            ]
            connection.execute(sa.insert(self.table), values)

    def cut(self) -> None:
        """End every other connection, as a restart or a firewall would."""
        listing, end = {
            "postgresql": ("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'", _END_POSTGRES),
            "mysql": ("SELECT id FROM information_schema.processlist WHERE user = 'city'", "KILL {}"),
        }[self.engine.dialect.name]
        own = "SELECT pg_backend_pid()" if self.engine.dialect.name == "postgresql" else "SELECT connection_id()"
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            mine = connection.scalar(sa.text(own))
            others = [one for one in connection.scalars(sa.text(listing)) if one != mine]
            assert others, "nobody is reading"
            for other in others:
                connection.execute(sa.text(end.format(int(other))))

    def vanish(self) -> None:
        url = sa.make_url(self.home.environment["SAMPLE_DB_URL"])
        gone = url.set(port=1) if url.host else url.set(database=f"{url.database}.gone")
        text = gone.render_as_string(hide_password=False)
        self.home = Home(self.home.root, {**self.home.environment, "SAMPLE_DB_URL": text})


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
class Drop(Department):
    """A folder; each row is a file of its own, changed when the row was sent."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "drop"
        self.folder.mkdir()
        self.home = Home(root, {**PATIENCE, "SAMPLE_DROP": str(self.folder)})
        self.contract = contract_of({"type": "local", "path": "${SAMPLE_DROP}/*.csv", "format": "csv"})

    def add(self, rows: list[Row]) -> None:
        for key, sent in rows:
            path = self.folder / f"{key}.csv"
            path.write_text(key, encoding="utf-8")
            if sent is not None:
                changed = datetime.fromisoformat(sent).replace(tzinfo=UTC).timestamp()
                os.utime(path, (changed, changed))

    def vanish(self) -> None:
        self.home = Home(self.home.root, {**self.home.environment, "SAMPLE_DROP": str(self.folder / "gone")})


def take(department: Department, cursor: str | None = None) -> tuple[list[str], str | None]:
    """Pull to the end, as landing would: the ids that came, and the cursor that stands then."""
    ids: list[str] = []
    for payload in department.pull(cursor):
        ids += department.ids(payload)
        cursor = payload.cursor if payload.cursor is not None else cursor
    return ids, cursor
