"""Apply a contract to a parsed payload: every row lands, or is kept out for exactly one reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract import Column, Contract
from core.geo import write_wkt
from core.stages import Note, RawTable
from ingest.conform import codes, moments, places, ranges
from ingest.conform.columns import ColumnRead, expectation, read_column, source_text
from ingest.conform.context import ConformContext
from ingest.conform.findings import Findings, Rows
from ingest.conform.output import build_frame
from ingest.conform.places import Places
from ingest.conform.receipt import Receipt, as_text, judge_clocks, receipt_of, replaced
from ingest.parse.cells import SHEET_ERRORS
from ingest.parse.columns import ROW, physical_names
from ingest.values.text import is_shortened, without_invisible

LAST_WORD = "the last word on its key"  # expected of a row that another one supersedes
_DEGREES = "degrees of longitude and latitude; metres need a coordinate system that the file states"


@dataclass(frozen=True, slots=True)
class Conformed:
    """Rows that may land, what was found in the others, and clear personal values for the vault.

    `frame` has `contract.landed_columns` under their landed names, then META_COLUMNS without `_batch_id`. `notes` are
    those of conform alone: the parser's come before them.
    """

    frame: pl.DataFrame
    notes: tuple[Note, ...]
    secrets: Mapping[str, str] = field(repr=False)


@dataclass
class _Work:
    """One payload on its way: texts as sent, values as read, findings so far."""

    contract: Contract
    context: ConformContext
    raw: RawTable
    frame: pl.DataFrame
    findings: Findings
    receipt: Receipt
    texts: dict[str, pl.Series] = field(default_factory=dict)
    reads: dict[str, ColumnRead] = field(default_factory=dict)
    values: dict[str, pl.Series] = field(default_factory=dict)
    has_repeated_keys: bool = True


def conform(raw: RawTable, contract: Contract, context: ConformContext) -> Conformed:
    """Bring a payload into contract shape; see the reason codes for what keeps a row out.

    Raises UnitError or ValueError for a contract whose units or datum cannot be understood: a fault of ours, not of
    the rows.
    """
    findings, receipt = Findings(raw.frame.height), receipt_of(raw, context)
    work = _Work(contract, context, raw, raw.frame, findings, receipt)
    if contract.is_stream:
        _read_clocks(work)
    _read(work)
    found = _place(work)
    _check_ranges(work)
    _check_codes(work)
    _drop_duplicates(work)
    if not contract.is_stream:
        _check_moments(work)
    _check_datum(work, found)
    found = _still_placed(work, found)
    _drop_superseded(work)
    kept = work.findings.kept
    notes = work.findings.notes(work.frame[ROW])
    flags = findings.flags()
    frame, secrets = build_frame(raw.frame, contract, work.values, found, context, work.receipt, flags, kept)
    return Conformed(frame, notes, secrets)


def _read_clocks(work: _Work) -> None:
    """Event times of what devices sent, before all else: keys may be made of them. No row is lost to its clock."""
    column = work.contract.event_time
    if column is None or column.mask == "drop":
        return
    text = source_text(work.frame, column)
    read = read_column(text, column, is_sheet=False)
    owner = work.contract.by_concept("device_id") or work.contract.by_concept("object_id")
    owners = text if owner is None else source_text(work.frame, owner)
    judged = judge_clocks(work.raw, work.contract, work.context, work.receipt, read, owners)
    values = read.values
    if judged.wrong.any():
        wrong = pl.Series(judged.wrong)
        values = replaced(values, work.receipt, wrong, work.frame[ROW])
        work.receipt = replace(work.receipt, event_time_sent=text.fill_null("").set(~wrong, None))
        names = physical_names(column)
        if len(names) == 1:  # other columns, a key of several above all, may read the same text
            work.frame = work.frame.with_columns(text.zip_with(~wrong, as_text(values)).alias(names[0]))
        expected = "a time of the device close to receipt"
        work.findings.flag("clock_wrong", "corrected", _rows(wrong), column, text, expected)
    work.findings.flag("late", "flagged", np.flatnonzero(judged.late), column, text, "sent when it happened")
    work.texts[column.name], work.values[column.name] = text, values
    work.reads[column.name] = ColumnRead(values, np.zeros(len(values), bool), np.array([], np.int64))


def _read(work: _Work) -> None:
    """Types, words and units of every column; missing_key and wrong_type."""
    is_sheet = work.contract.server.file_format == "xlsx"
    for column in work.contract.columns:
        if column.name in work.reads:
            continue
        text = source_text(work.frame, column)
        work.texts[column.name] = text
        if column.mask == "drop":
            continue
        read = _column_read(work, column, text, is_sheet=is_sheet)
        if column.fault_codes:
            read = _without_faults(work, column, read)
        work.reads[column.name], work.values[column.name] = read, read.values
        if column.required or column.key_position is not None:
            empty = np.flatnonzero(read.empty).astype(np.int64)
            work.findings.lose("missing_key", empty, column, text, "a value: rows cannot be told apart without it")
        _refuse_unread(work, column, read)


def _column_read(work: _Work, column: Column, text: pl.Series, *, is_sheet: bool) -> ColumnRead:
    """Read a column, cleaned before unless all its texts are numbers as they stand: those hold nothing unseen."""
    if column.logical_type in ("number", "integer"):
        numbers = text.cast(pl.Float64, strict=False)
        if numbers.null_count() == text.null_count():
            return read_column(text, column, is_sheet=is_sheet, numbers=numbers)
    return read_column(_cleaned(work, column, text), column, is_sheet=is_sheet)


def _cleaned(work: _Work, column: Column, text: pl.Series) -> pl.Series:
    """Text without invisible characters and without error values of sheets; both are noted."""
    if work.raw.is_plain:
        return text
    clean = without_invisible(text)
    if clean is not text:
        changed = _rows(clean.ne_missing(text))
        work.findings.flag("invisible_character", "corrected", changed, column, text, "text that can be seen")
    if work.contract.server.kind != "files":
        return clean
    failed = clean.str.strip_chars().is_in(list(SHEET_ERRORS)).fill_null(False)
    if not failed.any():
        return clean
    work.findings.flag("wrong_type", "flagged", _rows(failed), column, text, "a value; the sheet could not work it out")
    return clean.set(failed, None)


def _refuse_unread(work: _Work, column: Column, read: ColumnRead) -> None:
    """Values that cannot be read; those that a sheet shortened are told by what is lost in them."""
    if not len(read.bad):
        return
    shortened = is_shortened(work.texts[column.name]).to_numpy()[read.bad]
    _refuse(work, "wrong_type", read.bad[shortened], column, "all digits: the sheet shortened it; export it as text")
    _refuse(work, "wrong_type", read.bad[~shortened], column, expectation(column))


def _without_faults(work: _Work, column: Column, read: ColumnRead) -> ColumnRead:
    """Codes by which a device says that it measured nothing become null: a fault of the device, never a value."""
    sent = read.values if read.as_sent is None else read.as_sent
    faulty = sent.is_in(list(column.fault_codes)).fill_null(False)
    if not faulty.any():
        return read
    codes = ", ".join(f"{code:g}" for code in column.fault_codes)
    work.findings.flag(
        "device_fault", "flagged", _rows(faulty), column, work.texts[column.name], f"a value; {codes} say fault"
    )
    as_sent = None if read.as_sent is None else read.as_sent.set(faulty, None)
    return replace(read, values=read.values.set(faulty, None), as_sent=as_sent)


def _refuse(work: _Work, reason: str, rows: Rows, column: Column, expected: str) -> None:
    """A bad cell costs its row, or only itself: where the contract discards values, and in all that devices send."""
    if not len(rows):
        return
    text = work.texts[column.name]
    is_needed = column.required or column.key_position is not None
    if is_needed or not (work.contract.is_stream or work.contract.drift_mode == "discard_value"):
        work.findings.lose(reason, rows, column, text, expected)
        return
    work.findings.flag(reason, "flagged", rows, column, text, expected)
    work.values[column.name] = work.values[column.name].scatter(rows.tolist(), None)


def _place(work: _Work) -> Places | None:
    """Swapped axes put right and everything in WGS 84; None for feeds without a place of their own."""
    columns = places.place_columns(work.contract)
    if not columns:
        return None
    found = (
        places.point_places(work.values[columns[0].name], work.values[columns[1].name], work.contract.datum)
        if len(columns) == 2
        else places.geometry_places(work.values[columns[0].name], work.contract.datum)
    )
    swapped = np.flatnonzero(found.swapped).astype(np.int64)
    work.findings.flag(
        "swapped_lat_lon", "corrected", swapped, columns[0], work.texts[columns[0].name], "longitude before latitude"
    )
    off_earth = np.flatnonzero(found.off_earth).astype(np.int64)
    if found.geometries is None:
        for column, degrees in zip(columns, (found.lon, found.lat), strict=True):
            work.values[column.name] = pl.Series(column.name, degrees, nan_to_null=True)
        if all(column.minimum is None and column.maximum is None for column in columns):  # else its bounds say so
            _refuse(work, "out_of_range", off_earth, columns[0], _DEGREES)
        return found
    _refuse(work, "out_of_range", off_earth, columns[0], _DEGREES)
    if found.unreadable is not None:
        bad = np.flatnonzero(found.unreadable).astype(np.int64)
        _refuse(work, "wrong_type", bad, columns[0], "a whole geometry of numbers, its rings closed")
    work.values[columns[0].name] = pl.Series(columns[0].name, write_wkt(found.geometries), dtype=pl.String)
    return found


def _still_placed(work: _Work, found: Places | None) -> Places | None:
    """Places after all rules: a row that lost one coordinate has no place."""
    if found is None or found.geometries is not None:
        return found
    lon, lat = (work.values[column.name].is_null().to_numpy() for column in places.place_columns(work.contract))
    nowhere = lon | lat
    return replace(found, lon=np.where(nowhere, np.nan, found.lon), lat=np.where(nowhere, np.nan, found.lat))


def _check_ranges(work: _Work) -> None:
    """out_of_range and unit_mismatch: a value that another unit explains is the unit's fault, whatever the range."""
    for column in work.contract.columns:
        read = work.reads.get(column.name)
        if read is None or read.as_sent is None:
            continue
        values = work.values[column.name]
        explained = np.zeros(len(values), dtype=bool)
        for unit, rows in ranges.unit_slips(read, column).items():
            explained[rows] = True
            low, high = column.plausible or (0.0, 0.0)
            expected = f"{low:g} to {high:g} {column.unit}; as {unit} it would fit"
            _doubt(work, "unit_mismatch", rows.astype(np.int64), column, expected)
        if column.minimum is not None or column.maximum is not None:
            outside = ranges.out_of_range(values, column).to_numpy() & ~explained
            _doubt(work, "out_of_range", np.flatnonzero(outside).astype(np.int64), column, ranges.band(column))


