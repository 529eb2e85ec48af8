"""What the page City today reads: the index now and over 30 days, what changed, and why.

Nothing is scored here. Why an index moved is told by `access.why_changed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from access.rights import Reader
from access.serving import Mart
from core.civil_time import CIVIL_ZONE as CIVIL_ZONE
from core.system import RISK_DOMAINS

DOMAINS = ("all", *RISK_DOMAINS)
TREND_DAYS = 30


@dataclass(frozen=True, slots=True)
class Edition:
    """Which data the reader looks at: the day that was scored, the newest fact in it, and the publication."""

    as_of_date: date | None
    last_observed_at: datetime | None
    published_at: datetime
    generation: str
    method_version: str | None


@dataclass(frozen=True, slots=True)
class Area:
    """One area of the index."""

    area_code: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class IndexToday:
    """One domain's index of one area with its change; changes are None when that day has no value."""

    domain: str
    index_value: float
    colour: str | None
    confidence: str | None
    change_1d: float | None
    change_7d: float | None


@dataclass(frozen=True, slots=True)
class AboveWorst:
    """An area whose index lies above the worst one below it, with the factor that differs most (None: it has none)."""

    area_name_zh: str
    area_name_en: str
    worst_value: float
    index_value: float
    factor_value: float
    worst_factor_value: float | None
    reason_zh: str
    reason_en: str


def edition(mart: Mart) -> Edition:
    """Data as of and generation time of an open generation."""
    scored = mart.row(
        "select as_of_date, max(method_version) as method_version from mart.risk_index"
        " group by as_of_date order by as_of_date desc limit 1"
    )
    observed = mart.row("select max(last_observed_at) as at from mart.feed_health")
    return Edition(
        as_of_date=scored["as_of_date"] if scored else None,
        last_observed_at=observed["at"] if observed else None,
        published_at=mart.published_at,
        generation=mart.generation.stem,
        method_version=scored["method_version"] if scored else None,
    )


def top_area(mart: Mart, reader: Reader) -> Area | None:
    """The highest area of the reader's branch that has an index: the city for city-wide readers."""
    found = mart.row(
        "select area_code, max(area_name_zh) as name_zh, max(area_name_en) as name_en from mart.risk_index"
        " where area_code like ? group by area_code"
        " order by length(regexp_replace(area_code, '(00)+$', '')), area_code limit 1",
        [reader.area_pattern],
    )
    return Area(**found) if found else None


def index_today(mart: Mart, reader: Reader, area_code: str) -> list[IndexToday]:
    """The newest index of an area, all domains in their fixed order; empty when the area has none."""
    frame = mart.frame(
        """
        with newest as (select max(as_of_date) as as_of_date from mart.risk_index)
        select today.domain, today.index_value, today.colour, today.confidence,
               today.index_value - yesterday.index_value as change_1d,
               today.index_value - week_ago.index_value as change_7d
        from mart.risk_index as today
        join newest using (as_of_date)
        left join mart.risk_index as yesterday
          on yesterday.area_code = today.area_code and yesterday.domain = today.domain
         and yesterday.as_of_date = today.as_of_date - 1
        left join mart.risk_index as week_ago
          on week_ago.area_code = today.area_code and week_ago.domain = today.domain
         and week_ago.as_of_date = today.as_of_date - 7
        where today.area_code = ? and today.area_code like ?
        """,
        [area_code, reader.area_pattern],
    )
    found = {row["domain"]: IndexToday(**row) for row in frame.iter_rows(named=True)}
    return [found[domain] for domain in DOMAINS if domain in found]


def trend(mart: Mart, reader: Reader, area_code: str, days: int = TREND_DAYS) -> pl.DataFrame:
    """The last `days` days of an area: as_of_date, domain, index_value, colour, confidence; oldest first."""
    return mart.frame(
        """
        select as_of_date, domain, index_value, colour, confidence from mart.risk_index
        where area_code = ? and area_code like ?
          and as_of_date > (select max(as_of_date) from mart.risk_index) - cast(? as integer)
        order by as_of_date, domain
        """,
        [area_code, reader.area_pattern, days],
    )


def area_ranking(mart: Mart, reader: Reader, domain: str, parent_code: str) -> pl.DataFrame:
    """Areas below `parent_code`, worst first: area_code, name_zh, name_en, index_value, colour, confidence, change_1d.

    Only the level right below (counties of a city), so that a county never stands beside its own streets.
    """
    return mart.frame(
        """
        with newest as (select max(as_of_date) as as_of_date from mart.risk_index),
        below as (select area_code from mart.area where parent_code = ?)
        select today.area_code, today.area_name_zh as name_zh, today.area_name_en as name_en, today.index_value,
               today.colour, today.confidence, today.index_value - yesterday.index_value as change_1d
        from mart.risk_index as today
        join newest using (as_of_date)
        join below using (area_code)
        left join mart.risk_index as yesterday
          on yesterday.area_code = today.area_code and yesterday.domain = today.domain
         and yesterday.as_of_date = today.as_of_date - 1
        where today.domain = ? and today.area_code like ?
        order by today.index_value desc, today.area_code
        """,
        [parent_code, domain, reader.area_pattern],
    )


def above_worst(mart: Mart, reader: Reader, domain: str, parent_code: str) -> AboveWorst | None:
    """Why the newest index of an area lies above all right below it: the factor that makes most of the difference.

    That may rightly be: people are counted over the whole city, and its worst objects come from several counties. None
    where it does not.
    """
    found = mart.row(
        """
        with newest as (
          select * from mart.risk_index
          where domain = $domain and area_code like $branch
            and as_of_date = (select max(as_of_date) from mart.risk_index)
        ),
        whole as (select * from newest where area_code = $parent),
        worst as (
          select newest.* from newest join mart.area as a using (area_code) where a.parent_code = $parent
          order by index_value desc, area_code limit 1
        ),
        factors as (select c.* from mart.risk_contribution as c join whole using (as_of_date, domain))
        select worst.area_name_zh, worst.area_name_en, worst.index_value as worst_value, whole.index_value,
               above.factor_value, below.factor_value as worst_factor_value, above.reason_zh, above.reason_en
        from whole cross join worst
        join factors as above on above.area_code = whole.area_code
        left join factors as below on below.area_code = worst.area_code and below.factor = above.factor
        where whole.index_value > worst.index_value
        order by above.contribution - coalesce(below.contribution, 0) desc, above.factor
        limit 1
        """,
        {"domain": domain, "branch": reader.area_pattern, "parent": parent_code},
    )
    return AboveWorst(**found) if found else None


def contributions(mart: Mart, reader: Reader, area_code: str, domain: str) -> pl.DataFrame:
    """What the newest index of an area is made of, heaviest first: factor, weight, factor_value, contribution, reasons.

    Heaviest is weight × factor value: contributions themselves are logarithms at or below zero, so the one nearest to
    zero may simply be the one that weighs nothing.
    """
    return mart.frame(
        """
        select factor, weight, factor_value, contribution, reason_zh, reason_en from mart.risk_contribution
        where area_code = ? and area_code like ? and domain = ?
          and as_of_date = (select max(as_of_date) from mart.risk_index)
        order by weight * factor_value desc, factor
        """,
        [area_code, reader.area_pattern, domain],
    )
