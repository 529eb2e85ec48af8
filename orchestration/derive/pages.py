"""One page per feed for people: who owns it, what its columns mean, what is checked, what happens to bad rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from core.contract import Column, Contract, Rule
from core.reasons import REASONS, STREAM_REASONS
from orchestration.derive.rendering import render


def pages(contracts: Iterable[Contract]) -> dict[str, str]:
    """File name → Markdown, and an index of all feeds."""
    feeds = list(contracts)
    texts = {f"{contract.id}.md": _page(contract) for contract in feeds}
    texts["README.md"] = render("feeds.md.jinja", contracts=feeds, duration=_duration)
    return texts


def reasons_of(contract: Contract) -> list[str]:
    """The reason codes that rows and files of a feed can get, in the order of the list."""
    columns, kind = contract.columns, contract.server.kind
    is_csv = kind == "files" and contract.server.file_format == "csv"
    has_transmission = contract.by_concept("transmitted_at") is not None
    applies = {
        "unknown_device": contract.is_stream and "register" in contract.server.options,
        "foreign_device": contract.is_stream and "register" in contract.server.options,
        "missing_key": True,
        "wrong_type": True,
        "out_of_range": any(c.minimum is not None or c.maximum is not None for c in columns),
        "unit_mismatch": any(c.unit_slips for c in columns),
        "duplicate": contract.snapshot == "incremental",
        "late": contract.event_time is not None and (has_transmission or contract.is_stream),
        "clock_wrong": contract.is_stream,
        "device_fault": any(c.fault_codes for c in columns),
        "future_time": contract.event_time is not None and not contract.is_stream,
        "wrong_time_zone": contract.event_time is not None and has_transmission and not contract.is_stream,
        "swapped_lat_lon": contract.by_concept("lon") is not None,
        "undeclared_datum": contract.is_register and contract.by_concept("lon") is not None,
        "unknown_area_code": any(c.code_list == "area" for c in columns),
        "retired_area_code": any(c.code_list == "area" for c in columns),
        "bad_check_digit": any(c.check_digit for c in columns),
        "invisible_character": True,
        "superseded": True,
        "truncated_file": kind != "sql",
        "empty_file": kind == "files",
        "extra_column": contract.drift_mode == "evolve",
        "missing_column": kind == "files",
        "unreadable_file": kind != "sql",
        "renamed_column": True,
        "resent_file": kind == "files",
        "column_order": is_csv,
        "mixed_encodings": is_csv,
        "projected": contract.server.file_format in ("gpkg", "geojson"),
        "total_row": contract.server.file_format in ("csv", "xlsx"),
    }
    return [reason for reason in REASONS if applies.get(reason, False)]


def _page(contract: Contract) -> str:
    words = {**REASONS, **(STREAM_REASONS if contract.is_stream else {})}
    return render(
        "feed.md.jinja",
        contract=contract,
        reasons=[(reason, *words[reason]) for reason in reasons_of(contract)],
        limits=_limits,
        rule=_rule,
        duration=_duration,
        cell=_cell,
        place=_place(contract),
    )


def _place(contract: Contract) -> str:
    """Where the feed comes from, with the environment variables that name it and none of their values."""
    server = contract.server
    match server.kind:
        case "sql":
            return f"SQL, `${{{server.options.get('urlEnv', '')}}}`, table `{contract.table}`"
        case "api":
            return f"HTTP, `{server.location}`"
        case "files":
            return f"files ({server.file_format}), `{server.location}`"
        case "stream":
            topic = f", topic `{server.location}`" if server.location else ""
            return f"pushed by devices: {server.dialect}, protocol {server.file_format}{topic}"


def _limits(column: Column) -> str:
    """What values are agreed, short enough for a table cell."""
    parts = []
    if column.minimum is not None or column.maximum is not None:
        low = "−∞" if column.minimum is None else f"{column.minimum:g}"
        high = "∞" if column.maximum is None else f"{column.maximum:g}"
        parts.append(f"{low} … {high}")
    if column.allowed:
        parts.append(", ".join(column.allowed))
    if column.pattern:
        parts.append(f"`{column.pattern}`")
    if column.code_list:
        parts.append(f"code list {column.code_list}")
    if column.check_digit:
        parts.append(f"check digit {column.check_digit}")
    return _cell("; ".join(parts))


def _rule(rule: Rule) -> str:
    return _cell(", ".join(f"{name} {value}" for name, value in rule.arguments.items()))


def _cell(text: str) -> str:
    """Text that cannot break a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
