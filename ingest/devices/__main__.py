"""`python -m ingest.devices`: the listening process of the home that CITYRISK_HOME names, until SIGTERM or SIGINT."""

from __future__ import annotations

from core.runtime.process import run_process
from ingest.devices.serve import serve

if __name__ == "__main__":
    run_process(serve)
