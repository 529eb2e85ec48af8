"""What every channel can do, and the three ways in which it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from alerting.notify.channels.message import Message


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the receiver said when it took a message (JSON values, no secrets)."""

    answer: str
    details: Mapping[str, object] = field(default_factory=dict)


class NotTaken(Exception):
    """The receiver could not be reached or wants to be asked again, not before `after` when it said so."""

    def __init__(self, reason: str, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Refused(Exception):
    """The receiver, or we ourselves, will never take this message; says why."""


class NotSetUp(Exception):
    """The home gives a channel no address, no secret, or one that cannot be used; says which variable and what for."""


class Channel(Protocol):
    """One way out."""

    async def send(self, message: Message, now: datetime) -> Receipt:
        """Hand a message over. Raises NotTaken or Refused.

        The same message may come again after a crash: whatever carries it names its `key`, so that the receiver can
        tell.
        """

    def shape(self, message: Message, now: datetime) -> Mapping[str, object]:
        """What `send` would hand over, for a dry run: JSON values, no address and no secret."""

    async def aclose(self) -> None:
        """Let go of connections."""
