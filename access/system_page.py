"""What the page of one system reads of the published generation: its objects, devices, readings and share of the index.

Every list is counted and cut in the query, so that seven thousand objects cost as much as fifty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from access.rights import Reader
from access.serving import Mart
from access.systems import CitySystem
from core.severity import WORST_FIRST

ROWS_A_PAGE = 20
DEVICE_STATES = ("faulty", "silent", "online")  # worst first
FACTORS = ("hazard", "exposure", "vulnerability", "lack_of_capacity")
_WORST_FIRST = f"array_position({list(WORST_FIRST)}, o.residual_colour) nulls last, o.score desc nulls last"


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object of the register. Its reasons say why it has no score or no area."""

    object_id: str
    name_zh: str
    area_name_zh: str | None
    area_name_en: str | None
    residual_colour: str | None
    score: float | None
    hazard_zh: str | None
    hazard_en: str | None
    reason_zh: str | None
    reason_en: str | None
    devices: int
    devices_online: int
    last_observed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device: what it stands at, what it measures, whether it reports."""

    device_id: str
    name_zh: str | None
    object_name_zh: str | None
    metrics: tuple[str, ...]
    status: str
    last_observed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DevicePlace:
    """Where a device stands."""

    device_id: str
    name_zh: str
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """One page of objects, and how many the filter matched."""

    rows: tuple[ObjectRow, ...]
    n_matching: int


@dataclass(frozen=True, slots=True)
class DevicePage:
    """One page of devices, and how many the filter matched."""

    rows: tuple[DeviceRow, ...]
    n_matching: int


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of a quantity over all devices that measured it."""

    hour: datetime
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """Hours of a quantity, oldest first; the last hour in which it was measured at all, and by how many devices."""

    hours: tuple[Hour, ...]
    last_hour: datetime | None
    devices: int


@dataclass(frozen=True, slots=True)
class HazardUnit:
    """One major hazard installation with S, R and its grade (1 worst); no grade where S is below 1."""

    unit_id: str
    name_zh: str
    grade: int | None
    s_value: float | None
    r_value: float | None
    exposed_people: int | None


@dataclass(frozen=True, slots=True)
class FactorDay:
    """One factor of the system's subdomain on one day, as the index has it."""

    as_of_date: date
    factor: str
    weight: float
    factor_value: float
    contribution: float
    reason_zh: str
    reason_en: str


def object_counts(mart: Mart, reader: Reader, system: CitySystem) -> Mapping[str | None, int]:
    """Number of objects by residual colour."""
    where, parameters = _objects_of(reader, system)
    frame = mart.frame(
        f"select o.residual_colour, count(*) as n from mart.risk_object as o where {where} group by 1", parameters
    )
    return dict(frame.iter_rows())


def object_page(
    mart: Mart,
    reader: Reader,
    system: CitySystem,
    text: str = "",
    colours: Sequence[str] | None = None,
    page: int = 0,
    limit: int = ROWS_A_PAGE,
) -> ObjectPage:
    """Objects, worst first. `text` is looked for in names and ids; `colours` may hold `none`, None takes all."""
    where, parameters = _objects_of(reader, system)
    if text.strip():
        where += " and (contains(lower(o.name_zh), lower($text)) or contains(lower(o.object_id), lower($text)))"
        parameters["text"] = text.strip()
    if colours is not None:
        where += " and list_contains($colours, coalesce(o.residual_colour, 'none'))"
        parameters["colours"] = list(colours)
    counted = mart.row(f"select count(*) as n from mart.risk_object as o where {where}", parameters)
    frame = mart.frame(
        f"""
        with chosen as (
          select o.* from mart.risk_object as o where {where}
          order by {_WORST_FIRST}, o.object_id limit {int(limit)} offset {int(page) * int(limit)}
        ),
        watched as (
          select object_id, count(*) as devices, count(*) filter (where status = 'online') as devices_online,
                 max(last_observed_at) as last_observed_at
          from mart.device where object_id in (select object_id from chosen) group by object_id
        )
        select o.object_id, coalesce(o.name_zh, o.object_id) as name_zh, a.name_zh as area_name_zh,
               a.name_en as area_name_en, o.residual_colour, o.score, {_known(mart, "risk_object", "hazard_zh")},
               {_known(mart, "risk_object", "hazard_en")},
               coalesce(o.unscored_reason_zh, o.area_reason_zh) as reason_zh,
               coalesce(o.unscored_reason_en, o.area_reason_en) as reason_en,
               coalesce(w.devices, 0) as devices, coalesce(w.devices_online, 0) as devices_online, w.last_observed_at
        from chosen as o
        left join mart.area as a on a.area_code = left(o.area_code, 6)
        left join watched as w using (object_id)
        order by {_WORST_FIRST}, o.object_id
        """,
        parameters,
    )
    return ObjectPage(tuple(ObjectRow(**row) for row in frame.iter_rows(named=True)), counted["n"] if counted else 0)


