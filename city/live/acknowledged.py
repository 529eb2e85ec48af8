"""What the product has acknowledged, for those who count whether it kept it."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import datetime
from pathlib import Path

import polars as pl

from city.live.utterance import Said

_SCHEMA = {
    "feed_id": pl.String(),
    "device_id": pl.String(),
    "observed_at": pl.Datetime("us", "UTC"),
    "n_readings": pl.Int64(),
    "acknowledged_at": pl.Datetime("us", "UTC"),
}
_ROWS_A_FILE = 50_000
_US = 1_000_000


class Acknowledged:
    """Collects rows and writes them in parts, so that little is lost when this process dies. `counts` is by feed."""

    def __init__(self, folder: Path, *, fresh: bool = True) -> None:
        """Parts go into `folder`; with `fresh` older ones are removed."""
        if fresh and folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._number = len(list(folder.glob("*.parquet")))
        self._rows: list[tuple[str, str, int, int, int]] = []

    def add(self, said: Said, n_readings: int, at: datetime) -> None:
        """One acknowledged row with its values; `said` may count in milliseconds, see `add_at`."""
        self.add_at(said.feed_id, said.device_id, said.observed_at * _US, n_readings, at)

    def add_at(self, feed_id: str, device_id: str, observed_us: int, n_readings: int, at: datetime) -> None:
        """The same with microseconds since 1970 UTC."""
        self.counts[feed_id] += n_readings
        self._rows.append((feed_id, device_id, observed_us, n_readings, round(at.timestamp() * _US)))
        if len(self._rows) >= _ROWS_A_FILE:
            self.flush()

    def flush(self) -> None:
        """Write what has come since the last time."""
        if not self._rows:
            return
        frame = pl.DataFrame(self._rows, schema=list(_SCHEMA), orient="row").cast(_SCHEMA)  # type: ignore[arg-type]
        frame.write_parquet(self._folder / f"{self._number:06d}.parquet")
        self._number += 1
        self._rows.clear()


def folder_of(home: Path) -> Path:
    """Where the parts of a home lie."""
    return home / "city" / "live" / "acknowledged"


def acknowledged(home: Path) -> pl.DataFrame:
    """Everything that was acknowledged: feed, device (as the wire names it), time, readings, when.

    A message with many rows stands with its first row alone: a message is kept whole or not at all.
    """
    parts = sorted(folder_of(home).glob("*.parquet"))
    return pl.read_parquet(parts) if parts else pl.DataFrame(schema=_SCHEMA)
