"""Pages of a home, running, for tests that draw them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from core.settings import Home
from dashboards.serve import command
from own_ports import own_port
from waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[1]
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
    port = own_port()
    log = home.root / "pages.log"
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command(home.root, port),
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=home.root,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(home.root), "PYTHONPATH": str(ROOT)},
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _answers(url, process)
        yield Site(url, home)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
    said = log.read_text(encoding="utf-8")
    # Of a browser that goes Streamlit may tell so; ours must not fail anywhere.
    ours = [trace for trace in said.split("Traceback")[1:] if f'File "{ROOT}/dashboards/' in trace]
    assert not ours, said


@retry(
    retry=retry_if_exception_type(httpx.HTTPError),
    stop=stop_after_delay(PATIENCE_S),
    wait=wait_fixed(0.1),
    reraise=True,
)
def _answers(url: str, process: subprocess.Popen[bytes]) -> None:
    assert process.poll() is None, "the pages ended before they answered"
    httpx.get(f"{url}/_stcore/health", timeout=PATIENCE_S, trust_env=False).raise_for_status()
