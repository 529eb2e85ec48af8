"""Bytes that an open page costs while nobody touches it: `python benchmarks/pages_idle.py URL [--seconds 30]`.

For each page of a running home (the address that `cityrisk demo` prints) Chromium is left open; what comes and goes
over its socket and by HTTP is counted from when the page stands. One JSON line: kB in and out, messages in.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter

from playwright.sync_api import Page, WebSocket, sync_playwright

PAGES = ("", "map", "feeds", "system-L02", "alerts")
SETTLES_MS = 8000
_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]


def main() -> None:
    """Open, wait, count, print one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("url")
    arguments.add_argument("--seconds", type=int, default=30)
    chosen = arguments.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_ARGUMENTS)
        found = {path or "today": idle(browser.new_page(), f"{chosen.url}/{path}", chosen.seconds) for path in PAGES}
        browser.close()
    print(json.dumps({"seconds": chosen.seconds, **found}))


def idle(page: Page, url: str, seconds: int) -> dict[str, float]:
    """What one page costs in so many seconds."""
    counted: Counter[str] = Counter()

    def listened(socket: WebSocket) -> None:
        socket.on("framereceived", lambda payload: counted.update(kb_in=len(payload), messages=1))
        socket.on("framesent", lambda payload: counted.update(kb_out=len(payload)))

    page.on("websocket", listened)
    page.on("requestfinished", lambda request: counted.update(kb_in=request.sizes()["responseBodySize"]))
    page.goto(url)
    page.locator(".cr h1").wait_for()
    page.wait_for_timeout(SETTLES_MS)
    counted.clear()
    page.wait_for_timeout(seconds * 1000)
    page.close()
    return {name: round(n / (1 if name == "messages" else 1000), 1) for name, n in sorted(counted.items())}


if __name__ == "__main__":
    main()
