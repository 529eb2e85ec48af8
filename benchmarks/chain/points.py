"""How much memory alerting needs when very many points (device and metric) are alive."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from benchmarks.chain.flowing import order_of, started_generator, totals
from benchmarks.chain.outcome import alerted_to, last_sequences, settle
from benchmarks.chain.place import Fleet
from benchmarks.chain.programs import Chain
from core.store import database

ROUNDS = 3
CAUGHT_UP_WITHIN_S = 300.0


def points(chain: Chain, fleet: Fleet, options: argparse.Namespace) -> dict[str, Any]:
    """Every device speaks three times; give it enough of them with `--gas` and `--tunnel`."""
    n_points = 4 * len(fleet.gas) + 5 * len(fleet.tunnel)
    order = order_of(chain, fleet, "hundreds", options.rate, ROUNDS * n_points / options.rate)
    engine = database.open_ops(chain.home.ops_url)
    with chain.measured() as used:
        sent = totals(started_generator(order))
        _, live = asyncio.run(last_sequences(chain.home))
        settle(lambda: alerted_to(engine) >= live, CAUGHT_UP_WITHIN_S, "alerting's catching up")
    engine.dispose()
    return {"points": n_points, "readings": sent["readings"], "seconds": sent["seconds"], **used.as_json()}
