"""The channels of a home: their rows, and telling what waits when no process of channels runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from alerting.notify.channels.channel_config import ChannelConfig, ChannelConfigError, load_channel_config
from alerting.notify.channels.worker import drain
from alerting.rules.generations import generations
from core.contract import ContractError
from core.declarations import DeclarationError
from core.settings import Home
from orchestration.project import open_project, seed_folders

log = logging.getLogger(__name__)


def book_of(home: Home) -> ChannelConfig:
    """The channels of the newest rules generation, of the seeds where there is none yet. Raises ChannelConfigError."""
    with open_project(home) as project:
        return load_channel_config(*reversed(generations(home.root)[-1:]), *seed_folders(project))


def tell(home: Home, engine: sa.Engine, now: Callable[[], datetime]) -> None:
    """Let out what waits in the outbox, unless a channel worker of the home lives.

    What cannot be told now goes on waiting for the next run or a worker; a batch goes on without it.
    """
    try:
        book = book_of(home)
    except (ChannelConfigError, ContractError, DeclarationError, KeyError, ValueError, OSError) as error:
        log.error("no channel can be read, so this run tells nobody; what waits goes on waiting: %s", error)
        return
    try:
        asyncio.run(drain(engine, home, book, now))
    except sa.exc.SQLAlchemyError:
        log.exception("the outbox cannot be read; what waits is told by the next run or a worker")
