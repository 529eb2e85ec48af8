"""What was planted: known defects and known incidents, for tests only."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from city.clock import to_utc

OUTCOMES = {
    "missing_key": "quarantined",
    "wrong_type": "quarantined",
    "out_of_range": "quarantined",
    "unit_mismatch": "quarantined",
    "duplicate": "ignored",
    "late": "flagged",
    "future_time": "quarantined",
    "wrong_time_zone": "quarantined",
    "swapped_lat_lon": "corrected",
    "undeclared_datum": "quarantined",
    "unknown_area_code": "quarantined",
    "retired_area_code": "corrected",
    "bad_check_digit": "flagged",
    "truncated_file": "quarantined",
    "empty_file": "quarantined",
    "extra_column": "flagged",
    "renamed_column": "quarantined",
    "resent_file": "ignored",
    "column_order": "corrected",
    "mixed_encodings": "corrected",
}
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "kind": pl.String,
    "grain": pl.String,
    "feed_id": pl.String,
    "source_ref": pl.String,
    "reason": pl.String,
    "outcome": pl.String,
    "object_id": pl.String,
    "rule_hint": pl.String,
    "colour": pl.String,
    "starts_at": pl.Datetime("us", "UTC"),
    "ends_at": pl.Datetime("us", "UTC"),
    "n_rows": pl.Int64,
}


@dataclass
class Truth:
    """Collects what was planted; one row per defect or incident."""

    rows: list[dict[str, object]] = field(default_factory=list)

    def defect(
        self,
        reason: str,
        grain: str,
        feed_id: str,
        source_ref: str,
        *,
        outcome: str | None = None,
        object_id: str | None = None,
        at: datetime | None = None,
        n_rows: int = 1,
    ) -> None:
        """Note one defect; `at` is naive Beijing time, `n_rows` the rows that share its fate."""
        instant = to_utc(at) if at else None
        self.rows.append(
            {
                "kind": "defect",
                "grain": grain,
                "feed_id": feed_id,
                "source_ref": source_ref,
                "reason": reason,
                "outcome": outcome or OUTCOMES[reason],
                "object_id": object_id,
                "starts_at": instant,
                "ends_at": instant,
                "n_rows": n_rows,
            }
        )

    def incident(
        self, feed_id: str, object_id: str, rule_hint: str, colour: str, starts: datetime, ends: datetime
    ) -> None:
        """Note one real event that a rule should later find; times are naive Beijing."""
        self.rows.append(
            {
                "kind": "incident",
                "grain": "row",
                "feed_id": feed_id,
                "source_ref": object_id,
                "object_id": object_id,
                "rule_hint": rule_hint,
                "colour": colour,
                "starts_at": to_utc(starts),
                "ends_at": to_utc(ends),
                "n_rows": 1,
            }
        )

    def frame(self) -> pl.DataFrame:
        """All rows in a fixed order."""
        frame = pl.DataFrame(self.rows, schema=_SCHEMA)
        return frame.sort("kind", "feed_id", "grain", "reason", "source_ref", "starts_at", nulls_last=True)

    def write(self, path: Path) -> None:
        """Write the Parquet file."""
        self.frame().write_parquet(path)
