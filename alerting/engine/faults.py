"""Devices that say of themselves that they are broken: by a code of the contract, or in their quality field.

That is no danger and ends none. A rule of kind `fault` opens when a device says so for as long as it holds, one episode
a device, and ends when the device speaks sensibly again. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alerting.engine.marks import FAULT_FLAG, FLAGS, Received
from alerting.engine.world import FeedShape

FAULT = "fault"  # the word of a quality field
AT_WORK = frozenset({"maintenance", "calibration"})  # whoever works on a device knows what it says
COLUMN = "device_fault"  # the metric of rules of this kind


def any_fault(shape: FeedShape, columns: Mapping[str, Sequence[Any]]) -> bool:
    """Whether some row may call its device broken: nearly no batch has one, and the others need no look at each row."""
    quality, flags = columns.get(shape.quality or ""), columns.get(FLAGS)
    return (quality is not None and FAULT in quality) or any(FAULT_FLAG in text for text in flags or () if text)


def with_faults(shape: FeedShape, columns: Mapping[str, Sequence[Any]], received: int) -> Mapping[str, Sequence[Any]]:
    """The columns with one that says whether a device calls itself broken; of the past it says nothing."""
    receipts, quality = Received(columns, received), columns.get(shape.quality or "")
    found: list[bool | None] = []
    for i in range(len(next(iter(columns.values()), ()))):
        marks = receipts.marks(i)
        says = bool(marks.faulty) or (quality is not None and quality[i] == FAULT)
        found.append(None if marks.is_late else says)
    return {**columns, COLUMN: found}
