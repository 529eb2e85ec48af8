"""Tasks of an event loop that are ended from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

CANCEL_AGAIN_AFTER_S = 1.0  # long enough for a task to close its connection after the first time


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until each has ended. What they raised is the caller's to ask for.

    Once is not enough: in Python 3.11 `asyncio.wait_for`, which the broker's client uses for every request and
    connection, drops a cancellation that comes in the same turn of the loop as the answer. On a crowded machine one
    task in eight went on for ever (measured: 202 of 1,600 that talked with a broker).
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_AFTER_S)


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts of a process until each has ended. When one raises, the others are cancelled and its error goes on.

    `asyncio.TaskGroup` cancels once and waits for ever where that cancellation is dropped.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await ended(tasks)
    for task in done:
        task.result()
