"""HTTP doors of ours: a server inside another process, whose connections cannot be held open for nothing.

A client has a few seconds for the head of each request, and so many connections; beyond that a connection is closed at
once, so that descriptors remain for the gateways.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_WITHIN_S = 10.0
KEEP_ALIVE_S = 5
MOST_CONNECTIONS = 128
MOST_OF_ADDRESS = 32
GUESSES, GUESSES_WITHIN = 10, timedelta(minutes=1)
_ADDRESSES = 10_000


class BoundedConnection(H11Protocol):
    """One connection with a time limit on every request's head and a place among so many."""

    head_within_s = HEAD_WITHIN_S
    most_connections = MOST_CONNECTIONS
    most_of_address = MOST_OF_ADDRESS
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a place, or close at once when there is none."""
        super().connection_made(transport)
        host = _host(self)
        of_address = sum(_host(one) == host for one in self.connections)
        if len(self.connections) > self.most_connections or of_address > self.most_of_address:
            transport.abort()
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head do not extend its time."""
        super().data_received(data)
        if self._is_of_no_request:
            self._wait_for_head()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _is_of_no_request(self) -> bool:
        """Whether nothing is being answered: no head yet, or a body that goes on after its answer."""
        return self.conn.their_state is h11.IDLE or self.conn.our_state is h11.DONE

    def _wait_for_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_within_s, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._is_of_no_request:
            self.transport.abort()


def _host(connection: object) -> str:
    client: tuple[str, int] | None = getattr(connection, "client", None)
    return client[0] if client else ""


class DoorServer(uvicorn.Server):
    """A server that leaves signals to the process it is part of."""

    def __init__(self, app: Any, host: str = "127.0.0.1", port: int = 0) -> None:
        """Not started: `serve` does that, on sockets of its own or on those it is given."""
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=BoundedConnection,
                ws="none",
                lifespan="off",
                log_config=None,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=32 * 1024,
                server_header=False,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Guesses:
    """Wrong tokens by address: whoever guesses too often is not asked again for a while."""

    def __init__(self) -> None:
        self._wrong: defaultdict[str, deque[datetime]] = defaultdict(deque)

    def is_blocked(self, address: str, now: datetime) -> bool:
        """Whether this address has guessed too often lately."""
        wrong = self._wrong.get(address)
        while wrong and now - wrong[0] >= GUESSES_WITHIN:
            wrong.popleft()
        if wrong is not None and not wrong:
            del self._wrong[address]
        return wrong is not None and len(wrong) >= GUESSES

    def note(self, address: str, now: datetime) -> None:
        """One more wrong token."""
        if len(self._wrong) >= _ADDRESSES:
            self._wrong.clear()
        self._wrong[address].append(now)
