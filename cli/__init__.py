"""The command line: `cityrisk VERB`. Exit 0 done, 1 failed, 2 wrong use; `--json` where data is printed.

Verbs only parse, call and print; nothing is decided here. Heavy libraries are imported inside the verb that needs
them, so that `cityrisk --help` answers at once and a core install runs every verb that it can.
"""

from __future__ import annotations

from cli import (
    alerts,
    backtest,
    channels,
    checks,
    data,
    decode,
    demo,
    feeds,
    operations,
    processes,
    quarantine,
    requests,
    rules,
    run,
    schedules,
    serve,
    systems,
    users,
)
from cli.shell import app

__all__ = [
    "alerts",
    "app",
    "backtest",
    "channels",
    "checks",
    "data",
    "decode",
    "demo",
    "feeds",
    "operations",
    "processes",
    "quarantine",
    "requests",
    "rules",
    "run",
    "schedules",
    "serve",
    "systems",
    "users",
]
