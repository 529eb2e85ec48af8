"""City today: the index of the city and its domains, 30 days of it, the counties, what changed and why."""

from __future__ import annotations

from datetime import timedelta
from html import escape

import polars as pl
import streamlit as st

from access import city, serving
from access.why_changed import Difference, why_changed
from dashboards import address, charts, look
from dashboards.frame import BEIJING, Scene, edition_words, title_line, warn_when_stale

_TOP = 6
_LEAST_POINTS = 0.005  # less would be shown as 0.00


def draw(scene: Scene, mart: serving.Mart) -> None:
    """The page."""
    words = scene.words
    area = city.top_area(mart, scene.reader)
    name = f"{words.pick(area.name_zh, area.name_en)} · " if area else ""
    edition = city.edition(mart)
    title_line(scene, name + words("nav.today"), edition_words(scene, edition))
    warn_when_stale(scene, mart)
    if area is None:
        st.html(f'<div class="cr">{look.banner("warn", words("banner.no_index"))}</div>')
        return
    indices = city.index_today(mart, scene.reader, area.area_code)
    _cards(scene, indices)
    _say_day_goes_on(scene, edition)
    domain, days = _choose(scene, [one.domain for one in indices])
    left, right = st.columns([1.55, 1])
    with left:
        _trend(scene, city.trend(mart, scene.reader, area.area_code))
    with right:
        _ranking(scene, city.area_ranking(mart, scene.reader, domain, area.area_code))
        _say_why_above(scene, city.above_worst(mart, scene.reader, domain, area.area_code))
    left, right = st.columns(2)
    with left:
        _changes(scene, _difference(scene, mart, area.area_code, domain, days), domain)
    with right:
        _made_of(scene, city.contributions(mart, scene.reader, area.area_code, domain), domain)


def _cards(scene: Scene, indices: list[city.IndexToday]) -> None:
    words = scene.words
    cards = []
    for one in indices:
        grade = words(f"colour.{one.colour or 'none'}")
        badge = _badge(scene, one.confidence)
        moves = (
            f"<span>{words('today.vs_day')} {_move(scene, one.change_1d)}</span>"
            f"<span>{words('today.vs_week')} {_move(scene, one.change_7d)}</span>"
        )
        cards.append(
            f'<div class="card{" lead" if one.domain == "all" else ""}" style="--risk:{look.RISK[one.colour]}">'
            f'<div class="head"><span>{words(f"domain.{one.domain}")}</span>{badge}</div>'
            f'<div class="value">{one.index_value:.1f}</div>'
            f'<div class="grade">{look.figure(one.colour)}{grade}</div><div class="moves">{moves}</div></div>'
        )
    st.html(f'<div class="cr"><div class="cards">{"".join(cards)}</div></div>')


def _say_day_goes_on(scene: Scene, edition: city.Edition) -> None:
    """A day is scored by what came of it; one that is not over looks calmer than it may become."""
    if edition.last_observed_at is None or edition.as_of_date != scene.now.astimezone(BEIJING).date():
        return
    text = scene.words("today.goes_on", at=f"{edition.last_observed_at.astimezone(BEIJING):%H:%M}")
    st.html(f'<div class="cr"><p class="quiet">{escape(text)}</p></div>')


def _badge(scene: Scene, confidence: str | None) -> str:
    if confidence is None:
        return ""
    low = " low" if confidence in ("C", "D") else ""
    meaning = escape(scene.words(f"confidence.{confidence}"))
    return f'<span class="badge{low}" title="{meaning}">{scene.words("confidence.label", grade=confidence)}</span>'


def _move(scene: Scene, change: float | None) -> str:
    if change is None:
        return scene.words("today.no_change_data")
    arrow = "→" if abs(change) < 0.05 else "↑" if change > 0 else "↓"
    return f"<b>{arrow} {abs(change):.1f}</b>"


def _trend(scene: Scene, frame: pl.DataFrame) -> None:
    words = scene.words
    n_days = frame["as_of_date"].n_unique()
    st.html(
        f'<div class="cr"><h2>{words("today.index")} · {words("today.trend", n=n_days)}'
        f"<small>{words('today.scale')}</small></h2></div>"
    )
    domains = [domain for domain in city.DOMAINS if domain in set(frame["domain"])]
    charts.show(charts.trend(frame, domains, words), f"trend_{words.language}", "400px")


def _choose(scene: Scene, domains: list[str]) -> tuple[str, int]:
    """The domain whose counties and reasons are shown, and how many days back it is compared."""
    words = scene.words
    left, right = st.columns([1.55, 1])
    address.one("domain", "today_domain", domains, domains[0])
    domain = left.segmented_control(
        words("today.choose_domain"),
        domains,
        format_func=lambda one: words(f"domain.{one}"),
        key="today_domain",
    )
    days = right.segmented_control(
        words("today.against"),
        [1, 7],
        default=1,
        format_func=lambda n: words("today.against_day") if n == 1 else words("today.against_week"),
        key="today_against",
    )
    address.follow("domain", domain, domains[0])
    return domain or domains[0], days or 1


