"""Many row places as one short text: numbered ones as runs, the others as they are.

A delivery of 300,000 rows that are refused for one reason must not become 300,000 rows of the ops store.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

_NUMBERED = re.compile(r"(.*?)(0|[1-9]\d{0,14})", re.DOTALL)


def pack_places(places: Iterable[str]) -> str:
    """JSON: a text for a place, `[before, first, last]` for places that count up.

    >>> pack_places(["#7", "#8", "#9", "42|A"])
    '[["#",7,9],"42|A"]'
    """
    packed: list[str | list[str | int]] = []
    for place in places:
        numbered = _NUMBERED.fullmatch(place)
        if numbered is None:
            packed.append(place)
            continue
        before, number = numbered[1], int(numbered[2])
        last = packed[-1] if packed else None
        if isinstance(last, list) and last[0] == before and last[2] == number - 1:
            last[2] = number
        else:
            packed.append([before, number, number])
    return json.dumps(packed, ensure_ascii=False, separators=(",", ":"))


def unpack_places(text: str) -> Iterator[str]:
    """The places of a packed text, in their order.

    >>> list(unpack_places('[["#",7,9],"42|A"]'))
    ['#7', '#8', '#9', '42|A']
    """
    for item in json.loads(text):
        if isinstance(item, str):
            yield item
        else:
            before, first, last = item
            yield from (f"{before}{number}" for number in range(first, last + 1))
