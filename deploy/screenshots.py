"""Draw the README's pictures: every page of a home and that of one system, both languages, laptop and phone.

`python deploy/screenshots.py HOME [--out docs/screenshots]`. Starts the pages of that home, draws them in the
Chromium of the machine, and stops them again. Nothing is asked of the network. Alerts are those of the home's store,
the worst one chosen; the page says so when alerting is not running meanwhile (`cityrisk up`).
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dashboards.serve import command  # noqa: E402 the project may not be installed

PAGES = {
    "today": "",
    "alerts": "alerts",
    "map": "map",
    "feeds": "feeds",
    "devices": "devices",
    "systems": "systems",
    "system": "system-N04",
}
TALLEST = {"system": 1500}  # the top of a page that is longer
LANGUAGES = ("zh", "en")
SIZES = {"": (1366, 768), "_phone": (390, 844)}
START_UP_S = 60
CHOOSABLE = ".board tbody tr"


def main() -> int:
    """Draw all pictures into the folder; 1 when the machine has no Chromium."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--pages", nargs="+", choices=PAGES, default=list(PAGES))
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("no Chromium on this machine: as root `apt-get install chromium`", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(command(options.home.absolute(), port), cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/_stcore/health")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for name in options.pages:
                for language in LANGUAGES:
                    for suffix, size in SIZES.items():
                        out = options.out / f"{name}_{language}{suffix}.png"
                        draw(browser, f"{url}/{PAGES[name]}?lang={language}", size, out, TALLEST.get(name, 2600))
                        print(out)
            browser.close()
    finally:
        process.terminate()
        process.wait()
    return 0


def wait_for(url: str) -> None:
    """Return when the address answers. Raises TimeoutError when it does not."""
    end = time.monotonic() + START_UP_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(f"{url} did not answer in {START_UP_S} s")


def draw(browser: Browser, url: str, size: tuple[int, int], out: Path, tallest: int) -> None:
    """One picture of a whole page, as tall as the page is, at most `tallest`."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1.5)
    page.goto(url)
    page.wait_for_selector(".cr h1")
    page.wait_for_selector('[data-test-script-state="notRunning"]')
    page.wait_for_load_state("networkidle")
    if page.locator(CHOOSABLE).count():
        page.locator(CHOOSABLE).first.click()
        page.wait_for_selector(".alert-facts")
        page.wait_for_load_state("networkidle")
    tall = int(page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight"))
    page.set_viewport_size({"width": width, "height": min(tall + 10, tallest)})
    page.wait_for_timeout(800)  # charts fit themselves to the new size
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    # Flat colours: a palette holds them in a quarter of the bytes.
    drawn = Image.open(BytesIO(page.screenshot())).convert("RGB")
    palette = drawn.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)  # keeps rare colours
    palette.save(out, optimize=True)
    page.close()


if __name__ == "__main__":
    sys.exit(main())