def _ranking(scene: Scene, frame: pl.DataFrame) -> None:
    words = scene.words
    rows = [
        [
            scene.name(row["name_zh"], row["name_en"]),
            look.risk_mark(row["colour"], words(f"colour_short.{row['colour'] or 'none'}")),
            look.metered(f"{row['index_value']:.1f}", row["index_value"] / 100, look.RISK[row["colour"]]),
            _move(scene, row["change_1d"]),
            escape(row["confidence"] or "–"),
        ]
        for row in frame.iter_rows(named=True)
    ]
    heads = [
        (words("today.area"), ""),
        (words("alerts.colour"), "keep"),
        (words("today.index"), "n"),
        (words("today.vs_day"), "n"),
        (words("confidence.label", grade=""), "n"),
    ]
    st.html(
        f'<div class="cr"><h2>{words("today.ranking")}<small>{words("today.ranking_note")}</small></h2>'
        f"{look.table(heads, rows)}</div>"
    )


def _say_why_above(scene: Scene, above: city.AboveWorst | None) -> None:
    """A city above its worst county looks like a mistake until somebody says what it is made of."""
    if above is None:
        return
    words = scene.words
    below = "–" if above.worst_factor_value is None else f"{above.worst_factor_value:.2f}"
    text = words(
        "today.above_worst",
        value=f"{above.index_value:.1f}",
        county=words.pick(above.area_name_zh, above.area_name_en),
        worst=f"{above.worst_value:.1f}",
        reason=words.pick(above.reason_zh, above.reason_en),
        here=f"{above.factor_value:.2f}",
        there=below,
    )
    st.html(f'<div class="cr"><p class="quiet">{escape(text)}</p></div>')


def _difference(scene: Scene, mart: serving.Mart, area_code: str, domain: str, days: int) -> Difference | None:
    today = city.edition(mart).as_of_date
    if today is None:
        return None
    return why_changed(mart, scene.reader, area_code, domain, today - timedelta(days=days), today)


def _changes(scene: Scene, found: Difference | None, domain: str) -> None:
    """From one day to the other: by kind of cause in one sentence, in steps, and what lies behind the largest."""
    words = scene.words
    title = f"{words('today.changed')} · {words(f'domain.{domain}')}"
    if found is None:
        st.html(f'<div class="cr"><h2>{title}</h2><p class="quiet">{words("today.no_before")}</p></div>')
        return
    moved = [step for step in found.steps if abs(step.points) >= _LEAST_POINTS][:_TOP]
    kinds = [f"{words(f'cause.{kind}')} {points:+.2f}" for kind, points in found.by_kind.items()]
    total = words("today.changed_sum", points=f"{found.value_to - found.value_from:+.2f}")
    total = " · ".join([total, *kinds])
    st.html(f'<div class="cr"><h2>{title}<small>{escape(total)}</small></h2></div>')
    if not moved:
        st.html(f'<div class="cr"><p class="quiet">{words("today.nothing_moved")}</p></div>')
        return
    charts.show(charts.waterfall(found, moved, words), f"changed_{words.language}", "180px")
    largest = max(abs(step.points) for step in moved)
    rows = [
        [
            f"{number} · {scene.name(step.reason_zh, step.reason_en)}",
            look.metered(
                f"{'↑' if step.points > 0 else '↓'} {abs(step.points):.2f}",
                abs(step.points) / largest,
                look.WORSE if step.points > 0 else look.BETTER,
            ),
        ]
        for number, step in enumerate(moved, 1)
    ]
    heads = [(words("today.reason"), ""), (words("today.points"), "n")]
    st.html(f'<div class="cr">{look.table(heads, rows)}</div>')


def _made_of(scene: Scene, frame: pl.DataFrame, domain: str) -> None:
    words = scene.words
    title = f"{words('today.made_of')} · {words(f'domain.{domain}')}"
    rows = [
        [
            scene.name(row["reason_zh"], row["reason_en"]),
            f"{row['weight']:.2f}",
            look.metered(f"{row['factor_value']:.2f}", row["factor_value"], "#8fb4dc"),
        ]
        for row in frame.head(_TOP).iter_rows(named=True)
    ]
    heads = [(words("today.reason"), ""), (words("today.weight"), "n"), (words("today.level"), "n")]
    st.html(f'<div class="cr"><h2>{title}</h2>{look.table(heads, rows)}</div>')
