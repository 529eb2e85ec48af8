"""How much one person may keep quiet alone: what a silence or a maintenance window covers, and the limits on it.

Beyond the limits a second person decides (`alerting.workflow.requests`); beyond the longest time nobody can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import sqlalchemy as sa

from alerting.engine.rule import RuleSet
from alerting.engine.world import Asset, Registry
from alerting.lifecycle.alert import AlertBrief
from alerting.lifecycle.steps import ONGOING
from alerting.policy.labels import all_hold, labels_of, of_mapping
from alerting.workflow.records import BRIEFS
from core.area import is_within
from core.settings import Home
from core.store import tables

LOOKED_BACK_DAYS = 30
BACK_TO_BACK = timedelta(hours=1)  # a shorter pause between two silences is none
GATEWAY = "gateway_id"  # the column by which registers name it, and rules group by


@dataclass(frozen=True, slots=True)
class QuietLimits:
    """What one person may do alone, how long anything may be quiet at all, and how long a request waits."""

    alone: timedelta
    alone_alerts: int
    alone_devices: int
    longest: timedelta
    answer_within: timedelta


def limits_of(home: Home) -> QuietLimits:
    """The limits that a home's settings give. Raises SettingsError for one that is no whole number."""
    return QuietLimits(
        timedelta(hours=home.number("CITYRISK_QUIET_ALONE_H", 24)),
        home.number("CITYRISK_QUIET_ALONE_ALERTS", 20),
        home.number("CITYRISK_QUIET_ALONE_DEVICES", 50),
        timedelta(hours=home.number("CITYRISK_QUIET_LONGEST_H", 720)),
        timedelta(minutes=home.number("CITYRISK_REQUEST_ANSWER_MIN", 60)),
    )


@dataclass(frozen=True, slots=True)
class Coverage:
    """What quiet would reach: alerts that are open, those of the last days, and the things behind them.

    `is_wide`: a whole domain, rule, county or feed, however little of it is open at this moment.
    """

    n_open: int
    n_red: int
    n_recent: int
    n_objects: int
    n_devices: int
    is_wide: bool

    @property
    def description(self) -> tuple[str, str]:
        """In Chinese and in English."""
        return (
            f"覆盖未了结预警 {self.n_open} 条（红色 {self.n_red} 条），近 {LOOKED_BACK_DAYS} 天 {self.n_recent} 条，"
            f"对象 {self.n_objects} 个，设备 {self.n_devices} 台",
            f"covers {self.n_open} open alerts ({self.n_red} red), {self.n_recent} of the last {LOOKED_BACK_DAYS} days,"
            f" {self.n_objects} objects, {self.n_devices} devices",
        )


class TooLong(ValueError):
    """Nobody may keep anything quiet for so long."""


def beyond(coverage: Coverage, length: timedelta, limits: QuietLimits, *, before: timedelta = timedelta()) -> bool:
    """Whether a second person must approve it; `before` is quiet of the same that it goes on with.

    Raises TooLong for longer than anything may be quiet.
    """
    if length > limits.longest:
        found_h, longest_h = (span.total_seconds() / 3600 for span in (length, limits.longest))
        raise TooLong(
            f"{found_h:.0f} h found, expected at most {longest_h:.0f} h (CITYRISK_QUIET_LONGEST_H);"
            f" this one {coverage.description[1]}"
        )
    return (
        coverage.is_wide
        or length + before > limits.alone
        or coverage.n_open > limits.alone_alerts
        or max(coverage.n_objects, coverage.n_devices) > limits.alone_devices
    )


def covered_by_labels(engine: sa.Engine, wanted: Mapping[str, str], now: datetime) -> Coverage:
    """What a silence with these labels covers. Raises MatcherError for a label that there is not."""
    matchers = of_mapping(wanted)
    found = _alerts(engine, now, lambda row: all_hold(matchers, labels_of(row)))
    return _coverage(found, set(), set(), is_wide=is_wide(wanted))


