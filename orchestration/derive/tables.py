"""Tables as CSV text, and the rows of each that belong to no one system (`systems/_house/<table>.csv`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.declarations import DeclarationError
from core.system import shared_folder

Row = Mapping[str, Any]


def csv_text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Rows under these columns; what a row does not say is empty. Raises ValueError for a column that is not one."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def house_rows(root: Path, table: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table that no system's folder says. Raises DeclarationError for other columns."""
    path = shared_folder(root, "_house") / f"{table}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise DeclarationError(
                f"{path}:1: columns {', '.join(reader.fieldnames or ())} found, expected {', '.join(columns)}"
            )
        return list(reader)
