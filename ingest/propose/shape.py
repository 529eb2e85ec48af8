"""What a row of the sample is: its key, what kind of thing it describes, how often it comes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations

import polars as pl

from core.contract import ENTITY_CONCEPTS, PLACE_CONCEPTS
from ingest.propose.guess import Guess

_LASTING_TIME = re.compile(r"更新|修改|安装|建成|检验|登记|updat|modif|install|built|inspect", re.IGNORECASE)
_SENT_TIME = re.compile(r"上报|上传|接收|入库|transmit|upload|recv|receiv|import|submit", re.IGNORECASE)
# A time by which something must be done is no time at which it happened.
_DEADLINE = re.compile(
    r"期限|限期|截止|到期|有效期|计划|应于|下次|deadline|due|expir|valid_(to|until)|next_|plan", re.IGNORECASE
)
_INSPECTION = re.compile(r"检查|巡查|巡检|检测|检验|隐患|整改|inspect|patrol|finding|rectif", re.IGNORECASE)
_DEVICE = re.compile(r"设备|传感器|测点|终端|探测器|监测站|站号|sensor|device|detector|station|terminal", re.IGNORECASE)
# Headers of inspections → concept; the first that fits takes it.
_INSPECTION_CONCEPTS = (
    ("rectified_at", re.compile(r"整改完成|整改时间|闭环时间|rectified", re.IGNORECASE)),
    ("due_on", _DEADLINE),
    ("findings", re.compile(r"隐患描述|问题|存在|findings?", re.IGNORECASE)),
    ("result", re.compile(r"结果|结论|评定|result|conclusion", re.IGNORECASE)),
    ("item", re.compile(r"项目|检查项|内容|item", re.IGNORECASE)),
)
_FIXED_CONCEPTS = {
    "lon": "lon",
    "lat": "lat",
    "geometry_wkt": "geometry_wkt",
    "area_code": "area_code",
    "credit_code": "credit_code",
    "name_zh": "name_zh",
    "enterprise_name": "enterprise_name",
    "address": "address",
    "status": "status",
    "grade": "grade",
    "people": "people",
    "built_on": "built_on",
    "installed_on": "installed_on",
    "updated_at": "updated_at",
    "transmitted_at": "transmitted_at",
}

_IDENTITY = {
    "reading": "device_id",
    "event": "event_id",
    "object": "object_id",
    "device": "device_id",
    "inspection": "object_id",
}


@dataclass
class Shape:
    """What is proposed about rows as a whole."""

    key: list[str]
    entity: str | None
    concepts: Mapping[str, str] = field(default_factory=dict)  # our column name → concept
    cadence: timedelta = timedelta(days=1)
    reasons: list[str] = field(default_factory=list)

    @property
    def is_register(self) -> bool:
        """Whether rows are things that last and not moments."""
        return self.entity in (None, "object", "device")


def find_shape(guesses: Sequence[Guess], frame: pl.DataFrame) -> Shape:
    """The shape of a sample whose columns were guessed."""
    texts = frame.rename({guess.physical_name: guess.name for guess in guesses})
    times = [g for g in guesses if g.role == "time" and g.logical_type == "timestamp"]
    times += [g for g in guesses if g.role == "time" and g.logical_type == "date"]
    happened = [
        g
        for g in times
        if not (_LASTING_TIME.search(g.physical_name) and not _is_inspection(guesses))
        and not _SENT_TIME.search(g.physical_name)
        and not _DEADLINE.search(g.physical_name)
    ]
    key, why_key = _key(guesses, texts, happened)
    shape = Shape(key, None, reasons=[why_key])
    event_time = next((g for g in happened if g.name in shape.key), happened[0] if happened else None)
    shape.entity = _entity(guesses, shape, event_time)
    shape.concepts = _concepts(guesses, shape, event_time)
    if shape.entity == "reading" and event_time is not None:
        usual = _cadence(event_time, shape, texts)
        shape.cadence = usual or shape.cadence
        why = f"the usual step of {event_time.name}" if usual else "a guess: no two rows of one key in the sample"
        shape.reasons.append(f"cadence: {shape.cadence / timedelta(minutes=1):g} min, {why}; CHECK with the department")
    else:
        shape.reasons.append("cadence: a day is a guess; CHECK with the department")
    return shape


def _key(guesses: Sequence[Guess], texts: pl.DataFrame, times: Sequence[Guess]) -> tuple[list[str], str]:
    """The fewest columns, identifiers before times before words, that tell all rows apart; and why."""
    order = {"id": 0, "time": 1, "area": 3, "person": 4}
    fit = [
        g for g in guesses if g.n_missing == 0 and g.role not in ("measure", "lon", "lat", "geometry") and not g.mask
    ]
    ranked = sorted(fit, key=lambda g: (order.get(g.role, 2), g.role == "time" and g not in times))[:8]
    has_id = any(g.role == "id" for g in ranked)
    for size in (1, 2, 3):
        for chosen in combinations(ranked, size):
            names = [g.name for g in chosen]
            if has_id and all(g.role == "time" for g in chosen):
                continue  # moments of different things may coincide tomorrow
            if texts.select(names).n_unique() == texts.height:
                names.sort(key=lambda name: any(name == g.name for g in times))
                return names, f"key: {' with '.join(names)} tells all {texts.height} rows of the sample apart"
    lasting = [g.name for g in ranked if g.role == "id"][:1] + [g.name for g in ranked if g in times][:1]
    names = lasting or [ranked[0].name if ranked else guesses[0].name]
    n_rows = texts.height - texts.select(names).n_unique()
    return (
        names,
        f"key: {' with '.join(names)}, though {n_rows} rows of the sample repeat it; CHECK what tells rows apart",
    )


def _entity(guesses: Sequence[Guess], shape: Shape, event_time: Guess | None) -> str | None:
    key_roles = {g.role for g in guesses if g.name in shape.key}
    measures = [g.name for g in guesses if g.role == "measure"]
    if event_time is not None and _is_inspection(guesses):
        shape.reasons.append(f"entity inspection: headers speak of inspections, each at a moment ({event_time.name})")
        return "inspection"
    if event_time is not None and event_time.name in shape.key and measures:
        shape.reasons.append(f"entity reading: {event_time.name} is in the key, beside {len(measures)} amounts")
        return "reading"
    if event_time is not None and ("id" in key_roles or event_time.name in shape.key):
        shape.reasons.append(f"entity event: each row has a number and a moment ({event_time.name})")
        return "event"
    named = next((g.physical_name for g in guesses if g.name in shape.key), "")
    if _DEVICE.search(named):
        shape.reasons.append(f"entity device: rows have no moment, and {named} names a device")
        return "device"
    shape.reasons.append("entity object: rows have no moment at which they happened, so they are things that last")
    return "object"


def _concepts(guesses: Sequence[Guess], shape: Shape, event_time: Guess | None) -> dict[str, str]:
    """Which column fills which concept of the unified model; each concept once."""
    if shape.entity is None:
        return {}
    known = (*ENTITY_CONCEPTS[shape.entity], *sorted(PLACE_CONCEPTS - set(ENTITY_CONCEPTS[shape.entity])))
    first = _IDENTITY[shape.entity]
    moment = {"reading": "observed_at", "event": "occurred_at", "inspection": "inspected_at"}.get(shape.entity)
    shape.reasons.append(f"concepts that a column of {shape.entity} may fill: {', '.join(known)}")
    found: dict[str, str] = {}
    identity = next((name for name in shape.key if event_time is None or name != event_time.name), None)
    if identity:
        found[identity] = first
    else:
        shape.reasons.append(f"CHECK: no column fills {first}; a feed of one device needs one that names it")
    if event_time is not None and moment:
        found[event_time.name] = moment
    for guess in guesses:
        concept = _FIXED_CONCEPTS.get(guess.name)
        if shape.entity == "inspection":
            named = (name for name, header in _INSPECTION_CONCEPTS if header.search(guess.physical_name))
            concept = next((name for name in named if name not in found.values()), concept)
        if guess.role == "time" and _SENT_TIME.search(guess.physical_name):
            concept = "transmitted_at"
        if concept in known and concept not in found.values() and guess.name not in found and not guess.mask:
            found[guess.name] = concept
    return found


def _is_inspection(guesses: Sequence[Guess]) -> bool:
    """Whether two headers at least speak of inspections: one alone may be the date of a register's last one."""
    return sum(bool(_INSPECTION.search(g.physical_name)) for g in guesses) >= 2


def _cadence(event_time: Guess, shape: Shape, texts: pl.DataFrame) -> timedelta | None:
    """The usual gap between two moments of one key; None when the sample has no pair of them."""
    others = [name for name in shape.key if name != event_time.name]
    moments = [_moment(text, event_time.formats) for text in texts[event_time.name].to_list()]
    at = pl.Series("_at", moments, dtype=pl.Datetime("us", "UTC"))
    table = texts.select(others).hstack([at]) if others else at.to_frame()
    table = table.drop_nulls("_at")
    gap = pl.col("_at").diff().over(others) if others else pl.col("_at").diff()
    gaps = table.sort("_at").select(gap.alias("gap")).filter(pl.col("gap") > timedelta(0))["gap"]
    usual = gaps.median() if len(gaps) else None
    return usual if isinstance(usual, timedelta) and usual >= timedelta(minutes=1) else None


def _moment(text: str | None, formats: Sequence[str]) -> datetime | None:
    for form in formats if text else ():
        try:
            if form.startswith("epoch"):
                return datetime.fromtimestamp(int(text or "") / (1 if form == "epoch_s" else 1000), UTC)
            moment = datetime.strptime((text or "").strip(), form)  # noqa: DTZ007 -- only gaps matter
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
