"""Who is logged in to the pages, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alerted_home import PASSWORD, AlertedHome
from corner import log_in, log_out, try_to_log_in
from playwright.sync_api import Page, expect

from core.settings import Home
from core.store import tables
from served_pages import Site, served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> AlertedHome:
    """A home with two people of different tongues."""
    made = AlertedHome(Home(tmp_path_factory.mktemp("login"), {}))
    made.person("zhang")
    made.person("smith", language="en")
    return made


@pytest.fixture(scope="module")
def staffed_site(staffed: AlertedHome) -> Iterator[Site]:
    """The pages of that home."""
    with served(staffed.home) as running:
        yield running


def log_in_at(page: Page, site: Site, name: str, path: str = "feeds") -> None:
    """Open a page and log in there."""
    page.goto(f"{site.url}/{path}?lang=zh")
    log_in(page, name)


def kept_cookies(page: Page) -> list[Any]:
    """Cookies of ours that the browser keeps; Streamlit has some of its own, which say nothing of the person."""
    return [one for one in page.context.cookies() if one["name"].startswith("cityrisk_")]


def sessions(home: AlertedHome) -> list[dict[str, object]]:
    """Sessions as the store has them."""
    return home.rows(sa.select(tables.app_session).order_by(tables.app_session.c.created_at))


def test_a_wrong_password_logs_nobody_in(page: Page, staffed: AlertedHome, staffed_site: Site) -> None:
    before = len(sessions(staffed))
    page.goto(f"{staffed_site.url}/feeds?lang=en")
    for name, password in (("zhang", "not-this-one"), ("nobody", PASSWORD)):
        try_to_log_in(page, name, password)
        expect(page.get_by_role("alert")).to_contain_text("Wrong name or password")
        page.get_by_role("link", name="Back without a login").click()
        expect(page.locator(".cr h1")).to_have_text("Feed health")
        expect(page.locator(".st-key-login_box a")).to_have_text("Log in")
    assert len(sessions(staffed)) == before
    assert kept_cookies(page) == []


@pytest.mark.case("security.M9")
def test_a_login_lasts_over_pages_and_a_reload_until_it_is_ended(
    page: Page, staffed: AlertedHome, staffed_site: Site
) -> None:
    corner = page.locator(".st-key-login_box button").first
    log_in_at(page, staffed_site, "zhang")
    expect(page.locator(".cr h1")).to_have_text("数据接入")
    page.get_by_role("link", name="实时预警").click()
    expect(page.locator(".cr h1")).to_have_text("实时预警")
    expect(corner).to_contain_text("zhang")
    page.reload()
    expect(corner).to_contain_text("zhang")
    kept = kept_cookies(page)
    assert [(one["sameSite"], one["httpOnly"], one["secure"]) for one in kept] == [("Strict", True, False)]
    assert "cityrisk" not in page.evaluate("document.cookie"), "a script of the page reads who is logged in"
    newest = sessions(staffed)[-1]
    assert newest["user_name"] == "zhang"
    assert kept[0]["value"] not in str(newest), "the store must not hold what opens a session"
    log_out(page)
    expect(page.locator(".cr h1")).to_have_text("实时预警")
    assert kept_cookies(page) == []
    assert sessions(staffed)[-1]["ended_at"] is not None
    # The old cookie opens nothing any more, wherever it was kept.
    page.context.add_cookies([{"name": kept[0]["name"], "value": kept[0]["value"], "url": staffed_site.url}])
    page.reload()
    expect(page.locator(".st-key-login_box a")).to_have_text("登录")


def test_pages_speak_the_language_of_the_person(page: Page, staffed_site: Site) -> None:
    log_in_at(page, staffed_site, "smith", path="alerts")
    expect(page.locator(".cr h1")).to_have_text("Alerts live")
    expect(page.locator(".st-key-login_box button").first).to_contain_text("smith")
    page.get_by_role("button", name="中文").click()
    expect(page.locator(".cr h1")).to_have_text("实时预警")


def test_another_browser_is_not_logged_in(page: Page, staffed_site: Site) -> None:
    log_in_at(page, staffed_site, "zhang")
    browser = page.context.browser
    assert browser is not None
    with browser.new_context(locale="zh-CN") as context:
        other = context.new_page()
        other.goto(f"{staffed_site.url}/?lang=zh")
        expect(other.locator(".st-key-login_box a")).to_have_text("登录")
