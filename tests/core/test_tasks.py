"""Tasks end when they are told to, also where Python drops a cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import time

import nats.errors
import pytest

from broker_server import BrokerServer
from core import tasks
from core.stream import client
from core.tasks import ended, together
from waiting import PATIENCE_S


async def test_a_task_that_drops_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_AFTER_S", 0.01)
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    dropped = asyncio.Event()

    async def talk() -> None:
        await asyncio.wait_for(answer, 60)
        dropped.set()
        await asyncio.Event().wait()

    talking = asyncio.create_task(talk())
    await asyncio.sleep(0)
    answer.set_result(None)  # in the same turn of the loop as the first cancellation
    async with asyncio.timeout(PATIENCE_S):
        await ended([talking])
    assert dropped.is_set(), "this Python drops none: what is tested here can go"
    assert talking.cancelled()


async def test_nothing_to_end_takes_no_time() -> None:
    await ended([])


async def test_a_broker_that_refuses_us_is_given_up_in_time_by_everyone(
    broker: BrokerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CONNECT_WITHIN_S", 0.6)
    loop = asyncio.get_running_loop()
    # On a crowded machine the loop stands still just when time is up, and answers lie there with the cancellation.
    for late_by_s in (0.5, 0.9):
        loop.call_later(late_by_s, time.sleep, 0.2)
    async with asyncio.timeout(PATIENCE_S):
        tried = [client.connect(broker.home, "test", "nobody") for _ in range(40)]
        found = await asyncio.gather(*tried, return_exceptions=True)
    assert all(isinstance(one, (nats.errors.Error, OSError)) for one in found), found
    assert all("Authorization" in str(one) for one in found), found


async def test_parts_of_a_process_end_with_the_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_AFTER_S", 0.01)
    stopped: list[str] = []

    async def stubborn() -> None:
        for _ in range(2):  # drops the first cancellation, as `wait_for` may
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        stopped.append("stubborn")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise LookupError("a defect")

    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(LookupError, match="a defect"):
            await together(stubborn(), failing())
    assert stopped == ["stubborn"]
