from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.settings import Home
from published import publish_city, remember_runs
from served_pages import CHROMIUM_ARGUMENTS, Site, served
from waiting import PATIENCE_S


@pytest.fixture(scope="module")  # its event loop must not outlive it: tests after it have loops of their own
def browser(chromium: Path) -> Iterator[Browser]:
    """One headless Chromium."""
    expect.set_options(timeout=PATIENCE_S * 1000)  # the first page of a process reads the outlines of the whole country
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(chromium), args=CHROMIUM_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Pages of a made-up city that was published just now, in which one feed is silent."""
    home = Home(tmp_path_factory.mktemp("pages"), {})
    now = datetime.now(UTC)
    publish_city(home, now)
    remember_runs(home, now)
    with served(home) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new page of laptop size that remembers every request it makes."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN")
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_S * 1000)
    yield opened
    context.close()
