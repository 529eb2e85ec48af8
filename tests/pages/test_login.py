"""Who is logged in to the pages, and for how long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alerted_home import PASSWORD, AlertedHome
from playwright.sync_api import Page, expect

from alerting import tables
from ingest.settings import Home
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


def corner(page: Page) -> str:
    """What the corner of the page says."""
    expect(page.locator('[data-testid="stApp"]')).to_have_attribute("data-test-script-state", "notRunning")
    return page.locator(".st-key-login_box button").first.inner_text()


def log_in(page: Page, site: Site, name: str, password: str, path: str = "feeds") -> None:
    """Open a page and log in there."""
    page.goto(f"{site.url}/{path}?lang=zh")
    page.locator(".st-key-login_box button").first.click()
    page.get_by_label("用户名").fill(name)
    page.get_by_label("密码", exact=True).fill(password)
    page.locator('[data-testid="stFormSubmitButton"] button').click()


def sessions(home: AlertedHome) -> list[dict[str, object]]:
    """Sessions as the store has them."""
    return home.rows(sa.select(tables.app_session).order_by(tables.app_session.c.created_at))


def test_a_wrong_password_logs_nobody_in(page: Page, staffed: AlertedHome, staffed_site: Site) -> None:
    before = len(sessions(staffed))
    log_in(page, staffed_site, "zhang", "not-this-one")
    expect(page.get_by_text("用户名或密码不对")).to_be_visible()
    assert "登录" in corner(page)
    log_in(page, staffed_site, "nobody", PASSWORD)
    expect(page.get_by_text("用户名或密码不对")).to_be_visible()
    assert len(sessions(staffed)) == before


def test_a_login_lasts_over_pages_and_a_reload_until_it_is_ended(
    page: Page, staffed: AlertedHome, staffed_site: Site
) -> None:
    log_in(page, staffed_site, "zhang", PASSWORD)
    expect(page.locator(".st-key-login_box button").first).to_contain_text("zhang")
    page.get_by_role("link", name="实时预警").click()
    expect(page.locator(".cr h1")).to_have_text("实时预警")
    assert "zhang" in corner(page)
    page.reload()
    expect(page.locator(".st-key-login_box button").first).to_contain_text("zhang")
    kept = [one for one in page.context.cookies() if one["name"].startswith("cityrisk_")]
    assert [one["sameSite"] for one in kept] == ["Strict"]
    newest = sessions(staffed)[-1]
    assert newest["user_name"] == "zhang"
    assert kept[0]["value"] not in str(newest), "the store must not hold what opens a session"
    page.locator(".st-key-login_box button").first.click()
    page.get_by_role("button", name="退出").click()
    expect(page.locator(".st-key-login_box button").first).to_contain_text("登录")
    assert sessions(staffed)[-1]["ended_at"] is not None
    # The old cookie opens nothing any more, wherever it was kept.
    page.context.add_cookies([{"name": kept[0]["name"], "value": kept[0]["value"], "url": staffed_site.url}])
    page.reload()
    expect(page.locator(".st-key-login_box button").first).to_contain_text("登录")


def test_pages_speak_the_language_of_the_person(page: Page, staffed_site: Site) -> None:
    log_in(page, staffed_site, "smith", PASSWORD, path="alerts")
    expect(page.locator(".cr h1")).to_have_text("Alerts live")
    expect(page.locator(".st-key-login_box button").first).to_contain_text("smith")
    page.get_by_role("button", name="中文").click()
    expect(page.locator(".cr h1")).to_have_text("实时预警")


def test_another_browser_is_not_logged_in(page: Page, staffed_site: Site) -> None:
    log_in(page, staffed_site, "zhang", PASSWORD)
    expect(page.locator(".st-key-login_box button").first).to_contain_text("zhang")
    browser = page.context.browser
    assert browser is not None
    with browser.new_context(locale="zh-CN") as context:
        other = context.new_page()
        other.goto(f"{staffed_site.url}/?lang=zh")
        expect(other.locator(".st-key-login_box button").first).to_contain_text("登录")