def _doubt(work: _Work, reason: str, rows: Rows, column: Column, expected: str) -> None:
    """A value that was read but is hard to believe: what a device sent stays, marked, because it may be the danger."""
    if work.contract.is_stream:
        work.findings.flag(reason, "flagged", rows, column, work.texts[column.name], expected)
    else:
        _refuse(work, reason, rows, column, expected)


def _check_codes(work: _Work) -> None:
    """Area codes (retired ones replaced) and check digits."""
    for column in work.contract.columns:
        if column.name not in work.values:
            continue
        if column.code_list == "area":
            values, retired = codes.replace_retired(work.values[column.name], work.context.areas)
            work.values[column.name] = values
            text, rows = work.texts[column.name], _rows(retired)
            work.findings.flag("retired_area_code", "corrected", rows, column, text, "the code of its successor")
            unknown = _rows(codes.unknown(values, work.context.areas))
            work.findings.lose("unknown_area_code", unknown, column, text, "a code of the current list")
        if column.check_digit is not None:
            failing = _rows(codes.failing_check(work.values[column.name], column.check_digit))
            text = work.texts[column.name]
            if column.check_digit == "uscc":  # some really issued codes fail: warn, never refuse
                work.findings.flag("bad_check_digit", "flagged", failing, column, text, "a right check digit")
            else:
                work.findings.lose("bad_check_digit", failing, column, text, "a right check digit")


