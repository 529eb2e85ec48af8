"""Serving tables from databases: SQLite files, or PostgreSQL and MariaDB when given URLs."""

from typing import Any

import polars as pl
import sqlalchemy as sa

from city.table import SourceTable

_TIME = "%Y-%m-%d %H:%M:%S"


def _columns(table: SourceTable, dialect: str) -> list[sa.Column[Any]]:
    """The department's columns: numbers typed, dates as text, times as text in SQLite and as TIMESTAMP elsewhere."""
    columns: list[sa.Column[Any]] = []
    for name in table.columns:
        dtype = table.frame.schema[name]
        kind: sa.types.TypeEngine[Any] = sa.String(120)
        if dtype.is_integer():
            kind = sa.Integer()
        elif dtype.is_float():
            kind = sa.Double()
        elif isinstance(dtype, pl.Datetime):
            kind = sa.String(19) if dialect == "sqlite" else sa.DateTime()
        columns.append(sa.Column(name, kind, nullable=True))
    return columns


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Times and dates as Beijing text, other columns untouched."""
    times = [pl.col(n).dt.strftime(_TIME) for n, t in frame.schema.items() if isinstance(t, pl.Datetime)]
    dates = [pl.col(n).dt.strftime("%Y-%m-%d") for n, t in frame.schema.items() if t == pl.Date]
    return frame.with_columns(times + dates)


def write(tables: dict[str, SourceTable], url: str) -> None:
    """Create the tables (physical name → feed) afresh in the database at `url` and fill them.

    They carry no key constraints, as an exchange database has none: bad and doubled rows must be able to stand in it.
    """
    engine = sa.create_engine(url)
    dialect = engine.dialect.name
    metadata = sa.MetaData()
    shaped = {
        name: sa.Table(name, metadata, *_columns(table, dialect), mysql_charset="utf8mb4", mysql_engine="InnoDB")
        for name, table in tables.items()
    }
    try:
        with engine.begin() as connection:
            metadata.drop_all(connection)
            metadata.create_all(connection)
            for name, table in tables.items():
                _fill(connection, shaped[name], as_text(table.frame.select(table.columns)))
                if table.sent in table.columns:  # sorted once, not kept in order row by row
                    sa.Index(f"ix_{name}_{table.sent}", shaped[name].c[table.sent]).create(connection)
    finally:
        engine.dispose()


def append(name: str, table: SourceTable, url: str) -> None:
    """Put further rows into a table that `write` made."""
    engine = sa.create_engine(url)
    shaped = sa.Table(name, sa.MetaData(), *_columns(table, engine.dialect.name))
    try:
        with engine.begin() as connection:
            _fill(connection, shaped, as_text(table.frame.select(table.columns)))
    finally:
        engine.dispose()


def _fill(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    """Bulk load, each database by its fastest plain way; a driver's own row-by-row binding is ten times slower."""
    quote = connection.dialect.identifier_preparer.quote
    into = f"{quote(table.name)} ({', '.join(quote(name) for name in frame.columns)})"
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN (FORMAT csv)") as copy:
            copy.write(frame.write_csv(include_header=False, quote_style="non_numeric", null_value=""))
    elif connection.dialect.name == "sqlite":
        marks = ", ".join(["?"] * frame.width)
        connection.exec_driver_sql(f"INSERT INTO {into} VALUES ({marks})", frame.rows())
    else:
        with driver.cursor() as cursor:
            for part in frame.iter_slices(5_000):
                cursor.execute(f"INSERT INTO {into} VALUES {_literals(part)}")


def _literals(frame: pl.DataFrame) -> str:
    """Rows as MySQL value lists."""
    cells = []
    for name, dtype in frame.schema.items():
        text = pl.col(name).cast(pl.String)
        if not dtype.is_numeric():
            escaped = text.str.replace_all("\\", "\\\\", literal=True).str.replace_all("'", "''", literal=True)
            text = pl.format("'{}'", escaped)
        cells.append(text.fill_null("NULL"))
    rows = frame.select(pl.format("({})", pl.concat_str(cells, separator=","))).to_series()
    return ",".join(rows)
