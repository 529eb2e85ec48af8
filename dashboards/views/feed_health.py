"""Feed health: what every department sends, since when it does not, and what was wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape

import polars as pl
import streamlit as st

from access import city, feeds, finding_words, live, serving
from access.export import as_csv
from dashboards import address, look
from dashboards.frame import Scene, clock, edition_words, title_line, warn_when_stale

_ORDERS = ("worst", "name", "received")
_NEVER = datetime.min.replace(tzinfo=UTC)
_AT = pl.Datetime("us", "UTC")
_FILE: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("feed_id", "name", "department", "state"), pl.String),
    **dict.fromkeys(("since", "last_observed_at", "last_received_at"), _AT),
    **dict.fromkeys(("rows_24h", "quarantined_24h", "batches_held", "checks_failed", "checks_raised"), pl.Int64),
}


def draw(scene: Scene, mart: serving.Mart) -> None:
    """The page."""
    words = scene.words
    title_line(scene, words("nav.feeds"), edition_words(scene, city.edition(mart)))
    warn_when_stale(scene, mart)
    with live.ops_reader(scene.home) as ops:
        facts = feeds.feed_facts(mart, ops, scene.now)
        if ops is None:
            st.html(f'<div class="cr">{look.banner("warn", words("feeds.no_live"))}</div>')
        _tiles(scene, facts)
        shown = _wanted(scene, facts)
        _table(scene, shown)
        if ops is not None and facts:
            _detail(scene, ops, facts)


def _tiles(scene: Scene, facts: list[feeds.FeedFact]) -> None:
    words = scene.words
    count = {state: sum(fact.state == state for fact in facts) for state in feeds.STATES_WORST_FIRST}
    tiles = [
        (look.state_mark("fresh", str(count["fresh"])), words("feeds.fresh")),
        (look.state_mark("quiet", str(count["quiet"])), words("freshness.quiet")),
        (look.state_mark("not_heard_yet", str(count["not_heard_yet"])), words("freshness.not_heard_yet")),
        (look.state_mark("late", str(count["late"])), words("feeds.late")),
        (look.state_mark("silent", str(count["silent"])), words("feeds.silent")),
        (look.state_mark("refused", str(sum(fact.refusal is not None for fact in facts))), words("feeds.refused")),
        (f"{sum(fact.quarantined_24h for fact in facts):,}", words("feeds.quarantined")),
        (f"{sum(fact.batches_held for fact in facts):,}", words("feeds.held")),
        (f"{sum(fact.checks_failed for fact in facts):,}", words("feeds.failed")),
        (f"{sum(fact.checks_raised for fact in facts):,}", words("feeds.raised")),
    ]
    st.html(f'<div class="cr">{look.tiles(tiles)}</div>')


def _wanted(scene: Scene, facts: list[feeds.FeedFact]) -> list[feeds.FeedFact]:
    """The feeds whose name, id or department holds what is typed, in the order that is chosen; and their file."""
    words = scene.words
    address.text("find", "feeds_find")
    address.one("order", "feeds_order", _ORDERS, "worst")
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    typed = left.text_input(words("feeds.find"), key="feeds_find", placeholder=words("feeds.find_hint")).strip().lower()
    order = middle.segmented_control(
        words("alerts.order"), _ORDERS, format_func=lambda one: words(f"feeds_order.{one}"), key="feeds_order"
    )
    address.follow("find", typed)
    address.follow("order", order, "worst")
    shown = [fact for fact in facts if typed in _searched(fact)]
    if order == "name":
        shown.sort(key=lambda fact: words.pick(fact.name_zh, fact.name_en))
    elif order == "received":
        shown.sort(key=lambda fact: fact.last_received_at or _NEVER, reverse=True)
    file = as_csv(_rows(scene, shown))
    right.download_button(words("feeds.file"), file, "cityrisk-feeds.csv", "text/csv", width="stretch")
    return shown


def _searched(fact: feeds.FeedFact) -> str:
    names = (fact.feed_id, fact.name_zh, fact.name_en, fact.department_zh, fact.department_en)
    return " ".join(name or "" for name in names).lower()


def _rows(scene: Scene, facts: list[feeds.FeedFact]) -> pl.DataFrame:
    """The table as a file: names in the reader's language, instants in UTC."""
    words = scene.words
    return pl.DataFrame(
        [
            {
                "feed_id": fact.feed_id,
                "name": words.pick(fact.name_zh, fact.name_en),
                "department": words.pick(fact.department_zh, fact.department_en),
                "state": words(f"freshness.{fact.state}"),
                "since": fact.since,
                "last_observed_at": fact.last_observed_at,
                "last_received_at": fact.last_received_at,
                "rows_24h": fact.rows_24h,
                "quarantined_24h": fact.quarantined_24h,
                "batches_held": fact.batches_held,
                "checks_failed": fact.checks_failed,
                "checks_raised": fact.checks_raised,
            }
            for fact in facts
        ],
        schema=_FILE,
    )


