"""Readings at a given rate over MQTT, for benchmarks: frames are put together from parts made beforehand.

What is sent is quiet readings of utility tunnels, a hundred a message (twenty stations at one moment, five values) or
one a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from city.live.acknowledged import Acknowledged, folder_of
from city.live.fleet import Fleet
from city.live.mqtt import Publisher
from city.live.noise import between
from city.live.surroundings import Surroundings

DEPARTMENT, FEED = "urban", "urban.tunnel_reading"
ROWS, VALUES = 20, 5
TICK_S = 0.005
MOST_BEHIND_S = 0.5
WINDOW = 20_000
_VARIANTS = 8

Sent = tuple[str, int, int]  # device, time in ms since 1970, readings


@dataclass(frozen=True)
class Loaded:
    """What a load came to: readings sent and acknowledged, seconds it took until the last answer."""

    sent: int
    acknowledged: int
    seconds: float
    left_messages: int


class _Template:
    """One message with everything but its time: the time is put between the parts."""

    def __init__(self, devices: Sequence[str], variant: int, per_message: int) -> None:
        self.device, self.n_readings = devices[0], per_message
        self.topic = f"{FEED.replace('.', '/')}/{self.device}"
        rows = [_row(device, number, variant, per_message) for number, device in enumerate(devices)]
        text = f"[{','.join(rows)}]" if len(rows) > 1 else rows[0]
        self.parts = [part.encode() for part in text.split("@")]
        self.last_ms = 0

    def at(self, at_ms: int) -> tuple[str, bytes, Sent]:
        """The message of a moment; a device never tells the same millisecond twice."""
        self.last_ms = at_ms = max(at_ms, self.last_ms + 1)
        return self.topic, b"%d".__mod__(at_ms).join(self.parts), (self.device, at_ms, self.n_readings)


def _row(device: str, number: int, variant: int, per_message: int) -> str:
    head = f'{{"deviceId":"{device}","ts":@,'
    if per_message == 1:
        return f'{head}"temp":{between(15, 22, number, variant, 1):.2f},"st":"0"}}'
    return (
        f'{head}"ch4":{between(0, 2.5, number, variant, 2):.2f},"o2":{between(20.3, 20.9, number, variant, 3):.2f},'
        f'"h2s":{between(0, 2, number, variant, 4):.2f},"temp":{between(15, 22, number, variant, 5):.2f},'
        f'"rh":{between(60, 80, number, variant, 6):.2f},"st":"0"}}'
    )


async def load(
    home: Path,
    around: Surroundings,
    stop: asyncio.Event,
    now: Callable[[], datetime],
    *,
    rate: float,
    seconds: float,
    per_message: int = ROWS * VALUES,
    notes: bool = True,
) -> Loaded:
    """Send `rate` readings a second for `seconds`; when answers fail to come, no more than a window is under way.

    With `notes` each acknowledged message stands in `city/live/acknowledged/` with its first row. Raises ValueError
    for a `per_message` that is neither 1 nor 100, RuntimeError without a password for the department.
    """
    templates = _templates(Fleet.load(home), per_message)
    password = around.password(DEPARTMENT)
    ledger, done = Acknowledged(folder_of(home)), [0]

    def heard(sent: Sent) -> None:
        done[0] += sent[2]
        if notes:
            ledger.add_at(FEED, sent[0], sent[1] * 1000, sent[2], now())

    publisher: Publisher[Sent] = Publisher(DEPARTMENT, password, f"{DEPARTMENT}-load", heard, WINDOW)
    opened = asyncio.create_task(publisher.keep_open(partial(around.place, "mqtt")))
    clock = asyncio.get_running_loop().time
    begun = clock()
    try:
        sent = await _send(publisher, templates, rate / per_message, seconds, stop, now)
        while publisher.pending and clock() - begun < seconds + 60 and not stop.is_set():
            await asyncio.sleep(TICK_S)
        return Loaded(sent * per_message, done[0], clock() - begun, publisher.pending)
    finally:
        opened.cancel()
        await asyncio.gather(opened, return_exceptions=True)
        ledger.flush()


def _templates(fleet: Fleet, per_message: int) -> list[_Template]:
    """Groups of stations in turn, each in several variants of values."""
    if per_message not in (1, ROWS * VALUES):
        raise ValueError(f"{per_message} readings a message; expected 1 or {ROWS * VALUES}")
    devices = [str(row["设备编码"]) for row in fleet.registers["urban.tunnel_device"]]
    size = 1 if per_message == 1 else min(ROWS, len(devices))
    groups = [devices[at : at + size] for at in range(0, len(devices) - size + 1, size)]
    if per_message > 1 and size < ROWS:  # a small city: the same stations again, each row a value fewer than agreed
        raise ValueError(f"{len(devices)} tunnel stations; a hundred readings a message need {ROWS}")
    by_group = [[_Template(group, variant, per_message) for variant in range(_VARIANTS)] for group in groups]
    return [several[variant] for variant in range(_VARIANTS) for several in by_group]


async def _send(
    publisher: Publisher[Sent],
    templates: Sequence[_Template],
    per_s: float,
    seconds: float,
    stop: asyncio.Event,
    now: Callable[[], datetime],
) -> int:
    """Messages at an even pace; a sender that could not keep up for long does not make up for all of it."""
    clock = asyncio.get_running_loop().time
    begun, sent, skipped = clock(), 0, 0.0
    last_of: dict[str, int] = {}
    while (spent := clock() - begun) < seconds and not stop.is_set():
        due = int(spent * per_s - skipped) - sent
        if due > MOST_BEHIND_S * per_s:
            skipped += due - MOST_BEHIND_S * per_s
            due = int(MOST_BEHIND_S * per_s)
        room = WINDOW - publisher.pending
        at_ms, messages = int(now().timestamp() * 1000), []
        for number in range(sent, sent + min(due, room)):
            template = templates[number % len(templates)]
            template.last_ms = max(template.last_ms, last_of.get(template.device, 0))
            messages.append(template.at(at_ms))
            last_of[template.device] = template.last_ms
        if messages:
            publisher.offer_all(messages)
            sent += len(messages)
        await asyncio.sleep(TICK_S)
    return sent
