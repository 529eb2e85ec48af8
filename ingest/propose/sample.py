"""Read a sample file without a contract: what it is, how it is written, its columns as text."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import statistics
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from core.contract import Column, Contract, parse_contract
from ingest.parse import FileFault
from ingest.parse.apart import parse_apart
from ingest.parse.cells import read_workbook
from ingest.parse.columns import ROW
from ingest.parse.extent import check_extent
from ingest.parse.totals import TOTAL_ROW
from ingest.parse.workbook import read_cells
from ingest.values.text import read_number

MEDIA: Mapping[str, str] = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "csv",
    ".xlsx": "xlsx",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".geojson": "geojson",
    ".gpkg": "gpkg",
}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
DATUM_OF_EPSG = {"EPSG:4490": "CGCS2000", "EPSG:4326": "WGS84"}
MOST_HEADER_ROWS = 10
MOST_ROWS = 20_000
_TOTALS = ("total", "totalCount", "total_count", "count")


class SampleError(ValueError):
    """A sample that no contract can be proposed from; says why."""


@dataclass(frozen=True, slots=True)
class ProposalSample:
    """A sample's columns as text under its own names, and what the contract's server must say to read it again."""

    media: str
    frame: pl.DataFrame
    options: Mapping[str, Any] = field(default_factory=dict)
    explode: str | None = None
    datum: str | None = None  # what the file itself states, None when it states nothing
    expected: tuple[str, ...] = ()  # columns that the parser gives only when they are asked for
    reasons: tuple[str, ...] = ()


def read_sample(path: Path) -> ProposalSample:
    """A sample by its ending, read the way the proposed contract will read it. Raises SampleError."""
    media = MEDIA.get(path.suffix.lower())
    if media is None:
        raise SampleError(f"{path.name}: ending {path.suffix!r}, expected one of {', '.join(MEDIA)}")
    body = path.read_bytes()
    if not body.strip():
        raise SampleError(f"{path.name}: empty, expected rows to learn from")
    try:
        sample = _describe(body, media)
        probe = _probe(sample)
        raw = parse_apart(body, sample.media, probe)
    except (FileFault, csv.Error, UnicodeError, json.JSONDecodeError) as error:
        raise SampleError(f"{path.name}: cannot be read as {media}: {error}") from error
    frame = raw.frame.drop(ROW).head(MOST_ROWS)
    if frame.is_empty() or not frame.width:
        raise SampleError(f"{path.name}: no rows, expected rows to learn from")
    totals = [note.locator for note in raw.notes if note.reason == TOTAL_ROW]
    left_out = (f"{len(totals)} rows of totals (合计, 小计) are left out, first at {totals[0]}",) if totals else ()
    return replace(sample, frame=frame, reasons=(*sample.reasons, *left_out))


def _describe(body: bytes, media: str) -> ProposalSample:
    match media:
        case "csv":
            return _describe_csv(body)
        case "xlsx":
            return _describe_xlsx(body)
        case "json":
            return _describe_json(body)
        case "geojson":
            return _describe_geojson(body)
        case "gpkg":
            return _describe_gpkg(body)
        case _:
            return ProposalSample(media, pl.DataFrame(), reasons=("one JSON object a line",))


def _describe_csv(body: bytes) -> ProposalSample:
    encoding, why = _encoding(body)
    text = body.decode(encoding, "replace").removeprefix("\ufeff")
    lines = text.splitlines()[:200]
    by_delimiter = {mark: _widths(lines, mark) for mark in DELIMITERS}
    # A separator that is one gives the same number of fields, more than one, on every line.
    delimiter = max(
        by_delimiter, key=lambda mark: (_steadiness(by_delimiter[mark]), statistics.mode(by_delimiter[mark]))
    )
    width = statistics.mode(by_delimiter[delimiter])
    reasons = [why, f"separator {DELIMITERS[delimiter]}: {width} fields on most of the first {len(lines)} lines"]
    first = next(csv.reader(io.StringIO(text), delimiter=delimiter))
    if len(first) != width or any(read_number(cell) is not None for cell in first):
        reasons.append("line 1 does not look like field names: CHECK, and ask for a file with a header on line 1")
    else:
        reasons.append(f"line 1 is the header: {len(first)} names, none of them a number")
    options = {"encoding": "utf-8" if encoding == "utf-8-sig" else encoding}
    return ProposalSample(
        "csv",
        pl.DataFrame(),
        {**options, **({} if delimiter == "," else {"delimiter": delimiter})},
        reasons=tuple(reasons),
    )


def _encoding(body: bytes) -> tuple[str, str]:
    if body.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig", "encoding utf-8: the file starts with its byte order mark"
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "encoding utf-16: the file starts with its byte order mark, as Excel's Unicode text does"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return "gb18030", f"encoding gb18030: byte {error.start} is not UTF-8, and Chinese systems write GB 18030"
    if body.isascii():
        return "utf-8", "encoding utf-8: only ASCII in the sample, so a later file may still show another one"
    return "utf-8", "encoding utf-8: all bytes fit it"


def _widths(lines: list[str], delimiter: str) -> list[int]:
    return [len(fields) for fields in csv.reader(lines, delimiter=delimiter) if fields] or [0]


def _steadiness(widths: list[int]) -> float:
    common = statistics.mode(widths)
    return widths.count(common) / len(widths) if common > 1 else 0.0


def _describe_xlsx(body: bytes) -> ProposalSample:
    check_extent(body)
    book = read_workbook(body)
    at = next((number for number, sheet in enumerate(book.sheets) if sheet.is_visible), 0)
    hidden = [sheet.name for sheet in book.sheets[:at]]
    sheet: int | str = book.sheets[at].name if at else 0
    cells = read_cells(body, book, sheet)
    filled = [sum(cell is not None for cell in row) for row in cells.head(MOST_HEADER_ROWS + 1).rows()]
    widest = max(filled, default=0)
    header_rows = 1
    for number, row in enumerate(cells.head(MOST_HEADER_ROWS + 1).rows()):
        if number and filled[number] * 2 >= widest and any(_is_value(cell) for cell in row):
            header_rows = number
            break
    reason = f"{header_rows} header rows: row {header_rows + 1} is the first with numbers or dates among its cells"
    more = ("groups above field names are joined as group/field",) if header_rows > 1 else ()
    why = f"sheet {sheet}" + (f": the first that is not hidden, behind {', '.join(hidden)}" if hidden else "")
    return ProposalSample(
        "xlsx", pl.DataFrame(), {"sheet": sheet, "headerRows": header_rows}, reasons=(why, reason, *more)
    )


def _is_value(cell: str | None) -> bool:
    return cell is not None and (read_number(cell) is not None or re.match(r"\d{4}[-/年.]\d{1,2}", cell) is not None)


def _describe_json(body: bytes) -> ProposalSample:
    document = json.loads(body.decode("utf-8-sig"))
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        return _describe_geojson(body)
    path, records = _records_in(document, ())
    options: dict[str, Any] = {"recordsPath": ".".join(path)} if path else {}
    reasons = [f"records at {'.'.join(path) or 'the top'}: the first list of objects, {len(records)} of them"]
    parent = document
    for part in path[:-1]:
        parent = parent[part]
    total = next((name for name in _TOTALS if path and isinstance(parent.get(name), int)), None)
    if total:
        options["totalPath"] = ".".join((*path[:-1], total))
        reasons.append(f"the answer states its total at {options['totalPath']}")
    lists = {name for record in records for name, value in record.items() if _is_rows(value)}
    explode = min(lists) if lists else None
    if explode:
        reasons.append(f"one row for each element of {explode}: a record holds several of them")
    if len(lists) > 1:
        reasons.append(f"CHECK: {', '.join(sorted(lists))} are lists too; one feed can explode one of them")
    return ProposalSample("json", pl.DataFrame(), options, explode, reasons=tuple(reasons))


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(one, dict) for one in value)


def _records_in(document: Any, path: tuple[str, ...]) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """The nearest list of objects, breadth first; one object alone is a list of one."""
    level: list[tuple[tuple[str, ...], Any]] = [(path, document)]
    while level:
        for place, value in level:
            if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
                return place, value
        level = [
            ((*place, name), one) for place, value in level if isinstance(value, dict) for name, one in value.items()
        ]
    if isinstance(document, dict):
        return (), [document]
    raise SampleError("no list of objects in the document, expected records to learn from")


def _describe_geojson(body: bytes) -> ProposalSample:
    document = json.loads(body.decode("utf-8-sig"))
    crs = document.get("crs") if isinstance(document, dict) else None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or not features:
        raise SampleError("no list of features in the document, expected features to learn from")
    has_id = all(isinstance(one, dict) and "id" in one for one in features)
    reasons = [f"{len(features)} GeoJSON features", *(["each has an id of its own"] if has_id else [])]
    return ProposalSample(
        "geojson",
        pl.DataFrame(),
        datum=_datum(str(crs)) if crs else None,
        expected=("id", "geometry") if has_id else ("geometry",),
        reasons=tuple(reasons),
    )


def _describe_gpkg(body: bytes) -> ProposalSample:
    import pyogrio  # brings pandas, a second: only GeoPackages pay for it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the driver's remarks on a file without a name
            layers = [str(row[0]) for row in pyogrio.list_layers(body)]
            crs = str(pyogrio.read_info(body, layer=layers[0]).get("crs"))
    except pyogrio.errors.DataSourceError as error:
        raise FileFault("truncated_file", str(error)) from error
    reasons = [f"layer {layers[0]}, the first of {len(layers)}", f"the file says its coordinates are in {crs}"]
    if crs not in DATUM_OF_EPSG:
        reasons.append("metres of CGCS2000 or WGS 84 are turned into degrees; CHECK: any other system is refused")
    return ProposalSample(
        "gpkg", pl.DataFrame(), {"layer": layers[0]}, datum=_datum(crs), expected=("geometry",), reasons=tuple(reasons)
    )


def _datum(crs: str) -> str | None:
    code = re.search(r"EPSG:+(\d+)", crs.upper().replace("::", ":"))
    return DATUM_OF_EPSG.get(f"EPSG:{code.group(1)}") if code else None


def _probe(sample: ProposalSample) -> Contract:
    """A contract that expects next to nothing and keeps every other column."""
    key = {"name": "key", "primaryKey": True, "primaryKeyPosition": 1}
    sla = [{"property": name, "value": 1, "unit": "d"} for name in ("frequency", "freshness", "silence", "retention")]
    contract = parse_contract(
        {
            "apiVersion": "v3.2.0",
            "id": "sample.sample",
            "version": "0",
            "servers": [{"type": "local", "path": "", "format": sample.media}],
            "schema": [{"name": "sample", "properties": [key]}],
            "slaProperties": sla,
            "customProperties": [{"property": "driftMode", "value": "evolve"}],
        },
        "sample",
    )
    columns = tuple(Column(name, name, name, "", "string") for name in sample.expected)
    server = replace(contract.server, options=sample.options)
    return replace(contract, columns=columns, server=server, explode=sample.explode)