def _table(scene: Scene, facts: list[feeds.FeedFact]) -> None:
    words = scene.words
    rows = []
    for fact in facts:
        if fact.since is not None:
            since = clock(fact.since)
        else:
            since = words("freshness.never") if fact.state == "silent" else "–"
        tried = "–"
        if fact.last_result is not None and fact.last_tried_at is not None:
            detail = f"<small>{_sentence(scene, fact.last_detail)}</small>" if fact.last_detail else ""
            tried = f"{words(f'result.{fact.last_result}')} · {clock(fact.last_tried_at)}{detail}"
        rows.append(
            [
                look.state_mark(fact.state, words(f"freshness.{fact.state}"))
                + _refused(scene, fact)
                + _left_out(scene, fact),
                f"{scene.name(fact.name_zh, fact.name_en)}<small>{escape(fact.feed_id)}</small>",
                scene.name(fact.department_zh, fact.department_en),
                since,
                clock(fact.last_observed_at) if fact.last_observed_at else "–",
                _received(scene, fact),
                f"{fact.rows_24h:,}",
                _count(fact.quarantined_24h),
                _count(fact.batches_held),
                _count(fact.checks_failed),
                _count(fact.checks_raised),
                tried,
            ]
        )
    heads = [
        (words("feeds.state"), "keep"),
        (words("feeds.feed"), ""),
        (words("feeds.department"), "some"),
        (words("feeds.since"), "keep"),
        (words("feeds.last_observed"), "keep"),
        (words("feeds.last_received"), "keep"),
        (words("feeds.rows"), "n"),
        (words("feeds.quarantined_short"), "n"),
        (words("feeds.held_short"), "n"),
        (words("feeds.failed_short"), "n"),
        (words("feeds.raised_short"), "n"),
        (words("feeds.last_try"), "some"),
    ]
    clocks = f"<small>{escape(words('feeds.clocks'))}</small>"
    st.html(f'<div class="cr"><h2>{words("feeds.table")}{clocks}</h2>{look.table(heads, rows)}</div>')


def _received(scene: Scene, fact: feeds.FeedFact) -> str:
    """When a row came last; of events that need not happen also when a device was last heard."""
    received = clock(fact.last_received_at) if fact.last_received_at else "–"
    heard = "" if fact.heard_at is None else scene.words("feeds.heard", at=clock(fact.heard_at))
    return f"{received}<small>{escape(heard)}</small>" if heard else received


def _refused(scene: Scene, fact: feeds.FeedFact) -> str:
    """What became of the newest delivery when nothing of it landed, and what is shown instead."""
    found = fact.refusal
    if found is None:
        return ""
    words = scene.words
    good = words("freshness.never")
    if found.last_good_at is not None:
        good = words("feeds.file_at", file=found.last_good_ref, at=clock(found.last_good_at))
    newest = words("feeds.file_at", file=found.source_ref, at=clock(found.at))
    why = words.pick_one(finding_words.sentence(found.why))
    text = words("feeds.newest_refused", newest=newest, good=good, why=why)
    return f"<small style='color:{look.STATE['refused'][0]};white-space:normal'>{escape(text)}</small>"


def _left_out(scene: Scene, fact: feeds.FeedFact) -> str:
    """What of the feed the indices do not know; their confidence has fallen for it."""
    if fact.left_out is None:
        return ""
    text = scene.words("feeds.left_out", why=fact.left_out)
    return f"<small style='color:{look.STATE['refused'][0]};white-space:normal'>{escape(text)}</small>"


def _count(n: int) -> str:
    return f"<b style='color:{look.STATE['late'][0]}'>{n:,}</b>" if n else "0"


def _detail(scene: Scene, ops: live.OpsReader, facts: list[feeds.FeedFact]) -> None:
    words = scene.words
    names = {fact.feed_id: words.pick(fact.name_zh, fact.name_en) for fact in facts}
    address.one("feed", "feeds_choice", names, next(iter(names)))
    feed_id = st.selectbox(
        words("feeds.detail"), list(names), format_func=lambda one: f"{names[one]} · {one}", key="feeds_choice"
    )
    address.follow("feed", feed_id, next(iter(names)))
    left, right = st.columns(2)
    with left:
        _verdicts(scene, feeds.verdicts(ops, feed_id))
        _notifications(scene, feeds.open_notifications(ops, feed_id))
    with right:
        _found(scene, feeds.quarantine_counts(ops, feed_id, scene.now - timedelta(days=7)))
    _samples(scene, feeds.quarantine_samples(ops, feed_id))


