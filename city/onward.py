"""Departments go on after the built days: new rows and files come with the time, as their templates say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from city import door_files, door_http, door_sql
from city.build import CityBuild
from city.clock import BEIJING, to_utc
from city.declared import Declared, GoesOn
from city.registers import table_of
from city.table import SourceTable
from city.template import AT, DROPPED, period_of


@dataclass(frozen=True)
class _Feed:
    """One feed that goes on."""

    goes_on: GoesOn
    period: timedelta
    template: pl.DataFrame
    end: datetime

    def rows(self, after: datetime, until: datetime) -> pl.DataFrame:
        """Rows that are to be had later than `after`, and not later than `until`."""
        first = max(1, (after - self.end) // self.period)
        last = (until - self.end) // self.period + 2
        parts = [
            self._moved(number).filter(pl.col(AT) > after, pl.col(AT) <= until) for number in range(first, last + 1)
        ]
        return pl.concat(parts).sort(AT)

    def _moved(self, number: int) -> pl.DataFrame:
        """The template so many periods later."""
        times = [
            name for name, kind in self.template.schema.items() if isinstance(kind, pl.Datetime) or kind == pl.Date
        ]
        moving = [name for name in times if name not in self.goes_on.stays]
        frame = self.template.with_columns(pl.col(moving) + number * self.period)
        if key := self.goes_on.numbers:
            digits = pl.col(key).str.extract(r"(\d+)$")
            later = (digits.cast(pl.Int64) + number * pl.col("_total")).cast(pl.String)
            padded = later.str.zfill(digits.str.len_chars())
            frame = frame.with_columns(pl.concat_str(pl.col(key).str.replace(r"\d+$", ""), padded).alias(key))
        return frame


class Onward:
    """The departments of a built city after its last day. Give it the time; it does not look at a clock."""

    def __init__(self, build: CityBuild, declared: Declared) -> None:
        """Reads the templates; a city built without any has departments that stand still."""
        self._build, self._declared = build, declared
        self._path = build.root / "onward" / "progress.json"
        end = build.as_of.astimezone(BEIJING).replace(tzinfo=None)
        files = sorted((build.root / "onward").glob("*.parquet"))
        self._feeds = {
            path.stem: _Feed(goes_on, period_of(goes_on, build.days), pl.read_parquet(path), end)
            for path in files
            if path.stem in build.doors and (goes_on := declared.departments[path.stem].goes_on) is not None
        }
        saved = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        # What HTTP serves is in memory alone, so it begins anew with each start.
        self._done = {
            feed_id: end
            if build.doors[feed_id].kind == "http"
            else datetime.fromisoformat(saved.get(feed_id, end.isoformat()))
            for feed_id in self._feeds
        }

    def advance(self, now: datetime) -> dict[str, pl.DataFrame]:
        """Put everything up to the aware instant `now` behind the doors; gives what HTTP has to serve from now on."""
        until = now.astimezone(BEIJING).replace(tzinfo=None)
        served: dict[str, pl.DataFrame] = {}
        for feed_id, feed in self._feeds.items():
            rows = feed.rows(self._done[feed_id], until)
            if rows.height:
                table = table_of(self._declared.contracts[feed_id], rows)
                match self._build.doors[feed_id].kind:
                    case "http":
                        served[feed_id] = door_http.records(table, self._build.doors[feed_id].explode)
                    case "sql":
                        door = self._build.doors[feed_id]
                        door_sql.append(door.path, table, self._build.db_urls[door.department])
                    case _:
                        self._drop(feed_id, table)
            self._done[feed_id] = until
        progress = {feed_id: done.isoformat() for feed_id, done in self._done.items()}
        self._path.write_text(json.dumps(progress), encoding="utf-8")
        return served

    def _drop(self, feed_id: str, table: SourceTable) -> None:
        """One file an hour."""
        door, contract = self._build.doors[feed_id], self._declared.contracts[feed_id]
        folder = self._build.root / "drop" / door.department / door.path
        encoding = str(contract.server.options.get("encoding", "utf-8"))
        for name, at, rows in _hours(table):
            path = folder / f"{name}.csv"
            part = table_of(contract, rows)
            path.write_bytes(door_files.csv_bytes(door_files.text_frame(part), encoding=encoding))
            os.utime(path, (to_utc(at).timestamp(),) * 2)


def _hours(table: SourceTable) -> Iterator[tuple[str, datetime, pl.DataFrame]]:
    """The rows of each hour with the name of their file and when it is dropped."""
    by_hour = table.frame.with_columns(_hour=pl.col(str(table.event)).dt.truncate("1h"))
    for (hour,), rows in by_hour.partition_by("_hour", as_dict=True, maintain_order=True).items():
        assert isinstance(hour, datetime)
        yield f"{hour:%Y%m%d%H}", hour + DROPPED, rows.drop("_hour")
