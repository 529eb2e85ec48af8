from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.settings import Home
from dashboards import look
from published import publish_city, reading
from served_pages import Site, served

pytestmark = pytest.mark.browser

TEXTS = {
    ("", "zh"): [
        "宜昌市 · 城市今日",
        "数据截至",
        "发布于",
        "可信度 C",
        "较昨日",
        "较上周",
        "橙色 · 较大",
        "区县排名",
        "猇亭区",
        "危险源强度高于上周",
        "指数变化",
        "实名制考勤",
    ],
    ("", "en"): [
        "Yichang · City today",
        "Data as of",
        "Published",
        "Confidence C",
        "vs yesterday",
        "vs last week",
        "Orange · high",
        "Counties",
        "Xiaoting",
        "hazard intensity above last week",
        "Index change",
    ],
    ("map", "zh"): [
        "风险地图",
        "测试几何，请换成本市数据",
        "红色 · 重大",
        "显示 262 / 262 个对象",
        "猇亭一号罐区",
        "重大危险源",
    ],
    ("map", "en"): [
        "Risk map",
        "Test geometry, replace with the city's own",
        "Red · very high",
        "262 of 262 objects shown",
        "猇亭一号罐区",
        "Major hazards",
    ],
    ("feeds", "zh"): [
        "数据接入",
        "实名制考勤",
        "中断",
        "无法连接",
        "connect timed out after 10 s",
        "检查出错",
        "考勤合计与工地在册人数不符",
        "out_of_range",
        "9***",
        "请联系住建局",
    ],
    ("feeds", "en"): [
        "Feed health",
        "Gate attendance",
        "Silent",
        "Unreachable",
        "connect timed out after 10 s",
        "Raised",
        "attendance does not add up to the register",
        "out_of_range",
        "9***",
    ],
}


def open_page(page: Page, site: Site, path: str, language: str) -> None:
    """Open a page and wait until it is drawn."""
    page.goto(f"{site.url}/{path}?lang={language}")
    expect(page.locator(".cr h1")).to_be_visible()
    expect(page.locator('[data-testid="stApp"]')).to_have_attribute("data-test-script-state", "notRunning")


def choose_domain(page: Page, name: str) -> None:
    """Choose a domain on the page, not the menu of its systems."""
    main = page.locator('[data-testid="stMain"]')
    main.get_by_role("radio", name=name).or_(main.get_by_role("button", name=name)).first.click()


def no_fault(page: Page) -> None:
    """Neither an exception box nor an error dialog is on the page."""
    expect(page.locator('[data-testid="stException"], [data-testid="stDialog"]')).to_have_count(0)


@pytest.mark.parametrize(("path", "language"), TEXTS)
def test_a_page_says_what_it_must_and_asks_nobody_else(page: Page, site: Site, path: str, language: str) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("websocket", lambda socket: requests.append(socket.url))
    open_page(page, site, path, language)
    for text in TEXTS[path, language]:
        expect(page.get_by_text(text).first).to_be_attached()
    if path != "feeds":
        expect(page.locator("canvas").first).to_be_visible()
    no_fault(page)
    hosts = {urlsplit(url).hostname for url in requests if not url.startswith(("data:", "blob:"))}
    assert len(requests) > 10
    assert hosts == {"127.0.0.1"}, f"the page asked for {sorted(set(requests))}"


def test_one_click_changes_the_language_and_pages_keep_it(page: Page, site: Site) -> None:
    open_page(page, site, "", "zh")
    page.get_by_role("button", name="English").click()
    expect(page.locator(".cr h1")).to_have_text("Yichang · City today")
    expect(page).to_have_url(re.compile(r"\?lang=en$"))
    page.get_by_role("link", name="Feed health").click()
    expect(page.locator(".cr h1")).to_have_text("Feed health")
    expect(page).to_have_url(re.compile(r"/feeds\?lang=en$"))
    page.get_by_role("button", name="中文").click()
    expect(page.locator(".cr h1")).to_have_text("数据接入")
    expect(page).to_have_url(re.compile(r"/feeds(\?lang=zh)?$"))
    page.get_by_role("link", name="风险地图").click()
    expect(page.locator(".cr h1")).to_have_text("风险地图")
    no_fault(page)