def _verdicts(scene: Scene, frame: pl.DataFrame) -> None:
    """What did not pass stands open; what passed is folded away behind its number."""
    words = scene.words
    bad = _verdict_table(scene, frame.filter(pl.col("verdict") != "passed"))
    passed = frame.filter(pl.col("verdict") == "passed")
    if passed.height:
        sign = look.state_mark("passed", words("feeds.more_passed", n=passed.height))
        bad += f"<details><summary>{sign}</summary>{_verdict_table(scene, passed)}</details>"
    _section(words("feeds.verdicts"), bad or None, words("feeds.no_verdicts"))


def _verdict_table(scene: Scene, frame: pl.DataFrame) -> str:
    words = scene.words
    rows = [
        [
            look.state_mark(row["verdict"], words(f"verdict.{row['verdict']}")),
            f"{scene.name(row['message_zh'], row['message_en'])}<small>{escape(row['check_id'])}</small>",
            "–" if row["observed"] is None else f"{row['observed']:g}",
            _sentence(scene, row["expected"]),
        ]
        for row in frame.iter_rows(named=True)
    ]
    heads = [
        (words("feeds.verdict"), "keep"),
        (words("feeds.message"), ""),
        (words("feeds.found"), "n"),
        (words("feeds.expected"), ""),
    ]
    return look.table(heads, rows) if rows else ""


def _notifications(scene: Scene, frame: pl.DataFrame) -> None:
    words = scene.words
    rows = [
        [clock(row["raised_at"]), scene.name(row["text_zh"], row["text_en"])] for row in frame.iter_rows(named=True)
    ]
    heads = [(words("feeds.since"), "keep"), (words("feeds.message"), "")]
    _section(words("feeds.notifications"), look.table(heads, rows) if rows else None, words("feeds.no_notifications"))


def _found(scene: Scene, frame: pl.DataFrame) -> None:
    words = scene.words
    rows = [
        [_reason(scene, row["reason"]), words(f"outcome.{row['outcome']}"), f"{row['n_rows']:,}", clock(row["last_at"])]
        for row in frame.iter_rows(named=True)
    ]
    heads = [
        (words("feeds.reason"), ""),
        (words("feeds.outcome"), "keep"),
        (words("feeds.n_rows"), "n"),
        (words("feeds.at"), "keep"),
    ]
    _section(words("feeds.counts"), look.table(heads, rows) if rows else None, words("feeds.no_samples"))


def _samples(scene: Scene, frame: pl.DataFrame) -> None:
    words = scene.words
    rows = [
        [
            clock(row["at"]),
            _reason(scene, row["reason"]),
            words(f"outcome.{row['outcome']}"),
            escape(row["source_ref"]),
            escape(row["column_name"] or "–"),
            # Of one row it is the department's own value, which stays as it was sent.
            escape(row["found"] or "–") if row["grain"] == "row" else _sentence(scene, row["found"]),
            _sentence(scene, row["expected"]),
            f"{row['n_rows']:,}",
        ]
        for row in frame.iter_rows(named=True)
    ]
    heads = [
        (words("feeds.at"), "keep"),
        (words("feeds.reason"), "keep"),
        (words("feeds.outcome"), "keep"),
        (words("feeds.source"), ""),
        (words("feeds.column"), ""),
        (words("feeds.found"), ""),
        (words("feeds.expected"), ""),
        (words("feeds.n_rows"), "n"),
    ]
    note = f'<p class="quiet">{escape(words("feeds.samples_note"))}</p>'
    _section(words("feeds.samples"), note + look.table(heads, rows) if rows else None, words("feeds.no_samples"))


def _reason(scene: Scene, code: str) -> str:
    """Why, in words; the code below it is what the documentation of the feed and the shell say."""
    said, code = escape(scene.words.pick_one(finding_words.reason(code))), escape(code)
    return said if said == code else f"{said}<small>{code}</small>"


def _sentence(scene: Scene, text: str | None) -> str:
    """What the product says of what was found or expected, in the reader's language."""
    return escape(scene.words.pick_one(finding_words.sentence(text))) if text else "–"


def _section(title: str, content: str | None, otherwise: str) -> None:
    inside = content or f'<p class="quiet">{escape(otherwise)}</p>'
    st.html(f'<div class="cr"><h2>{escape(title)}</h2>{inside}</div>')
