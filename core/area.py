"""Area codes of GB/T 2260 and of the statistical bureau: which lie in which.

Two digits name the province, four the city, six the county, nine the street or town, twelve the community or village;
a code may be filled up with zeros to six or to twelve digits. Not here: names and polygons (`core.boundaries`).
"""

from __future__ import annotations

from itertools import pairwise

_ENDS = (12, 9, 6, 4, 2)  # digits up to which a code of each level is its own


def branch_of(area_code: str) -> str:
    """What the codes of an area and of everything below it begin with: the code without what fills it up.

    >>> [branch_of(code) for code in ("420500", "420502", "420502001", "420502001000", "420502001200")]
    ['4205', '420502', '420502001', '420502001', '420502001200']
    """
    code = area_code
    for longer, shorter in pairwise(_ENDS):
        if len(code) == longer and not code[shorter:].strip("0"):
            code = code[:shorter]
    return code


def is_within(area_code: str, other: str) -> bool:
    """Whether an area is another one or lies in it.

    >>> is_within("420502", "420500"), is_within("420502001201", "420502001200")
    (True, False)
    """
    return branch_of(area_code).startswith(branch_of(other))


def county_of(area_code: str) -> str:
    """The county of an area; of a city or a province the code itself."""
    return area_code[:6]
