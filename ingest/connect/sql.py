"""Read a department's database: PostgreSQL, MariaDB or MySQL, SQLite, or any other that SQLAlchemy has a driver for.

Rows become NDJSON under the department's own column names: times and decimals as text, bytes in base64.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any
from urllib.parse import quote

import orjson
import sqlalchemy as sa
from sqlalchemy import exc

from core.contract import Contract
from core.settings import Home
from core.stages import Payload
from ingest.connect.dialects import as_json, connect_args, finite, prepare
from ingest.connect.fault import ConnectError, RequestPolicy, Trouble, request_policy_of, retrying
from ingest.connect.hosts import UnansweringHosts
from ingest.connect.mark import SEEN_LIMIT, Mark, Value, digest, read_mark
from ingest.connect.progress import Progress, Rank

CHUNK_ROWS = 200_000
FETCH_ROWS = 20_000
DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
_ENCODING = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_APPEND_NEWLINE
# Drivers give the same error class for a cut line and for these, which no waiting heals.
_REFUSED = ("authentication failed", "access denied", "no pg_hba", "permission denied", "command denied")
_LASTING = (*_REFUSED, "does not exist", "unknown database", "unable to open", "no such", "not a database")


def normalise_url(url: str) -> sa.URL:
    """A database URL with the driver that is installed; SQLite files open read-only and are never created."""
    parsed = sa.make_url(url)
    parsed = parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))
    if parsed.get_backend_name() == "sqlite" and parsed.database and not parsed.database.startswith("file:"):
        name = f"file:{quote(parsed.database)}"
        parsed = parsed.set(database=name).update_query_dict({"mode": "ro", "uri": "true"})
    return parsed


def pull_sql(
    contract: Contract, home: Home, cursor: str | None, now: Callable[[], datetime], hosts: UnansweringHosts
) -> Iterator[Payload]:
    """Rows beyond the cursor in chunks ordered by cursor field, then key; or the whole table as one payload.

    A connection that is cut is opened again and goes on behind the last chunk handed over.
    """
    name = str(contract.server.options["urlEnv"])
    url = home.require(name)
    try:
        engine = sa.create_engine(
            normalise_url(url), poolclass=sa.NullPool, connect_args=connect_args(normalise_url(url).get_backend_name())
        )
        prepare(engine)
    except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
        raise ConnectError(
            contract.id,
            name,
            f"{type(error).__name__}: the URL or its driver cannot be used",
            "a SQLAlchemy URL",
            "correct the URL, or install the driver that it names",
        ) from error
    source = _Source(contract, engine, name, request_policy_of(home), now, hosts)
    if contract.snapshot == "full" or contract.cursor_field is None:
        yield from source.whole(cursor)
    else:
        yield from source.beyond(read_mark(cursor))


class _Source:
    """One table of one database."""

    def __init__(
        self,
        contract: Contract,
        engine: sa.Engine,
        name: str,
        request_policy: RequestPolicy,
        now: Callable[[], datetime],
        hosts: UnansweringHosts,
    ) -> None:
        self.contract = contract
        self.engine = engine
        self.name = name
        self.schema = None if engine.dialect.name == "sqlite" else contract.server.location  # SQLite has none
        self.host = f"{engine.url.host}:{engine.url.port or engine.dialect.name}" if engine.url.host else ""
        self._agreed = request_policy
        self.request_policy = hosts.request_policy(self.host, request_policy)
        self.now = now
        self._hosts = hosts

    def whole(self, cursor: str | None) -> Iterator[Payload]:
        """The table as one payload; nothing when it is what it was."""
        try:
            for attempt in retrying(self._agreed, _is_cut, lambda: self.request_policy.is_once):
                with attempt, self.engine.connect() as connection:
                    table = self._table(connection)
                    lines = _encode(table, chain.from_iterable(_parts(connection, self._ordered(table, ()))))
        except (exc.SQLAlchemyError, UnicodeDecodeError) as error:
            raise self._fault(error) from error
        body = b"".join(lines)
        sha256 = hashlib.sha256(body).hexdigest()
        if lines and sha256 != cursor:
            yield self._payload(body, f"{self.contract.table}[{len(lines)}]", sha256)

    def beyond(self, mark: Mark) -> Iterator[Payload]:
        """Chunks from a mark on; each chunk handed over is a new start for the retries."""
        progress = Progress(self.contract, self.now())
        mark = progress.trusted(mark)
        try:
            for attempt in retrying(self._agreed, _is_cut, lambda: self.request_policy.is_once):
                with attempt, self.engine.connect() as connection:
                    for chunk, reached in self._chunks(connection, mark, progress):
                        yield chunk
                        mark = reached
                        attempt.retry_state.start_time = time.monotonic()
                        attempt.retry_state.attempt_number = 1
        except (exc.SQLAlchemyError, UnicodeDecodeError) as error:
            raise self._fault(error) from error

    def _chunks(self, connection: sa.Connection, start: Mark, progress: Progress) -> Iterator[tuple[Payload, Mark]]:
        """Payloads, each with the mark that stands when it has landed."""
        table = self._table(connection)
        at = list(table.c.keys()).index(self.contract.cursor_field or "")
        tail, unseen, reached = _Tail(start, progress, self.contract.overlap), start.unseen(), start
        for rows, following in _chunked(self._selected(connection, table, start, progress), CHUNK_ROWS):
            lines = _encode(table, rows)
            kept = [i for i, line in enumerate(lines) if unseen.is_new(line)] if unseen else list(range(len(lines)))
            tail.extend(rows, lines, at)
            if not kept:
                continue
            mark = tail.mark(following is not None and plain(following[at]) == tail.value)
            reached = mark or reached
            reference = f"{self.contract.table}[{rows[kept[0]][at]} .. {rows[kept[-1]][at]}]"
            body = b"".join(lines[i] for i in kept)
            yield self._payload(body, reference, mark.text() if mark else None), reached

    def _selected(
        self, connection: sa.Connection, table: sa.TableClause, start: Mark, progress: Progress
    ) -> Iterator[Sequence[Any]]:
        """Rows without a cursor value (nothing orders them, so they are asked for each time), then the others."""
        column = table.c[self.contract.cursor_field or ""]
        yield from chain.from_iterable(_parts(connection, self._ordered(table, (), column.is_(None))))
        condition: sa.ColumnElement[bool] = column.is_not(None)
        if start.since is not None:
            floor = progress.floor(start.since, self.contract.overlap)
            since = sa.bindparam("since", floor, type_=sa.types.NullType())
            condition = column >= since
            if start.count is not None and floor == start.since:
                same = sa.select(sa.func.count()).select_from(table).where(column == since)
                condition = column > since if connection.scalar(same) == start.count else condition
        yield from chain.from_iterable(_parts(connection, self._ordered(table, (column,), condition)))

    def _ordered(self, table: sa.TableClause, first: tuple[Any, ...], *where: Any) -> sa.Select[Any]:
        key = [self.contract.column(name).physical_name for name in self.contract.key]
        return sa.select(table).where(*where).order_by(*first, *(table.c[name] for name in key if name in table.c))

    def _table(self, connection: sa.Connection) -> sa.TableClause:
        """The table with the columns it has today; untyped, so that values come as the driver gives them."""
        self._hosts.note(self.host, is_answering=True)
        self.request_policy = self._agreed  # it answers: what is cut from now on is tried again as agreed
        columns = [c["name"] for c in sa.inspect(connection).get_columns(self.contract.table, self.schema)]
        wanted = self.contract.cursor_field
        if self.contract.snapshot == "incremental" and wanted is not None and wanted not in columns:
            raise ConnectError(
                self.contract.id,
                f"table {self.contract.table}",
                f"columns {', '.join(columns)}",
                f"the cursor field {wanted}",
                "ask the department what became of it, or change cursorField",
                "wrong_answer",
            )
        return sa.table(self.contract.table, *(sa.column(name) for name in columns), schema=self.schema)

    def _payload(self, body: bytes, reference: str, cursor: str | None) -> Payload:
        return Payload(self.contract.id, body, "ndjson", reference, self.now(), cursor)

    def _fault(self, error: Exception) -> ConnectError:
        """The error in words, without the URL: it holds a password."""
        if isinstance(error, exc.NoSuchTableError):
            table = f"{self.schema}.{self.contract.table}" if self.schema else self.contract.table
            return ConnectError(
                self.contract.id,
                self.name,
                f"no table {table}",
                "the table that the contract names",
                "ask the department, or change physicalName",
                "wrong_answer",
            )
        found = str(error.orig if isinstance(error, exc.DBAPIError) else error).strip().splitlines() or [""]
        trouble = _trouble(error)
        self._hosts.note(self.host, is_answering=trouble != "unreachable")
        expected, next_step = {
            "unreachable": (
                f"a database that gives {self.request_policy.patience}",
                "check that it runs, and its address and account",
            ),
            "refused": ("an account that may read the table", "check the account, its password and its rights"),
        }.get(trouble, ("rows of the table that the contract names", "show the text to the department"))
        return ConnectError(
            self.contract.id,
            f"database of {self.name}",
            f"{type(error).__name__}: {found[0]}",
            expected,
            next_step,
            trouble,
        )


class _Tail:
    """The rows that the next read will be given again: at the last cursor value, in the overlap below it, or nowhere.

    Rows without a value and rows ahead of receipt stand nowhere: they never move the cursor.
    """

    def __init__(self, start: Mark, progress: Progress, overlap: timedelta | int) -> None:
        self.value: Value | None = start.since
        self.count = 0  # rows at the last value
        self._given = list(start.seen)
        self._given_without = list(start.without)
        self._without: list[str] = []
        self._progress = progress
        self._overlap = overlap
        self._recent: list[tuple[Rank | None, str]] = []

    def extend(self, rows: Sequence[Sequence[Any]], lines: Sequence[bytes], at: int) -> None:
        """Take in one chunk in its order: rows without a value, then rising values, then those ahead of receipt."""
        end = len(rows)
        while end and (rows[end - 1][at] is None or self._progress.is_ahead(rows[end - 1][at])):
            end -= 1
        first = next((i for i, row in enumerate(rows[:end]) if row[at] is not None), end)
        self._without += [digest(line) for line in (*lines[:first], *lines[end:])]
        if first == end:
            return
        rank = self._progress.rank
        last = plain(rows[end - 1][at])
        if last != self.value:
            self.value, self.count, self._given = last, 0, []
        floor = rank(self._progress.floor(last, self._overlap))
        start = end
        while start > first and (floor is None or (rank(rows[start - 1][at]) or floor) >= floor):
            start -= 1
        if start > first:
            self._recent = []
        self._recent = [one for one in self._recent if floor is None or (one[0] or floor) >= floor]
        self.count += sum(plain(row[at]) == last for row in rows[start:end])
        fresh = zip(rows[start:end], lines[start:end], strict=True)
        if self._overlap or self.count <= SEEN_LIMIT:
            self._recent += [(rank(row[at]), digest(line)) for row, line in fresh]

    def mark(self, goes_on: bool) -> Mark | None:
        """Where a next read starts; None when more rows of a value follow than digests can tell apart."""
        without = _joined(self._given_without, self._without)
        if self._overlap or self.count <= SEEN_LIMIT:
            return Mark(self.value, _joined(self._given, [name for _, name in self._recent]), without)
        return None if goes_on else Mark(self.value, (), without, self.count)


def _joined(given: Sequence[str], met: Sequence[str]) -> tuple[str, ...]:
    """Digests that an earlier read left, those not met again first, and those met."""
    known = set(met)
    return (*(name for name in given if name not in known), *met)


def _parts(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
    """The rows of a query in parts, so that a large table is never in memory as a whole."""
    if connection.dialect.name in ("mysql", "mariadb"):
        yield from _windows(connection, query)
        return
    with connection.execution_options(stream_results=True, yield_per=FETCH_ROWS).execute(query) as result:
        yield from result.partitions()


def _windows(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
    """The same by windows of one consistent snapshot: PyMySQL cannot leave a streamed result before its end.

    Every column takes part in the order, so that windows neither overlap nor leave a gap among equal keys.
    """
    ordered, start = query.order_by(*query.selected_columns), 0
    while rows := connection.execute(ordered.limit(CHUNK_ROWS).offset(start)).all():
        yield rows
        start += len(rows)
        if len(rows) < CHUNK_ROWS:
            return


def _chunked(rows: Iterator[Any], size: int) -> Iterator[tuple[list[Any], Any]]:
    """Chunks, each with the row that follows it, None at the end."""
    following = next(rows, None)
    while following is not None:
        chunk = [following, *islice(rows, size - 1)]
        following = next(rows, None)
        yield chunk, following


def _encode(table: sa.TableClause, rows: Any) -> list[bytes]:
    names = list(table.c.keys())
    return [_line(names, tuple(row)) for row in rows]


def _line(names: Sequence[str], values: Sequence[Any]) -> bytes:
    line = orjson.dumps(dict(zip(names, values, strict=True)), default=as_json, option=_ENCODING)
    if line.count(b"null") == values.count(None):
        return line
    # More of them than came: a text says it, or a number without end became one.
    return orjson.dumps(dict(zip(names, finite(values), strict=True)), default=as_json, option=_ENCODING)


def plain(value: Any) -> Value | None:
    """A cursor value as it can be stored and compared in the database again."""
    return value if value is None or isinstance(value, str | int | float) else str(as_json(value))


def _is_cut(error: BaseException) -> bool:
    """Whether the line was cut or the server is busy; what is wrong with the statement itself never heals."""
    passing = isinstance(error, exc.OperationalError | exc.InterfaceError | exc.InternalError)
    return passing and not any(words in str(error).lower() for words in _LASTING)


def _trouble(error: Exception) -> Trouble:
    """What kind of trouble a driver's error is; its class alone does not tell a refusal from a cut line."""
    if any(words in str(error).lower() for words in _REFUSED):
        return "refused"
    if any(words in str(error).lower() for words in ("no such", "does not exist", "not a database")):
        return "wrong_answer"
    return "unreachable" if isinstance(error, exc.OperationalError | exc.InterfaceError) else "wrong_answer"
