"""What tells who a person is stands in the clear nowhere in a home, in whatever form a file is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import duckdb
import polars as pl
import pytest
import sqlalchemy as sa

from core.settings import ARCHIVE_KEY
from core.stages import Payload
from core.store import tables
from core.store.archive import Archive
from golden.conftest import RunCity
from ingest.parse import FileFault
from ingest.pull import read

pytestmark = [pytest.mark.servers, pytest.mark.slow]

SIMULATOR = "city"  # plays the departments, which know their people
LEAST_PART = 3  # characters: two may be a part of any word, and are looked for as whole cells


def personal_values(city: RunCity) -> set[str]:
    """Every clear value of a personal column, from the bytes that departments sent."""
    archive = Archive(city.home.archive, city.home.secret(ARCHIVE_KEY))
    b = tables.batch.c
    query = sa.select(b.feed_id, b.media, b.source_ref, b.received_at, b.archive_sha256).where(b.archive_sha256 != "")
    found: set[str] = set()
    with city.engine.connect() as connection:
        batches = connection.execute(query).all()
    for batch in batches:
        contract = city.contracts[batch.feed_id]
        names = [column.physical_name for column in contract.columns if column.is_personal]
        if not names:
            continue
        body = archive.get(batch.archive_sha256)
        payload = Payload(batch.feed_id, body, batch.media, batch.source_ref, batch.received_at)
        parsed = []
        with suppress(FileFault):  # a file that is no table at all
            parsed = read(payload, contract)
        for table, _ in parsed:
            for name in names:
                if name in table.frame.columns:
                    found.update(table.frame[name].drop_nulls().cast(pl.String).str.strip_chars().to_list())
    return {value for value in found if len(value) > 1}


def cells(path: Path) -> Iterator[tuple[str, pl.Series]]:
    """The texts that a file keeps by column, each with its column's name."""
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        yield from ((name, frame[name]) for name, kind in frame.schema.items() if kind == pl.String)
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as base:
            query = (
                "select schema_name, table_name, column_name from duckdb_columns() "
                "semi join duckdb_tables() using (schema_name, table_name) where data_type = 'VARCHAR'"
            )
            for schema, table, column in base.execute(query).fetchall():
                distinct = base.execute(f'select distinct "{column}" as text from "{schema}"."{table}"').pl()
                yield f"{schema}.{table}.{column}", distinct["text"]
    elif path.suffix == ".db":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
            for (table,) in base.execute("select name from sqlite_master where type = 'table'").fetchall():
                answer = base.execute(f'select * from "{table}"')
                rows = answer.fetchall()
                for number, (name, *_) in enumerate(answer.description):
                    texts = [row[number] for row in rows if isinstance(row[number], str)]
                    yield f"{table}.{name}", pl.Series(texts, dtype=pl.String)


def texts_of(path: Path) -> pl.DataFrame:
    """Everything that a file says: texts by column, and its bytes as they are, with what was deleted in them."""
    raw = pl.Series([path.read_bytes().decode("utf-8", "ignore")], dtype=pl.String)
    parts = [*cells(path), ("bytes", raw)]
    return pl.concat([pl.select(text=texts.unique()).with_columns(place=pl.lit(name)) for name, texts in parts])


def told(files: Iterable[Path], clear: list[str]) -> set[tuple[str, str]]:
    """File name and place of every text that is a personal value, or contains one that is no part of common words."""
    parts = [value for value in clear if len(value) >= LEAST_PART]
    said = pl.concat([texts_of(path).with_columns(file=pl.lit(str(path))) for path in files])
    found = said.filter(pl.col("text").is_in(clear) | pl.col("text").str.contains_any(parts))
    return set(found.select("file", "place").iter_rows())


def plant(folder: Path, value: str) -> list[Path]:
    """Files of every kind that say a value, to see that it would be found."""
    paths = [folder / name for name in ("a.parquet", "b.duckdb", "c.db", "d.log")]
    pl.DataFrame({"name": [value]}).write_parquet(paths[0], compression="zstd")
    with duckdb.connect(str(paths[1])) as base:
        base.execute("create table t as select ? as name", [value])
    with closing(sqlite3.connect(paths[2])) as base, base:
        base.execute("create table t as select ? as name", [value])
    paths[3].write_text(f"somebody wrote {value} here", "utf-8")
    return paths


@pytest.mark.case("security.held.H10")
def test_no_personal_value_stands_in_the_clear(run_city: RunCity, tmp_path: Path) -> None:
    root = run_city.home.root
    clear = sorted(personal_values(run_city))
    assert sum(value[:17].isdigit() and len(value) == 18 for value in clear) > 100, "identity numbers"
    assert sum(value.isdigit() and len(value) == 11 for value in clear) > 50, "telephone numbers"
    planted = plant(tmp_path, next(value for value in clear if len(value) == LEAST_PART))
    assert {Path(file) for file, _ in told(planted, clear)} == set(planted)
    files = [path for path in root.rglob("*") if path.is_file() and SIMULATOR not in path.relative_to(root).parts]
    assert {".parquet", ".duckdb", ".db", ".html", ".log"} <= {path.suffix for path in files}
    assert told(files, clear) == set()
