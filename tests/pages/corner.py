"""The corner of a page where people log in and out, as a browser uses it."""

from __future__ import annotations

import re

from alerted_home import PASSWORD
from playwright.sync_api import Locator, Page, expect


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Go from an open page to the form, and come back as somebody."""
    try_to_log_in(page, name, password)
    expect(page.locator(".st-key-login_box button").first).to_contain_text(name)


def try_to_log_in(page: Page, name: str, password: str) -> None:
    """Go from an open page to the form and fill it."""
    page.locator(".st-key-login_box a").click()
    page.get_by_label(re.compile("^(用户名|User name)$")).fill(name)
    page.get_by_label(re.compile("^(密码|Password)$")).fill(password)
    page.locator("form button").click()


def log_out(page: Page) -> None:
    """Leave by the corner of an open page."""
    page.locator(".st-key-login_box button").first.click()
    page.get_by_role("button", name=re.compile("^(退出|Log out)$")).click()
    expect(page.locator(".st-key-login_box a")).to_have_text(re.compile("^(登录|Log in)$"))


def fresh(page: Page, css: str) -> Locator:
    """What the newest run of a page drew: until it ends, parts of the run before stand beside those that follow them.

    For what is inside an element; a container of elements is never marked stale.
    """
    return page.locator(f'{css}:is([data-stale="false"], [data-stale="false"] *)')