def covered_by_target(
    engine: sa.Engine, ruleset: RuleSet, registry: Registry, kind: str, target: str, now: datetime
) -> Coverage:
    """What announced work on a device, object, area or feed covers; of a feed, `registry` holds its own devices."""
    if kind == "feed":
        rules = _rules_on(ruleset, target)
        found = _alerts(engine, now, lambda row: row.rule_id in rules)
        return _coverage(found, set(registry.objects), set(registry.devices), is_wide=True)
    if kind == "area":
        found = _alerts(engine, now, lambda row: is_within(row.area_code, target))
        objects = {key for key in registry.objects if _lies_in(registry, key, target)}
        devices = {key for key, one in registry.devices.items() if _lies_in(registry, one.object_id or key, target)}
        return _coverage(found, objects, devices, is_wide=len(target) <= 6)
    if kind == "device":
        found = _alerts(engine, now, lambda row: target in (row.device_id, row.object_id))
        return _coverage(found, set(), {target}, is_wide=False)
    devices = {key for key, one in registry.devices.items() if target in (one.object_id, _gateway(one))}
    found = _alerts(engine, now, lambda row: row.object_id == target or row.device_id in devices)
    return _coverage(found, {target}, devices, is_wide=False)


def is_wide(wanted: Mapping[str, str]) -> bool:
    """Whether labels name no single object or device: what else they reach is not known before it rings.

    >>> is_wide({"domain": "lifeline", "county": "420502"}), is_wide({"rule_id": "r", "object_id": "urban:w1"})
    (True, False)
    """
    return not {"object_id", "device_id"} & wanted.keys()


def quiet_before(
    engine: sa.Engine, wanted: Mapping[str, str], actor: str, starts_at: datetime, ends_at: datetime
) -> timedelta:
    """How much longer one person's own silences of the same labels, back to back or over one another, make this one."""
    s = tables.silence.c
    query = sa.select(s.matchers, s.starts_at, sa.func.coalesce(s.ended_at, s.ends_at).label("until"))
    with engine.connect() as connection:
        rows = connection.execute(
            query.where(s.actor == actor, s.ends_at > starts_at - timedelta(days=LOOKED_BACK_DAYS))
        ).all()
    spans = sorted((row.starts_at, row.until) for row in rows if orjson.loads(row.matchers) == dict(wanted))
    first, last = starts_at, ends_at
    for begin, end in (*reversed(spans), *spans):  # back from this one, then on
        if begin <= last + BACK_TO_BACK and end >= first - BACK_TO_BACK:
            first, last = min(first, begin), max(last, end)
    return (last - first) - (ends_at - starts_at)


def _alerts(engine: sa.Engine, now: datetime, is_meant: Callable[[AlertBrief], bool]) -> list[AlertBrief]:
    """Living alerts and those of the last days that are meant, with those that a group among them speaks for."""
    a = tables.alert.c
    recent = sa.or_(a.state.in_(ONGOING), a.known_at > now - timedelta(days=LOOKED_BACK_DAYS))
    with engine.connect() as connection:
        rows = BRIEFS.found(connection, BRIEFS.where(recent))
    found = [row for row in rows if is_meant(row)]
    groups = {row.object_id for row in found if row.object_id == row.passed_on_by}
    spoken_for = {row.alert_id for row in rows if row.passed_on_by in groups}  # a group tells of its devices
    return found + [row for row in rows if row.alert_id in spoken_for - {one.alert_id for one in found}]


def _coverage(rows: Iterable[AlertBrief], objects: set[str], devices: set[str], *, is_wide: bool) -> Coverage:
    found = list(rows)
    living = [row for row in found if row.state in ONGOING]
    return Coverage(
        len(living),
        sum(row.colour == "red" for row in living),
        len(found),
        len(objects | {row.object_id for row in found}),
        len(devices | {row.device_id for row in found if row.device_id}),
        is_wide,
    )


def _gateway(device: Asset) -> str:
    return f"{device.id.partition(':')[0]}:{device.attributes.get(GATEWAY)}"


def _lies_in(registry: Registry, asset_id: str, area_code: str) -> bool:
    found = registry.place(asset_id, asset_id)[2]
    return found is not None and is_within(found, area_code)


def _rules_on(ruleset: RuleSet, feed_id: str) -> set[str]:
    found = {rule.rule_id for rule in ruleset.rules if feed_id in rule.feeds}
    for rule in ruleset.rules * 2:  # a pond looks at items, items at points
        if set(rule.members) & found:
            found.add(rule.rule_id)
    return found
