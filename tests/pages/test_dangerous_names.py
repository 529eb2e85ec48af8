"""Names and texts of departments are drawn as they are: no page runs, links or fetches what stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pytest
import sqlalchemy as sa
from alerted_home import PASSWORD, WELL, AlertedHome, device
from playwright.sync_api import Page, expect

from core.settings import Home
from core.store import tables
from published import remember_runs
from served_pages import Site, served

pytestmark = [pytest.mark.browser, pytest.mark.case("security.held.H2")]
EVIL = "evil.example"
# Scripts in HTML, in an attribute, in Markdown, and in the chart component's own notation; and what would be fetched.
NAME = (
    "<script>ran('script')</script><img src=x onerror=ran('image')><svg onload=ran('svg')></svg>"
    "\"' onmouseover=ran('quote') autofocus onfocus=ran('focus') x=\""
    f"[link](javascript:ran('link')) ![pixel](http://{EVIL}/pixel.png) <style>@import 'http://{EVIL}/a.css';</style>"
    f"<iframe src=http://{EVIL}/></iframe><a href=javascript:ran('a')>a</a> **bold** :red[red] {{b}} "
    "--x_x--0_0--ran('chart')--x_x--0_0--"
)
SEEN = "<script>ran('script')</script>"
_RECORDER = "window.runs = []; window.ran = what => { window.runs.push(what); return what; };"
# What no drawing of ours has: elements that only a name could have brought.
_BROUGHT = (
    "img[src='x'], svg[onload], [onmouseover], [onfocus], [onerror], a[href^='javascript'], iframe[src*='evil'],"
    f"img[src*='{EVIL}'], a[href*='{EVIL}']"
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> AlertedHome:
    """A home in which everything that comes with the data has that name."""
    made = AlertedHome(Home(tmp_path_factory.mktemp("hostile"), {}))
    remember_runs(made.home, made.now)
    (generation,) = made.home.serving.glob("*.duckdb")
    with duckdb.connect(str(generation)) as mart:
        for table, columns in (
            ("area", ("name_zh", "name_en")),
            ("risk_index", ("area_name_zh", "area_name_en")),
            ("risk_contribution", ("reason_zh", "reason_en")),
            ("risk_object", ("name_zh",)),
            ("feed", ("name_zh", "name_en", "department_zh", "department_en")),
        ):
            for column in columns:
                mart.execute(f"update mart.{table} set {column} = ? || {column}", [NAME])
    said: tuple[tuple[sa.Table, tuple[str, ...]], ...] = (
        (tables.fetch_outcome, ("detail",)),
        (tables.quarantine, ("reason", "source_ref", "column_name", "found", "expected")),
        (tables.notification, ("text_zh", "text_en")),
        (tables.check_verdict, ("message_zh", "message_en", "expected")),
    )
    with made.engine.begin() as connection:
        for table, columns in said:
            connection.execute(sa.update(table).values(dict.fromkeys(columns, NAME)))
    made.links(device(NAME, address=NAME, bad_frames=1, last_bad_reason=NAME, last_bad_at=made.now))
    subject = replace(WELL, object_name_zh=NAME, matter_zh=NAME, matter_en=NAME)
    made.breach(subject, f"urban:{NAME}", "red", 52.3, minutes_ago=1)
    made.person("mallory", role="shift_lead", display_name=NAME)
    return made


@pytest.fixture(scope="module")
def hostile_site(hostile: AlertedHome) -> Iterator[Site]:
    """The pages of that home."""
    with served(hostile.home) as running:
        yield running


@pytest.fixture
def asked(page: Page) -> list[str]:
    """What the page asks of other machines while it is drawn; every script of a name tells `window.runs`."""
    found: list[str] = []
    page.add_init_script(_RECORDER)
    page.route(f"**://{EVIL}/**", lambda route: route.abort())
    page.on("request", lambda request: found.append(request.url) if EVIL in request.url.split("?")[0] else None)
    return found


def open_page(page: Page, site: Site, path: str) -> None:
    """Open a page and wait until it stands."""
    page.goto(f"{site.url}/{path}?lang=zh")
    expect(page.locator(".cr h1")).to_be_visible()
    settle(page)


def settle(page: Page) -> None:
    """Wait until the script of the page has run."""
    expect(page.locator('[data-testid="stApp"]')).to_have_attribute("data-test-script-state", "notRunning")


def is_harmless(page: Page, asked: list[str]) -> None:
    """The name stands there as a text, and nothing came of it."""
    expect(page.get_by_text(SEEN).first).to_be_attached()
    expect(page.locator(_BROUGHT)).to_have_count(0)
    assert page.evaluate("window.runs") == []
    assert asked == []


@pytest.mark.parametrize("path", ["today", "feeds", "devices", "systems", "system-L08"])
def test_pages_draw_names_as_they_are(page: Page, hostile_site: Site, asked: list[str], path: str) -> None:
    open_page(page, hostile_site, path)
    if path == "today":
        expect(page.locator("canvas").first).to_be_visible()
    if path == "devices":  # names in the list of a select box
        page.get_by_role("combobox").first.fill("script")
        expect(page.get_by_role("option").first).to_be_visible()
    is_harmless(page, asked)


def test_the_map_draws_names_as_they_are(page: Page, hostile_site: Site, asked: list[str]) -> None:
    open_page(page, hostile_site, "map")
    canvas = page.locator("canvas").first
    expect(canvas).to_be_visible()
    box = canvas.bounding_box()
    assert box is not None
    tip = page.locator("div").filter(has=page.locator("canvas")).get_by_text(SEEN)
    for step in range(1, 20):  # across the map, until something under the pointer tells its name
        page.mouse.move(box["x"] + box["width"] * step / 20, box["y"] + box["height"] / 2)
        if tip.count():
            break
    expect(tip.first).to_be_visible()
    page.locator(".st-key-map_choice").get_by_role("combobox").fill("script")
    page.get_by_role("option").first.click()
    settle(page)
    expect(page.locator(".cr .facts")).to_be_visible()
    is_harmless(page, asked)


def test_an_alert_and_its_officer_are_drawn_as_they_are(page: Page, hostile_site: Site, asked: list[str]) -> None:
    open_page(page, hostile_site, "alerts")
    page.locator(".st-key-login_box a").click()
    page.get_by_label("用户名").fill("mallory")
    page.get_by_label("密码").fill(PASSWORD)
    page.locator("form button").click()
    page.locator(".st-key-login_box button").first.click()
    expect(page.get_by_role("button", name="退出")).to_be_visible()
    is_harmless(page, asked)
    page.keyboard.press("Escape")
    expect(page.locator(".live-client .bell")).to_be_visible()  # from then on the page hears clicks
    page.locator(".board tbody tr").first.click()
    expect(page.locator(".alert-facts h2")).to_contain_text(SEEN)
    page.get_by_text("公告维护", exact=True).click()
    expect(page.locator("[class*=_work_kind]").get_by_role("radiogroup")).to_contain_text(SEEN)
    expect(page.locator("canvas").first).to_be_visible()
    is_harmless(page, asked)
