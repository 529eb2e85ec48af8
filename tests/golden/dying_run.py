"""One batch over a home in a process of its own, which dies in the midst of a step as by `kill -9`.

`python -m golden.dying_run HOME RUN_ID NOW STEP`: in fetch while a batch is being recorded whose files are written, in
check when verdicts are known and nothing is admitted, in build between two models, in upkeep between two chores.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import dbt.cli.main

import orchestration.upkeep
import quality.admit
from core.catalogue import load_contracts
from core.settings import open_home
from core.store import ledger
from core.store.database import open_ops
from orchestration.batch import Batch, run_batch

RECORDED, MODELS = 3, 20  # how many go well before


def main() -> None:
    """Run until death."""
    root, run_id, now, step = sys.argv[1:]
    home = open_home(os.environ, Path(root))
    {"fetch": die_in_fetch, "check": die_in_check, "build": die_in_build, "upkeep": die_in_upkeep}[step]()
    at = datetime.fromisoformat(now)
    run_batch(Batch(home, open_ops(home.ops_url), load_contracts(), run_id, lambda: at, "420500"))


def after(calls: int, real: Callable[..., Any] = lambda *_, **__: None) -> Callable[..., Any]:
    """A function that does what the real one does so many times, and then ends the process."""
    left = [calls]

    def dying(*arguments: Any, **options: Any) -> Any:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(*arguments, **options)

    return dying


def die_in_fetch() -> None:
    """Inside the transaction that makes a batch live."""
    ledger.move_cursor = after(RECORDED, ledger.move_cursor)


def die_in_check() -> None:
    """Before anything is admitted."""
    quality.admit.admit = after(0)


def die_in_build() -> None:
    """While dbt builds."""
    real, count = dbt.cli.main.dbtRunner, after(MODELS)

    def built(event: Any) -> None:
        if event.info.name == "LogModelResult":
            count()

    def dying(manifest: Any, callbacks: Sequence[Any]) -> Any:
        return real(manifest, callbacks=[*callbacks, built])

    dbt.cli.main.dbtRunner = dying  # type: ignore[misc, assignment]


def die_in_upkeep() -> None:
    """After publishing and merging, before old facts go."""
    orchestration.upkeep.expire = after(0)


if __name__ == "__main__":
    main()
