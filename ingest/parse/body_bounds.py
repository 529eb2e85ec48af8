"""How much one JSON body of a device may hold: its nesting, its names and its records.

A megabyte of brackets or of names that occur once costs seconds and gigabytes further on. Size is bounded before, by
what RAW carries. Not here: files and answers of services (`ingest.parse.records`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ingest.parse.lenient_json import has_many_digits

MOST_DEPTH = 32
MOST_NAMES = 1_000
MOST_RECORDS = 50_000
BOUNDS = f"at most {MOST_RECORDS} records, {MOST_NAMES} names and {MOST_DEPTH} levels"


@dataclass(frozen=True, slots=True)
class Glance:
    """What one look at the bodies of a tick shows of each: a look at every small body costs more than reading it."""

    has_many_digits: bool  # one may hold a number that the fast reader rounds
    is_flat: bool  # each is within the bounds
    is_plain: bool  # printable ASCII alone, in texts too


def glance(bodies: Sequence[bytes]) -> Glance:
    """Look at all bodies at once; True and False are certain for `is_flat` and `is_plain` only where True."""
    joined = b"\x00".join(bodies)
    # Each opens with the only brace that it can have, when there are as many braces as bodies.
    is_one_deep = b"[" not in joined and joined.count(b"{") == sum(body.startswith(b"{") for body in bodies) == len(
        bodies
    )
    is_small = max(map(len, bodies), default=0) <= MOST_NAMES
    is_plain = joined.isascii() and b"\\" not in joined and b"\x7f" not in joined
    return Glance(has_many_digits(joined), is_small and is_one_deep, is_plain)


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
