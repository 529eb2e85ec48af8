"""A device whose clock runs in UTC while its times are labelled Beijing time."""

from datetime import timedelta
from typing import Any

import polars as pl

from city.clock import Span
from city.streams import Streams
from city.table import SourceTable
from city.truth import Truth

_FIRST_HOUR, _HOURS, _PAGE_ROWS = 2, 18, 2000


def plant_wrong_zone(table: SourceTable, truth: Truth, span: Span, streams: Streams) -> None:
    """Add a newly set up device that reports for one day, every event time 8 h early, transmission times right.

    It has no other rows, and its day is chosen so that they fall into one page of a full pull where a day allows it: a
    client that looks at one payload at a time can see the shift.
    """
    rng = streams.get(f"zone.{table.feed_id}")
    event, sent, device = str(table.event), str(table.sent), table.key[0]
    template = _template(table)
    name = f"{template[device][:-4]}9{int(rng.integers(100, 1000))}"
    days = rng.permutation(span.days).tolist()
    start = span.start + timedelta(days=next((d for d in days if _one_page(table, span, d)), days[0]))
    top = max(table.frame["_uid"].to_list())
    rows = []
    for step in range(_HOURS):
        true_time = start + timedelta(hours=_FIRST_HOUR + step)
        shifted = {device: name, event: true_time - timedelta(hours=8), sent: true_time + timedelta(seconds=75 + step)}
        rows.append({**template, **shifted, "_uid": top + 1 + step, "_order": float(top + 1 + step)})
    table.frame = pl.concat([table.frame, pl.DataFrame(rows, schema=table.frame.schema)])
    table.sorted()
    first = start + timedelta(hours=_FIRST_HOUR)
    ref = f"device|{name}|{first:%Y-%m-%d}"
    truth.defect("wrong_time_zone", "batch", table.feed_id, ref, object_id=name, at=start, n_rows=_HOURS)


def _template(table: SourceTable) -> dict[str, Any]:
    """A good row to copy measurements from."""
    good = table.frame.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in table.key))
    return good.row(good.height // 2, named=True)


def _one_page(table: SourceTable, span: Span, day: int) -> bool:
    """Whether rows sent in the hours of this day lie within one page of a full pull."""
    begin = span.start + timedelta(days=day, hours=_FIRST_HOUR)
    sent = table.frame[str(table.sent)]
    first = int((sent < begin).sum())
    last = int((sent < begin + timedelta(hours=_HOURS)).sum()) + _HOURS
    return first // _PAGE_ROWS == last // _PAGE_ROWS