def device_counts(mart: Mart, reader: Reader, system: CitySystem) -> Mapping[str, int]:
    """Number of devices by status; nothing for a system without devices."""
    where, parameters = _devices_of(mart, reader, system)
    frame = mart.frame(f"select d.status, count(*) as n from mart.device as d where {where} group by 1", parameters)
    return dict(frame.iter_rows())


def device_page(
    mart: Mart,
    reader: Reader,
    system: CitySystem,
    text: str = "",
    statuses: Sequence[str] | None = None,
    page: int = 0,
    limit: int = ROWS_A_PAGE,
) -> DevicePage:
    """Devices, those that do not report first. `text` is looked for in ids and names of device and object."""
    where, parameters = _devices_of(mart, reader, system)
    if text.strip():
        where += (
            " and (contains(lower(d.device_id), lower($text)) or contains(lower(coalesce(d.name_zh, '')), lower($text))"
            " or contains(lower(coalesce(o.name_zh, '')), lower($text)))"
        )
        parameters["text"] = text.strip()
    if statuses is not None:
        where += " and list_contains($statuses, d.status)"
        parameters["statuses"] = list(statuses)
    joined = "mart.device as d left join mart.risk_object as o using (object_id)"
    counted = mart.row(f"select count(*) as n from {joined} where {where}", parameters)
    frame = mart.frame(
        f"""
        select d.device_id, d.name_zh, o.name_zh as object_name_zh, coalesce(d.metric_list, '') as metric_list,
               d.status, d.last_observed_at
        from {joined} where {where}
        order by array_position(['faulty', 'silent', 'online'], d.status), d.last_observed_at nulls first, d.device_id
        limit {int(limit)} offset {int(page) * int(limit)}
        """,
        parameters,
    )
    rows = tuple(
        DeviceRow(id, name, place, tuple(filter(None, metrics.split(","))), status, at)
        for id, name, place, metrics, status, at in frame.iter_rows()
    )
    return DevicePage(rows, counted["n"] if counted else 0)


def device_places(mart: Mart, reader: Reader, system: CitySystem, limit: int) -> tuple[DevicePlace, ...]:
    """Where devices stand, at most `limit` of them."""
    where, parameters = _devices_of(mart, reader, system)
    frame = mart.frame(
        f"select d.device_id, coalesce(d.name_zh, d.device_id) as name_zh, d.lon, d.lat from mart.device as d"
        f" where {where} and d.lon is not null and d.lat is not null order by d.device_id limit {int(limit)}",
        parameters,
    )
    return tuple(DevicePlace(**row) for row in frame.iter_rows(named=True))


