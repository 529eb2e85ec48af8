"""One feed as its department holds it: rows under the department's own column names."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl


@dataclass
class SourceTable:
    """Rows of one feed before they are served.

    `frame` has the source's columns (naive Beijing datetimes, dates, numbers, text) plus `_uid`, a row number that
    stays with the row, `_form`, which a copy shares with its original so that both are written alike, and `_order`, by
    which rows are sent. `loose` holds cells whose value does not fit the column
    type (uid → column → value): only text doors can serve those. `protected` rows (uids) carry incidents: they stay
    whole.
    """

    feed_id: str
    frame: pl.DataFrame
    key: tuple[str, ...]
    object_column: str
    event: str | None = None
    sent: str | None = None
    loose: dict[int, dict[str, Any]] = field(default_factory=dict)
    protected: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Number the rows in the order given."""
        count = pl.int_range(pl.len(), dtype=pl.Int64)
        self.frame = self.frame.with_columns(_uid=count, _form=count, _order=count.cast(pl.Float64))

    @property
    def columns(self) -> list[str]:
        """The source's own columns, in order."""
        return [name for name in self.frame.columns if not name.startswith("_")]

    def sorted(self) -> "SourceTable":
        """Bring rows into sending order: by transmission time where there is one, else as listed."""
        by = [self.sent, "_order"] if self.sent else ["_order"]
        self.frame = self.frame.sort(by)
        return self