def _drop_duplicates(work: _Work) -> None:
    """Rows that say again what the row before them with the same key said; one that returns to older values is none."""
    rows = _repeated_keys(work, work.findings.open_for("duplicate"))
    work.has_repeated_keys = len(rows) > 0
    if not work.has_repeated_keys:
        return
    names = list(work.values)
    again = pl.DataFrame(work.values).select(pl.col(name).gather(rows) for name in names)
    before = [pl.col(name).shift().over(work.contract.key) for name in names]
    same = pl.all_horizontal(pl.col(name).eq_missing(one) for name, one in zip(names, before, strict=True))
    place = pl.int_range(pl.len()).over(work.contract.key)
    copies = rows[again.select(copy=same & (place > 0))["copy"].to_numpy()]
    work.findings.lose("duplicate", copies, None, None, "a row that the payload has not said before", outcome="ignored")


def _drop_superseded(work: _Work) -> None:
    """Good rows that a later good row of the payload corrects under the same key."""
    if not work.has_repeated_keys:
        return  # good rows are among those that were looked at for duplicates
    rows = _repeated_keys(work, work.findings.kept)
    if len(rows):
        keys = pl.DataFrame(work.values).select(pl.col(name).gather(rows) for name in work.contract.key)
        superseded = rows[~is_last_word(keys).to_numpy()]
        work.findings.lose("superseded", superseded, None, None, LAST_WORD, outcome="ignored")


