"""Daily inspections of fire units, and what was put right after them."""

import numpy as np
import polars as pl

from city import naming
from city.clock import Span
from city.streams import Streams
from city.table import SourceTable

_ITEMS = np.array(["疏散通道", "灭火器", "消火栓", "报警系统", "用电安全", "动火作业"])


def inspections(register: SourceTable, span: Span, streams: Streams) -> SourceTable:
    """About one a unit and day, fewer at weekends; a failed one is put right within a day or stays open."""
    rng = streams.get("fire.inspection")
    units = register.frame["dwbm"].to_numpy()
    days = span.dates
    weekend = (days.astype(int) + 3) % 7 >= 5
    done = rng.random((len(units), len(days))) < np.where(weekend, 0.62, 0.96)
    unit, day = np.nonzero(done)
    m = len(unit)
    at = days[day].astype("datetime64[us]") + rng.integers(8 * 3600, 17 * 3600, m).astype("timedelta64[s]")
    entered = at + rng.integers(300, 5 * 3600, m).astype("timedelta64[s]")
    careless = rng.beta(1.2, 14, len(units))
    failed = rng.random(m) < careless[unit]
    put_right = at + rng.integers(1800, 20 * 3600, m).astype("timedelta64[s]")
    rectified = failed & (rng.random(m) < 0.8) & (put_right < np.datetime64(span.end, "us") - np.timedelta64(3600, "s"))
    entered = np.where(rectified, np.maximum(entered, put_right + np.timedelta64(600, "s")), entered)
    due = days[day] + rng.choice([3, 7, 15], m)
    order = np.argsort(entered, kind="stable")
    order = order[span.holds(at, entered)[order]]
    failed, m = failed[order], len(order)
    names = np.array(naming.people(len(units), rng))
    frame = pl.DataFrame(
        {
            "xcbh": [f"XC{i:08d}" for i in range(1, m + 1)],
            "dwbm": units[unit][order],
            "xcsj": at[order],
            "xcxm": rng.choice(_ITEMS, m, p=[0.25, 0.2, 0.17, 0.16, 0.17, 0.05]),
            "xcjg": np.where(failed, "不合格", "合格"),
            "yhs": np.where(failed, rng.integers(1, 6, m), 0),
            "zgsj": pl.Series(np.where(rectified, put_right, np.datetime64("NaT"))[order]),
            "zgqx": pl.Series(np.where(failed, due[order], np.datetime64("NaT"))).cast(pl.Date),
            "xcr": names[unit][order],
            "lrsj": entered[order],
        }
    )
    return SourceTable("fire.inspection", frame, ("xcbh",), "dwbm", "xcsj", "lrsj")
