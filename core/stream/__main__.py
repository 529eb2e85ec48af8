"""`python -m core.stream`: become the broker of the home that CITYRISK_HOME names."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from core.settings import open_home
from core.stream.broker import run_broker

if __name__ == "__main__":
    run_broker(open_home(os.environ), datetime.now(UTC), os.environ)