def test_the_chosen_domain_explains_itself(page: Page, site: Site) -> None:
    open_page(page, site, "", "zh")
    choose_domain(page, "生产安全")
    expect(page.get_by_text("什么变了 · 生产安全")).to_be_visible()
    page.get_by_role("radio", name="上周").or_(page.get_by_role("button", name="上周")).first.click()
    expect(page.get_by_text("由什么构成 · 生产安全")).to_be_visible()
    no_fault(page)


def test_filters_of_the_map_and_the_facts_of_an_object(page: Page, site: Site) -> None:
    open_page(page, site, "map", "zh")
    choose_domain(page, "生产安全")
    expect(page.get_by_text(re.compile(r"显示 66 / 66 个对象"))).to_be_visible()
    page.get_by_role("combobox", name=re.compile("选择对象")).fill("猇亭一号罐区")
    page.get_by_role("option", name="猇亭一号罐区").click()
    facts = page.locator("dl.facts")
    expect(facts).to_contain_text("emergency:W0001")
    expect(facts).to_contain_text("在线 1 / 共 2")
    expect(facts).to_contain_text("2 级（R = 62.5）")
    no_fault(page)


def drawn(page: Page) -> np.ndarray:
    """The pixels of the map."""
    expect(page.locator('[data-testid="stApp"]')).to_have_attribute("data-test-script-state", "notRunning")
    return np.asarray(Image.open(io.BytesIO(page.locator("canvas").first.screenshot())).convert("RGB")).astype(int)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Which share of two pictures differs."""
    return float((np.abs(one - other) > 8).any(axis=2).mean())


@pytest.mark.case("pages.14", "pages.15", "pages.28")
def test_any_object_is_found_the_zoom_stays_and_the_address_carries_both(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/map?area=420505&domain=work_safety&colours=blue")
    expect(page.get_by_role("combobox", name=re.compile("区县"))).to_have_value("猇亭区")
    canvas = page.locator("canvas").first
    expect(canvas).to_be_visible()
    before = drawn(page)
    canvas.hover()
    page.mouse.wheel(0, -600)
    page.wait_for_timeout(500)  # the library says nowhere that it has drawn
    zoomed = drawn(page)
    assert apart(before, zoomed) > 0.02
    page.get_by_label("查找对象").fill("emergency:W0001")  # not in this colour, and not in the list
    page.get_by_label("查找对象").press("Enter")
    expect(page.locator("dl.facts")).to_contain_text("emergency:W0001")
    page.wait_for_timeout(500)
    assert apart(zoomed, drawn(page)) < apart(before, zoomed) / 4
    expect(page).to_have_url(re.compile("object=emergency%3AW0001"))
    page.goto(page.url)
    expect(page.locator("dl.facts")).to_contain_text("emergency:W0001")
    expect(page.get_by_role("combobox", name=re.compile("区县"))).to_have_value("猇亭区")
    page.get_by_label("查找对象").fill("没有的东西")
    page.get_by_label("查找对象").press("Enter")
    expect(page.get_by_text("没有这个名称或编号的对象。")).to_be_visible()
    no_fault(page)


@pytest.mark.case("pages.21", "pages.29")
@pytest.mark.parametrize(("language", "code"), [("zh", "zh-CN"), ("en", "en")])
def test_a_page_says_its_language_prints_on_white_and_cuts_nothing(
    page: Page, site: Site, language: str, code: str
) -> None:
    open_page(page, site, "", language)
    expect(page.locator("html")).to_have_attribute("lang", code)
    assert page.locator(".cr th:text-is('')").count() == 0
    assert page.evaluate("[...document.querySelectorAll('.cr .scroll')].every(e => e.scrollWidth <= e.clientWidth)")
    assert not re.search(r"\b[a-z]+\.hazard\b|percent", page.locator('[data-testid="stMain"]').inner_text())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('.cr h1')).color") == "rgb(17, 17, 17)"


def test_a_click_on_the_map_shows_the_object(page: Page, site: Site) -> None:
    """Finds a pixel in the red of the symbols and clicks there, as a person would."""
    open_page(page, site, "map", "zh")
    page.get_by_role("combobox", name=re.compile("区县")).fill("猇亭区")
    page.get_by_role("option", name="猇亭区").click()
    expect(page.get_by_text("显示 21 / 21 个对象")).to_be_visible()
    expect(page.locator('[data-testid="stApp"]')).to_have_attribute("data-test-script-state", "notRunning")
    canvas = page.locator("canvas").first
    red = np.array([int(look.RISK["red"][at : at + 2], 16) for at in (1, 3, 5)])
    pixels = np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB")).astype(int)
    rows, columns = np.nonzero((np.abs(pixels - red) < 4).all(axis=2))
    assert len(rows) > 20, "no red symbol is drawn"
    place = {"x": int(columns[0]), "y": int(rows[0]) + 2}
    canvas.click(position=place)
    facts = page.locator("dl.facts")
    expect(facts).to_contain_text("猇亭区")
    clicked = facts.inner_text()
    page.get_by_role("combobox", name=re.compile("选择对象")).fill("猇亭区电梯3")
    page.get_by_role("option", name="猇亭区电梯3", exact=True).click()
    expect(facts).to_contain_text("market:X0003")
    canvas.click(position=place)  # the same object once more, after another was chosen
    expect(facts).not_to_contain_text("market:X0003")
    assert facts.inner_text() == clicked
    no_fault(page)


def test_the_chosen_feed_shows_its_findings(page: Page, site: Site) -> None:
    open_page(page, site, "feeds", "zh")
    expect(page.get_by_text("检查本身出错，按未通过处理")).to_be_visible()
    expect(page.get_by_text("条数在预期之内")).to_be_hidden()
    page.get_by_text("另有 1 项通过").click()
    expect(page.get_by_text("条数在预期之内")).to_be_visible()
    page.get_by_role("combobox", name=re.compile("数据源详情")).fill("fire.unit")
    page.get_by_role("option", name=re.compile("fire.unit")).click()
    expect(page.get_by_text("还没有检查结论。")).to_be_visible()
    no_fault(page)


@pytest.mark.case("pages.24")
def test_feeds_are_searched_sorted_and_taken_out(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/feeds?find=fire&order=name")
    table = page.locator(".cr .scroll").first
    expect(table).to_contain_text("fire.unit")
    expect(table).not_to_contain_text("weather.observation")
    with page.expect_download() as taken:
        page.get_by_role("button", name="下载 CSV").click()
    lines = taken.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("feed_id,name,department,state,since")
    assert {line.split(",")[0].split(".")[0] for line in lines[1:]} == {"fire"}
    page.get_by_label("查找数据源").fill("")
    page.get_by_label("查找数据源").press("Enter")
    expect(table).to_contain_text("weather.observation")
    no_fault(page)


@pytest.mark.parametrize("path", ["", "map", "feeds"])
@pytest.mark.parametrize("width", [1366, 390])
def test_nothing_is_wider_than_the_screen(page: Page, site: Site, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    open_page(page, site, path, "en")
    wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert wide <= width
    no_fault(page)


def test_old_data_say_that_they_are_old(page: Page, tmp_path: Path) -> None:
    home = Home(tmp_path, {})
    publish_city(home, datetime.now(UTC) - timedelta(days=3))
    with served(home) as site:
        for path in ("", "map", "feeds"):
            open_page(page, site, path, "zh")
            expect(page.get_by_role("alert").filter(has_text="数据已过期")).to_be_visible()
        expect(page.get_by_text("找不到运行记录库")).to_be_visible()
        open_page(page, site, "", "en")
        expect(page.get_by_role("alert").filter(has_text="published 3 days ago")).to_be_visible()
        no_fault(page)


def test_before_the_first_publish_it_says_what_to_run_and_fills_itself(page: Page, tmp_path: Path) -> None:
    home = Home(tmp_path, {})
    with served(home) as site:
        page.goto(f"{site.url}/?lang=en")
        expect(page.get_by_text("Nothing has been published yet")).to_be_visible()
        expect(page.get_by_text("cityrisk run")).to_be_visible()
        publish_city(home, datetime.now(UTC))
        expect(page.locator(".card.lead .value")).to_be_visible()
        no_fault(page)


def test_running_pages_among_twenty_readers_follow_ten_publishes(page: Page, tmp_path: Path) -> None:
    """Nineteen readers and one open page: no error, no half-built view, and the page shows each newest index."""
    home = Home(tmp_path, {})
    now = datetime.now(UTC)
    publish_city(home, now)
    with served(home) as site, reading(home, 19, pause_s=0.5) as met:
        open_page(page, site, "", "zh")
        shown = page.locator(".card.lead .value")
        first = float(shown.inner_text())
        for number in range(1, 11):
            publish_city(home, now + timedelta(seconds=number), shift=float(number))
            expect(shown).to_have_text(f"{first + number:.1f}")
            no_fault(page)
    assert not met.errors
    assert len(met.generations) == 11
