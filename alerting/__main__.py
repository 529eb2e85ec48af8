"""`python -m alerting`: the alerting process of the home that CITYRISK_HOME names, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from datetime import UTC, datetime

from alerting.serve import serve
from core.catalogue import load_contracts
from core.settings import open_home
from core.system import systems_root


def main() -> None:
    """Alert until a signal ends it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(_until_signal())


async def _until_signal() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    contracts = load_contracts(systems_root(os.environ))
    await serve(open_home(os.environ), contracts, lambda: datetime.now(UTC), stop)


if __name__ == "__main__":
    main()
