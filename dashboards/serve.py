"""How the process manager starts the pages; `dashboards.__main__` is what it starts."""

from __future__ import annotations

import sys
from pathlib import Path


def command(home: Path, port: int) -> list[str]:
    """The command line that serves the pages of a home on loopback.

    The home goes through the environment by way of `env`: Streamlit's scripts have no arguments.
    """
    return ["env", f"CITYRISK_HOME={home}", sys.executable, "-m", "dashboards", str(port)]
