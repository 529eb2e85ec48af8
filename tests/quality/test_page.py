"""The page of a feed: complete in both languages, bounded, and safe to open."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import get_args

import polars as pl
import pytest
import sqlalchemy as sa
from landed_rows import NOW, good_rows, land

from core.contract import Contract
from core.settings import Home
from quality.checks import Kind, checks_of
from quality.page import _KINDS, _WORDS, HISTORY_RUNS, LANGUAGES, Language, read_history, render_feed_page, write_pages
from quality.run import check_feed
from quality.verdict import Verdict, write_verdicts

AT = datetime(2026, 7, 30, 4, 0, tzinfo=UTC)
GOOD = Verdict(
    "run-1",
    "weather.station",
    "volume",
    "volume",
    "error",
    "passed",
    74.0,
    "10 … 5000 rows",
    "收到 74 行。",
    "74 rows came.",
    74,
    AT,
)


class Page(HTMLParser):
    """Checks that tags are closed, and gathers what a reader sees and what a browser would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.loads: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {k}={v}" for k, v in attrs if k in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def test_both_languages_have_the_same_words() -> None:
    assert _WORDS["zh"].keys() == _WORDS["en"].keys()
    assert set(_KINDS) == set(get_args(Kind))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_after_a_real_run(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], language: Language
) -> None:
    contract = contracts["weather.station"]
    beyond = good_rows(contract).with_columns(pl.lit(9000.0).alias("elevation_m"))
    land(home, engine, contract, [(NOW.date(), beyond)])
    check_feed(home, engine, contract, contracts, "run-1", NOW)
    paths = write_pages(home, engine, contracts, ["weather.station"])
    assert [p.relative_to(home.root).as_posix() for p in paths] == [
        "quality/weather.station.zh.html",
        "quality/weather.station.en.html",
    ]
    assert not list((home.root / "quality").glob("*.partial"))
    page = Page(paths[LANGUAGES.index(language)].read_text(encoding="utf-8"))
    seen = " ".join(page.text)
    assert page.loads == []
    for check in checks_of(contract):
        assert check.id in seen
    expected = {
        "zh": (
            "气象站",
            "不合格 1",
            f"200 行“{contract.column('elevation_m').label_zh}”超出 -200…6000 m",
            "2026-07-30 12:00",
            "气象局",
        ),
        "en": ("Weather stations", "failed 1", "200 rows have elevation_m outside -200…6000 m", "2026-07-30 12:00"),
    }[language]
    for part in expected:
        assert part in seen, part
    if language == "en":  # but for the department's own name
        assert not re.search(r"[\u4e00-\u9fff]", seen.replace(contract.department_zh, ""))


def test_a_feed_without_verdicts_says_so(contracts: dict[str, Contract]) -> None:
    assert "尚未检查" in render_feed_page(contracts["weather.station"], [], "zh")
    assert "Nothing was checked yet" in render_feed_page(contracts["weather.station"], [], "en")


def test_what_did_not_pass_stands_first(contracts: dict[str, Contract]) -> None:
    bad = replace(GOOD, check_id="unique_key", kind="unique_key", verdict="failed")
    crashed = replace(GOOD, check_id="pattern_x", kind="pattern", verdict="raised", observed=None)
    html = render_feed_page(contracts["weather.station"], [GOOD, bad, crashed], "en")
    standing = html[html.index("As it stands") : html.index("Earlier runs")]
    assert standing.index("pattern_x") < standing.index("unique_key") < standing.index("volume")


def test_the_last_word_of_a_check_counts(contracts: dict[str, Contract]) -> None:
    earlier = replace(GOOD, run_id="run-0", verdict="failed", at=AT - timedelta(hours=1), message_en="Too few.")
    html = render_feed_page(contracts["weather.station"], [earlier, GOOD], "en")
    assert "Too few." not in html
    assert html.count("<code>volume</code>") == 2  # as it stands, and in the run where it failed


@pytest.mark.case("security.held.H2")
def test_texts_are_escaped(contracts: dict[str, Contract]) -> None:
    html = render_feed_page(contracts["weather.station"], [replace(GOOD, message_en="<script>x</script>")], "en")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_history_is_bounded_and_keeps_the_last_word_of_rare_checks(
    engine: sa.Engine, contracts: dict[str, Contract]
) -> None:
    rare = replace(GOOD, run_id="long-ago", at=AT - timedelta(days=90), check_id="unique_key", kind="unique_key")
    often = [replace(GOOD, run_id=f"run-{i:03d}", at=AT + timedelta(hours=i)) for i in range(HISTORY_RUNS + 15)]
    with engine.begin() as connection:
        write_verdicts(connection, [rare, *often])
    with engine.connect() as connection:
        verdicts = read_history(connection, "weather.station")
    assert verdicts == [rare, *often[-HISTORY_RUNS:]]
    html = render_feed_page(contracts["weather.station"], verdicts, "en")
    history = html[html.index("Earlier runs") :]
    assert history.count("<tr>") == 1 + HISTORY_RUNS
