"""The feeds that the page is made of: how fresh each is, and since when it is not."""

from __future__ import annotations

from html import escape

from access import feeds, live
from dashboards import look
from dashboards.frame import age_words, clock
from dashboards.parts import Part, View

TEXTS = {
    "title": ("数据来源", "Feeds behind this page"),
    "none": ("本系统还没有数据源。", "The system has no feed yet."),
    "unpublished": ("尚未发布", "not published yet"),
    "state": ("状态", "State"),
    "feed": ("数据源", "Feed"),
    "department": ("部门", "Department"),
    "observed": ("最新观测", "Newest event"),
    "received": ("最近收到", "Last received"),
    "rows": ("24 小时条数", "Rows in 24 h"),
    "quarantined": ("24 小时隔离", "Quarantined in 24 h"),
    "ago": ("{age} 前", "{age} ago"),
}


def draw(view: View) -> None:
    """One row a feed, the worst first."""
    view.title()
    if not view.system.feed_ids:
        view.quiet(view.say("none"))
        return
    scene = view.scene
    with live.ops_reader(scene.home) as ops:
        facts = [one for one in feeds.feed_facts(view.mart, ops, scene.now) if one.feed_id in view.system.feed_ids]
    known = {fact.feed_id for fact in facts}
    rows = [_cells(view, fact) for fact in facts]
    rows += [
        [look.state_mark("silent", view.say("unpublished")), escape(feed_id), *("–" for _ in range(5))]
        for feed_id in view.system.feed_ids
        if feed_id not in known
    ]
    heads = view.heads(
        state="keep", feed="", department="", observed="keep", received="keep", rows="n", quarantined="n"
    )
    view.html(look.table(heads, rows))


def _cells(view: View, fact: feeds.FeedFact) -> list[str]:
    scene = view.scene
    since = ""
    if fact.last_observed_at is not None:
        since = (
            f"<small>{escape(view.say('ago', age=age_words(scene.words, scene.now - fact.last_observed_at)))}</small>"
        )
    return [
        look.state_mark(fact.state, scene.words(f"freshness.{fact.state}")),
        f"{scene.name(fact.name_zh, fact.name_en)}<small>{escape(fact.feed_id)}</small>",
        scene.name(fact.department_zh, fact.department_en),
        f"{clock(fact.last_observed_at)}{since}" if fact.last_observed_at else "–",
        clock(fact.last_received_at) if fact.last_received_at else "–",
        f"{fact.rows_24h:,}",
        f"{fact.quarantined_24h:,}",
    ]


PART = Part(draw, TEXTS)
