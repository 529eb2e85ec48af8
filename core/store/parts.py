"""Values of one statement in parts: engines limit how many parameters they take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

MOST_VALUES = 500  # below every engine's limit of bound parameters

Value = TypeVar("Value")


def in_parts(values: Iterable[Value], most: int = MOST_VALUES) -> Iterator[Sequence[Value]]:
    """The values in their order, at most so many at a time; nothing for none.

    >>> [list(part) for part in in_parts(range(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    whole = values if isinstance(values, Sequence) else list(values)
    for start in range(0, len(whole), most):
        yield whole[start : start + most]
