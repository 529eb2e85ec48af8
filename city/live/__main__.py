"""`python -m city.live`: the devices of a built city speak to the product that runs in its home."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from city.live.fleet import Fleet
from city.live.load import Loaded, load
from city.live.plan import make_plan
from city.live.play import Played, as_line, play
from city.live.surroundings import PROTOCOL_PORTS, Surroundings, surroundings_of

PRODUCT_WITHIN_S, LOOK_AGAIN_S = 60.0, 0.2


def main() -> None:
    """Play a plan, or send at a rate, and print the account as one JSON line."""
    given = _arguments()
    done = asyncio.run(_run(given))
    print(json.dumps(as_line(done) if isinstance(done, Played) else vars(done), ensure_ascii=False))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m city.live", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--speed", default="1", help="times faster than life, or max")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long a span of the city's life")
    parser.add_argument("--incidents", choices=("default", "quiet"), default="default")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the devices that are there")
    parser.add_argument("--thin", type=float, default=1.0, help="times more rarely than usual")
    parser.add_argument("--rate", type=float, help="no plan: so many readings a second")
    parser.add_argument("--per-message", type=int, choices=(1, 100), default=100)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a load")
    return parser.parse_args()


async def _run(given: argparse.Namespace) -> Played | Loaded:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    home = given.home.resolve()
    around = await _product(home, stop)
    if given.rate:
        return await load(
            home, around, stop, _now, rate=given.rate, seconds=given.seconds, per_message=given.per_message
        )
    speed = None if given.speed == "max" else float(given.speed)
    fleet, span = Fleet.load(home), timedelta(minutes=given.minutes)
    # Faster than life is the past: a reading from the future would be refused.
    begin = _now() - (span if speed is None else span * max(0.0, 1 - 1 / speed))
    plan = make_plan(fleet, begin, begin + span, given.incidents)
    speakers = fleet.speakers(plan.incidents, given.thin, bystanders=given.scale)
    return await play(home, plan, stop, _now, around, speed=speed, speakers=speakers)


async def _product(home: Path, stop: asyncio.Event) -> Surroundings:
    """Where the product listens, as soon as it has said so: all of it starts at the same moment."""
    deadline = asyncio.get_running_loop().time() + PRODUCT_WITHIN_S
    while True:
        around = surroundings_of(home, os.environ)
        is_known = around.ports.keys() >= {*PROTOCOL_PORTS, "mqtt"}
        if is_known or stop.is_set() or asyncio.get_running_loop().time() > deadline:
            return around
        await asyncio.sleep(LOOK_AGAIN_S)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
