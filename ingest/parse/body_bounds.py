"""How much one JSON body of a device may hold: its nesting, its names and its records.

A megabyte of brackets or of names that occur once costs seconds and gigabytes further on. Size is bounded before, by
what RAW carries. Not here: files and answers of services (`ingest.parse.records`).
"""

from __future__ import annotations

from typing import Any

MOST_DEPTH = 32
MOST_NAMES = 1_000
MOST_RECORDS = 50_000
BOUNDS = f"at most {MOST_RECORDS} records, {MOST_NAMES} names and {MOST_DEPTH} levels"


def beyond_bounds(body: bytes, document: Any) -> str | None:
    """What a body has too much of, None for one within its bounds; nearly all are known so by counting signs."""
    opened = body.count(b"{") + body.count(b"[")
    if opened <= MOST_DEPTH and body.count(b":") <= MOST_NAMES:
        return None
    records = document if type(document) is list else [document]
    if len(records) > MOST_RECORDS:
        return f"{len(records)} records"
    names: set[str] = set()
    nested: list[tuple[Any, int]] = []
    for record in records:
        if type(record) is dict:
            names.update(record)
            nested += [(value, 3) for value in record.values() if type(value) in (dict, list)]
        elif type(record) is list:
            nested.append((record, 2))
    while nested:
        value, depth = nested.pop()
        if depth > MOST_DEPTH:
            return f"more than {MOST_DEPTH} levels"
        if type(value) is dict:
            names.update(value)
            if len(names) > MOST_NAMES:
                break
        members = value.values() if type(value) is dict else value
        nested += [(member, depth + 1) for member in members if type(member) in (dict, list)]
    return f"more than {MOST_NAMES} names" if len(names) > MOST_NAMES else None