def trend(mart: Mart, reader: Reader, system: CitySystem, metric: str, span: timedelta, now: datetime) -> Trend:
    """A quantity by hour over the system's devices, for `span` up to `now`: what is missing at its end is missing."""
    feeds = {f"feed{n}": feed_id for n, feed_id in enumerate(system.feed_ids)}  # a list would be joined, not filtered
    parameters: dict[str, Any] = {**feeds, "metric": metric}
    where = f"r.metric = $metric and r.feed_id in ({', '.join(f'${name}' for name in feeds) or 'null'})"
    if reader.area_code is not None:
        where += " and r.device_id in (select device_id from mart.device where coalesce(area_code, '') like $branch)"
        parameters["branch"] = reader.area_pattern
    frame = mart.frame(
        f"""
        select r.hour, avg(r.mean_value) as mean, min(r.min_value) as low, max(r.max_value) as high
        from mart.reading_hourly as r where {where} and r.hour > $since and r.hour <= $now
        group by r.hour order by r.hour
        """,
        {**parameters, "since": now - span, "now": now},
    )
    hours = tuple(Hour(**row) for row in frame.iter_rows(named=True))
    last: datetime | None = hours[-1].hour if hours else None
    if last is None:
        newest = mart.row(f"select max(r.hour) as hour from mart.reading_hourly as r where {where}", parameters)
        last = newest["hour"] if newest else None
    counted = mart.row(
        f"select count(distinct r.device_id) as n from mart.reading_hourly as r where {where} and r.hour = $last",
        {**parameters, "last": last},
    )
    return Trend(hours, last, counted["n"] if counted else 0)


def index_factors(mart: Mart, reader: Reader, system: CitySystem, area_code: str, days: int) -> tuple[FactorDay, ...]:
    """What the system's subdomain brings into the index of an area, oldest day first; of the city by its own domain."""
    frame = mart.frame(
        """
        select as_of_date, split_part(factor, '.', 2) as factor, weight, factor_value, contribution, reason_zh,
               reason_en
        from mart.risk_contribution
        where area_code = $area and area_code like $branch and domain = $domain and split_part(factor, '.', 1) = $kind
          and as_of_date > (select max(as_of_date) from mart.risk_index) - cast($days as integer)
        order by as_of_date, factor
        """,
        {
            "area": area_code,
            "branch": reader.area_pattern,
            "domain": system.domain,
            "kind": system.subdomain,
            "days": days,
        },
    )
    return tuple(FactorDay(**row) for row in frame.iter_rows(named=True))


def hazard_units(mart: Mart, reader: Reader, limit: int = 200) -> tuple[HazardUnit, ...]:
    """Major hazard installations, the worst grade first, at most `limit`."""
    frame = mart.frame(
        f"""
        select h.unit_id, coalesce(o.name_zh, h.unit_id) as name_zh, h.grade, h.s_value, h.r_value, h.exposed_people
        from mart.major_hazard as h left join mart.risk_object as o on o.object_id = h.unit_id
        where coalesce(o.area_code, '') like $branch
        order by h.grade nulls last, h.r_value desc nulls last, h.unit_id limit {int(limit)}
        """,
        {"branch": reader.area_pattern},
    )
    return tuple(HazardUnit(**row) for row in frame.iter_rows(named=True))


def _objects_of(reader: Reader, system: CitySystem) -> tuple[str, dict[str, Any]]:
    where = (
        "o.domain = $domain and o.subdomain = $kind and list_contains($types, o.object_type)"
        " and coalesce(o.area_code, '') like $branch"
    )
    parameters = {
        "domain": system.domain,
        "kind": system.subdomain,
        "types": list(system.object_types),
        "branch": reader.area_pattern,
    }
    return where, parameters


def _devices_of(mart: Mart, reader: Reader, system: CitySystem) -> tuple[str, dict[str, Any]]:
    """Devices that a register of the system lists or a reading of it names."""
    parameters: dict[str, Any] = {"branch": reader.area_pattern}
    if "feed_id" in _columns(mart, "device"):
        parameters["feeds"] = list(system.feed_ids)
        return "list_contains($feeds, d.feed_id) and coalesce(d.area_code, '') like $branch", parameters
    # A generation of before does not say where a device is listed.
    parameters |= {"domain": system.domain, "kind": system.subdomain, "is_there": system.has_devices}
    where = "$is_there and d.domain = $domain and d.subdomain = $kind and coalesce(d.area_code, '') like $branch"
    return where, parameters


def _known(mart: Mart, table: str, column: str) -> str:
    """The column, or nothing where a generation of before has none."""
    return f"o.{column}" if column in _columns(mart, table) else f"null as {column}"


def _columns(mart: Mart, table: str) -> set[str]:
    return set(mart.frame(f"select * from mart.{table} limit 0").columns)
