"""`python -m alerting`: the alerting process of the home that CITYRISK_HOME names, until SIGTERM or SIGINT."""

from __future__ import annotations

from alerting.serve import serve
from core.runtime.process import run_process

if __name__ == "__main__":
    run_process(serve)
