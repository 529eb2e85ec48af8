from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from dashboards.serve import command
from ingest.settings import Home
from published import publish_city, remember_runs

ROOT = Path(__file__).resolve().parents[2]
# Silence Chromium itself, so that the log of requests is the page's own.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass(frozen=True)
class Site:
    """Running pages: where they are and the home that they show."""

    url: str
    home: Home


@contextmanager
def served(home: Home) -> Iterator[Site]:
    """Pages of a home, served as the process manager serves them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home.root / "pages.log"
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command(home.root, port), stdout=out, stderr=subprocess.STDOUT, cwd=home.root,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(home.root), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _answers(url, process)
        yield Site(url, home)
    finally:
        process.terminate()
        process.wait(timeout=20)
    said = log.read_text(encoding="utf-8")
    assert "Traceback" not in said, said


@retry(retry=retry_if_exception_type(httpx.HTTPError), stop=stop_after_delay(60), wait=wait_fixed(0.1), reraise=True)
def _answers(url: str, process: subprocess.Popen[bytes]) -> None:
    assert process.poll() is None, "the pages ended before they answered"
    httpx.get(f"{url}/_stcore/health", timeout=5, trust_env=False).raise_for_status()


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    """One headless Chromium."""
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
    opened.set_default_timeout(30_000)
    yield opened
    context.close()
