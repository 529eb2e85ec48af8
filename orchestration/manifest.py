"""What one build is told about the outside: which landed files are live, which days are affected, the ops tables.

The ledger decides: a file is in the warehouse when its `built_at` is set. Live files without it are new; files with it
that are no longer live are lost; both make their day affected.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from core.civil_time import CIVIL_ZONE
from core.contract import Contract
from core.settings import Home
from core.store import database, tables
from core.store.parts import in_parts

# Snapshots for the warehouse. The vault and the cursors are nobody's business there.
SNAPSHOT_TABLES = (
    tables.batch,
    tables.file,
    tables.fetch_outcome,
    tables.quarantine,
    tables.check_verdict,
    tables.generation,
    tables.run,
    tables.notification,
    tables.operator_action,
    tables.alert,
    tables.member,
    tables.alert_event,
)

LANDED_SCHEMA = {
    "feed_id": pl.String(),
    "landed_on": pl.String(),
    "path": pl.String(),
    "batch_id": pl.String(),
    "is_affected": pl.Boolean(),
    "is_changed": pl.Boolean(),  # it has new or lost files of its own: of a register, the others are only read with it
    "unfit": pl.String(),  # columns of the file that are read leniently, comma-separated; null: all of them fit
}
LEFT_OUT_SCHEMA = {"feed_id": pl.String(), "reason": pl.String()}  # one row a feed that is not wholly in the build


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a build was told; handed to `mark_built` once that build is published."""

    affected: tuple[tuple[str, str], ...]  # feed id, Beijing day
    added: tuple[str, ...]  # ledger paths that are new to the warehouse
    lost: tuple[str, ...]  # ledger paths that are in the warehouse and no longer live


# Of a build folder: the facts of the build, and what `orchestration.build` leaves there when one is finished.
FACTS, LAST_BUILT_ON = "build.parquet", "last_built_on"


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    batch_id: str
    feed_id: str
    landed_on: str
    is_live: bool
    is_built: bool


