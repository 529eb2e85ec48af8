"""How the process manager starts the pages."""

from __future__ import annotations

import sys
from pathlib import Path

APP = Path(__file__).with_name("app.py")


def command(home: Path, port: int) -> list[str]:
    """The command line that serves the pages of a home on loopback; start it with CITYRISK_HOME set to that home.

    Streamlit hides an option's place from its scripts, so the home goes through the environment by way of `env`.
    """
    return [
        "env",
        f"CITYRISK_HOME={home}",
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(APP),
        f"--server.port={port}",
        "--server.address=127.0.0.1",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
    ]
