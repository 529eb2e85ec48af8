"""Bytes → text table: every medium that departments send, one door. Pure: no network, no clock.

Not here: what values mean (`ingest.conform`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from core.contract import Contract
from core.stages import RawTable
from ingest.parse.delimited import parse_csv
from ingest.parse.fault import FileFault
from ingest.parse.features import parse_geojson, parse_gpkg
from ingest.parse.frames import media
from ingest.parse.records import parse_json, parse_ndjson
from ingest.parse.workbook import parse_xlsx

__all__ = ["FileFault", "parse"]

_MEDIA: Mapping[str, Callable[[bytes, Contract], RawTable]] = {
    "json": parse_json,
    "ndjson": parse_ndjson,
    "csv": parse_csv,
    "xlsx": parse_xlsx,
    "geojson": parse_geojson,
    "gpkg": parse_gpkg,
    **media(),
}


def parse(body: bytes, media: str, contract: Contract) -> RawTable:
    """Read a payload into text columns under the department's own names, plus `_row` (its place in the payload).

    Every column that the contract expects is there, null where the payload had none; unknown columns follow it when
    the drift mode is `evolve`. Notes say what was found about the file and about rows that have no place in a table.
    Raises FileFault for a payload that is lost as a whole, KeyError for a medium that is not known.
    """
    return _MEDIA[media](body, contract)