def is_last_word(keys: pl.DataFrame) -> pl.Series:
    """Which rows are the last of all with their key."""
    return keys.select(last=pl.struct(pl.all()).is_last_distinct())["last"]


def _repeated_keys(work: _Work, rows: npt.NDArray[np.bool_]) -> Rows:
    """The rows among `rows` whose key another one of them has."""
    keys = pl.DataFrame([work.values[name] for name in work.contract.key])
    chosen = np.flatnonzero(rows).astype(np.int64)
    repeated = (keys if rows.all() else keys.filter(pl.Series(rows))).is_duplicated().to_numpy()
    rows_of_repeated: Rows = chosen[repeated]
    return rows_of_repeated


def _check_moments(work: _Work) -> None:
    """late, wrong_time_zone and future_time."""
    _check_sent(work)
    delay = moments.delay_of(work.contract, work.values, work.context.received_at)
    if delay is None:
        return
    text, findings = work.texts[delay.event.name], work.findings
    for group, rows, shifted, hours in moments.shifted_groups(delay, _groups(work), findings.open_for("duplicate")):
        found = f"{group}: {shifted} of {len(rows)} rows off by {hours:+.1f} h".removeprefix(": ")
        expected = f"times in {delay.event.source_time_zone}"
        findings.lose_group(
            "wrong_time_zone", rows, delay.event, found, expected, _clock(work, delay, group, rows, hours)
        )
    future = moments.future(delay).to_numpy() & findings.open_for("wrong_time_zone")
    findings.lose(
        "future_time",
        np.flatnonzero(future).astype(np.int64),
        delay.event,
        text,
        "a time before it was sent",
    )
    if delay.tells_late:
        findings.flag("late", "flagged", _rows(moments.late(delay)), delay.event, text, "sent within two days")


def _check_sent(work: _Work) -> None:
    """A time of sending or updating beyond receipt costs itself: nobody may take it for news."""
    for concept in ("transmitted_at", "updated_at"):
        column = work.contract.by_concept(concept)
        if column is None or column.logical_type != "timestamp" or column.name not in work.values:
            continue
        rows = _rows(moments.ahead(work.values[column.name], work.context.received_at))
        if len(rows) and (column.required or column.key_position is not None):
            text = work.texts[column.name]
            work.findings.lose("future_time", rows, column, text, "a time before it was received")
        elif len(rows):
            text = work.texts[column.name]
            work.findings.flag("future_time", "flagged", rows, column, text, "a time before it was received")
            work.values[column.name] = work.values[column.name].scatter(rows.tolist(), None)


def _clock(work: _Work, delay: moments.Delay, group: str, rows: Rows, hours: float) -> str:
    """Which device's clock was wrong from which Beijing day on; '' for a file, which has one clock."""
    first = work.values[delay.event.name].gather(rows).min()
    if not group or not isinstance(first, datetime):
        return ""
    day = (first - timedelta(hours=round(hours))).astimezone(ZoneInfo(delay.event.source_time_zone)).date()
    return f"device|{group}|{day}"


def _groups(work: _Work) -> pl.Series | None:
    """What a clock belongs to: a device (or object) of a service or database; a file has one clock."""
    if work.contract.server.kind == "files":
        return None
    owner = work.contract.by_concept("device_id") or work.contract.by_concept("object_id")
    return None if owner is None else work.values[owner.name]


def _check_datum(work: _Work, found: Places | None) -> None:
    """undeclared_datum: the whole payload, because no single row can show it."""
    identity = work.contract.by_concept("object_id") or work.contract.by_concept("device_id")
    if found is None or identity is None or not work.contract.is_register:
        return
    rows = work.findings.open_for("undeclared_datum")
    words = places.mistaken_datum(
        found, work.values[identity.name], work.context.known_places, work.contract.datum, rows
    )
    if words is not None:
        members = np.flatnonzero(rows).astype(np.int64)
        work.findings.lose_group("undeclared_datum", members, None, words, f"places in {work.contract.datum}")


def _rows(mask: pl.Series) -> Rows:
    return mask.arg_true().to_numpy().astype(np.int64)