def write_manifest(
    home: Home,
    engine: sa.Engine,
    contracts: Mapping[str, Contract],
    as_of: datetime,
    run_id: str,
    city_code: str,
    full_refresh: bool,
    days: Sequence[date] | None = None,
    lost: Collection[str] = (),
    unfit: Mapping[Path, Sequence[str]] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> Manifest:
    """Write landed.parquet, left_out.parquet, build.parquet and ops/*.parquet into the build folder.

    `days`: Beijing days that are written anew whether or not they have new files. `lost`: ledger paths that cannot be
    read: their days stay as they were built. `unfit`: by file, columns that are read
    leniently because some file of the feed has another type than the contract. `left_out`: by feed, what of it is not
    in this build, and why.
    """
    every = _ledger_files(engine, contracts)
    kept = {(file.feed_id, file.landed_on) for file in every if file.path in lost}
    files = [file for file in every if file.path not in lost]
    changed = _changed(files, full_refresh, {day.isoformat() for day in days or ()})
    affected = _affected(files, contracts, changed) - (set() if full_refresh else kept)
    (home.build / "ops").mkdir(parents=True, exist_ok=True)
    _landed(home, files, affected, changed, unfit or {}).write_parquet(home.build / "landed.parquet")
    opened_at = _opened_at(engine) or as_of
    _this_build(home, as_of, opened_at, run_id, city_code, full_refresh).write_parquet(home.build / FACTS)
    left = pl.DataFrame(sorted((left_out or {}).items()), schema=LEFT_OUT_SCHEMA, orient="row")
    left.write_parquet(home.build / "left_out.parquet")
    _heard(engine).write_parquet(home.build / "ops" / "stream_heard.parquet")
    for table in SNAPSHOT_TABLES:
        _snapshot(engine, table).write_parquet(home.build / "ops" / f"{table.name}.parquet")
    return Manifest(
        affected=tuple(sorted(affected)),
        added=tuple(
            file.path
            for file in files
            if file.is_live and not file.is_built and (full_refresh or (file.feed_id, file.landed_on) not in kept)
        ),
        lost=tuple(file.path for file in files if file.is_built and not file.is_live),
    )


def mark_built(engine: sa.Engine, manifest: Manifest, now: datetime) -> None:
    """Say in the ledger that the warehouse holds the added files and no longer the lost ones."""
    with engine.begin() as connection:
        for paths, built_at in ((manifest.added, now), (manifest.lost, None)):
            for chunk in in_parts(paths):
                connection.execute(
                    sa.update(tables.file).where(tables.file.c.path.in_(chunk)).values(built_at=built_at)
                )


def _ledger_files(engine: sa.Engine, contracts: Mapping[str, Contract]) -> list[_File]:
    """All files that are live or in the warehouse. A feed without a contract has no live files."""
    query = (
        sa.select(
            tables.file.c.path,
            tables.file.c.batch_id,
            tables.file.c.feed_id,
            tables.file.c.landed_on,
            tables.file.c.state.label("file_state"),
            tables.batch.c.state.label("batch_state"),
            sa.type_coerce(tables.file.c.built_at, sa.String).label("built_at"),
        )
        .join(tables.batch, tables.batch.c.batch_id == tables.file.c.batch_id)
        .order_by(tables.file.c.feed_id, tables.file.c.landed_on, tables.file.c.path)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    files = [
        _File(
            path=row.path,
            batch_id=row.batch_id,
            feed_id=row.feed_id,
            landed_on=row.landed_on,
            is_live=row.file_state == "live" and row.batch_state == "admitted" and row.feed_id in contracts,
            is_built=row.built_at is not None,
        )
        for row in rows
    ]
    return [file for file in files if file.is_live or file.is_built]


def _changed(files: Iterable[_File], full_refresh: bool, days: Collection[str]) -> set[tuple[str, str]]:
    """The (feed, day)s that have new or lost files, or are asked for."""
    return {
        (file.feed_id, file.landed_on)
        for file in files
        if full_refresh or file.is_live != file.is_built or file.landed_on in days
    }


def _affected(
    files: Sequence[_File], contracts: Mapping[str, Contract], changed: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """The (feed, day)s to write anew: what changed, and what is read together with it."""
    whole = {feed_id for feed_id, _ in changed if feed_id in contracts and contracts[feed_id].is_register}
    # A key that does not hold its time may stand on two days; when the newer row is lost, the older one comes back.
    whole |= {
        file.feed_id
        for file in files
        if file.is_built and not file.is_live and file.feed_id in contracts and _moves(contracts[file.feed_id])
    }
    return {*changed} | {(file.feed_id, file.landed_on) for file in files if file.feed_id in whole}


def _moves(contract: Contract) -> bool:
    """Whether a correction can carry a row to another day."""
    return contract.event_time is not None and contract.event_time.name not in contract.key


def _landed(
    home: Home,
    files: Iterable[_File],
    affected: Collection[tuple[str, str]],
    changed: Collection[tuple[str, str]],
    unfit: Mapping[Path, Sequence[str]],
) -> pl.DataFrame:
    live = [file for file in files if file.is_live]
    rows = [
        (
            file.feed_id,
            file.landed_on,
            str((home.landing / file.path).absolute()),
            file.batch_id,
            (file.feed_id, file.landed_on) in affected,
            (file.feed_id, file.landed_on) in changed,
            ",".join(unfit.get(home.landing / file.path, ())) or None,
        )
        for file in live
    ]
    emptied = set(affected) - {(file.feed_id, file.landed_on) for file in live}
    rows += [
        (feed_id, landed_on, None, None, True, (feed_id, landed_on) in changed, None)  # type: ignore[misc]
        for feed_id, landed_on in sorted(emptied)
    ]
    return pl.DataFrame(rows, schema=LANDED_SCHEMA, orient="row")


def day_of_build(home: Home) -> date:
    """The Beijing day that the build of this manifest looks from."""
    day: date = pl.read_parquet(home.build / FACTS, columns=["as_of_date"]).item()
    return day


def _last_built_on(home: Home) -> date | None:
    """The day that the last finished build of this home looked from: it was not over then."""
    path = home.build / LAST_BUILT_ON
    text = path.read_text(encoding="utf-8") if path.is_file() else ""  # empty after a full disk or a kill
    return date.fromisoformat(text) if text else None


def _opened_at(engine: sa.Engine) -> datetime | None:
    """When the home published first, None before that: what registers said until then holds for the days before too."""
    with engine.connect() as connection:
        at: datetime | None = connection.execute(sa.select(sa.func.min(tables.generation.c.published_at))).scalar()
    return at


def _this_build(
    home: Home, as_of: datetime, opened_at: datetime, run_id: str, city_code: str, full_refresh: bool
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "run_id": [run_id],
            "as_of": [as_of],
            "as_of_date": [as_of.astimezone(CIVIL_ZONE).date()],
            "last_built_on": [_last_built_on(home)],
            "opened_at": [opened_at],
            "city_code": [city_code],
            "is_full_refresh": [full_refresh],
        },
        schema={
            "run_id": pl.String(),
            "as_of": pl.Datetime("us", "UTC"),
            "as_of_date": pl.Date(),
            "last_built_on": pl.Date(),
            "opened_at": pl.Datetime("us", "UTC"),
            "city_code": pl.String(),
            "is_full_refresh": pl.Boolean(),
        },
    )


def _heard(engine: sa.Engine) -> pl.DataFrame:
    """One row a stream of devices: when one of them was last heard, whatever it said."""
    link = tables.device_link.c
    query = sa.select(link.raw_feed, sa.func.max(link.last_frame_at)).group_by(link.raw_feed)
    with engine.connect() as connection:
        rows = [(row[0], row[1]) for row in connection.execute(query)]
    return pl.DataFrame(rows, schema={"raw_feed": pl.String(), "heard_at": pl.Datetime("us", "UTC")}, orient="row")


def _snapshot(engine: sa.Engine, table: sa.Table) -> pl.DataFrame:
    """One ops table as a frame; instants, which are stored as text, become UTC datetimes."""
    instants = [column.name for column in table.columns if isinstance(column.type, database.UtcText)]
    read = [sa.type_coerce(c, sa.String).label(c.name) if c.name in instants else c for c in table.columns]
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(sa.select(*read))]
    frame = pl.DataFrame(rows, schema={column.name: _polars_type(column) for column in table.columns}, orient="row")
    parsed = pl.col(instants).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", time_zone="UTC")
    return frame.with_columns(parsed) if instants else frame


def _polars_type(column: sa.Column[object]) -> pl.DataType:
    match column.type:
        case sa.Boolean():
            return pl.Boolean()
        case sa.Integer():
            return pl.Int64()
        case sa.Float():
            return pl.Float64()
        case _:
            return pl.String()
