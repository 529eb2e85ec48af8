"""The UDP door of a protocol: a datagram holds one frame or several whole ones; answers go back where it came from.

UDP says nothing of who sent it and holds nobody back: beyond the limits datagrams are dropped, unanswered, and a device
sends again what was not answered.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import cast

from ingest.devices.frame_handler import FrameHandler, Peer, Refused, TakenFrame
from ingest.devices.frame_sink import FrameSink
from ingest.devices.limits import Bucket, GatewayLimits
from ingest.protocols import BadFrame

ADDRESSES_KEPT = 10_000

Address = tuple[str, int]


class DatagramDoor(asyncio.DatagramProtocol):
    """Takes datagrams of one protocol."""

    def __init__(self, handler: FrameHandler, sink: FrameSink, limits: GatewayLimits) -> None:
        self._handler, self._sink, self._limits = handler, sink, limits
        self._transport: asyncio.DatagramTransport | None = None
        self._clock = asyncio.get_running_loop().time
        self._peers: OrderedDict[str, tuple[Bucket, Peer]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Judge a datagram unless a limit says no."""
        bucket, peer = self._peer(addr[0])
        if not bucket.has(1, self._clock()):
            self._handler.counts.turned_away.labels("rate").inc()
        elif len(self._tasks) >= self._limits.datagrams:
            self._handler.counts.turned_away.labels("datagrams").inc()
        else:
            task = asyncio.get_running_loop().create_task(self._handle(data, addr, peer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Close the socket; what is under way is not answered."""
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.close()

    def _peer(self, host: str) -> tuple[Bucket, Peer]:
        """What is remembered of an address; the one that was silent longest is forgotten."""
        found = self._peers.get(host)
        if found is None:
            bucket = Bucket(self._limits.frames_per_s, self._limits.burst, self._clock())
            found = self._peers[host] = (bucket, Peer("udp", host))
            if len(self._peers) > ADDRESSES_KEPT:
                self._peers.popitem(last=False)
        self._peers.move_to_end(host)
        return found

    async def _handle(self, data: bytes, addr: Address, peer: Peer) -> None:
        splitter = self._handler.codec.splitter(self._handler.lenient)
        several: list[TakenFrame] = []
        replies: list[bytes] = []
        for piece in [*splitter.feed(data), *splitter.close()]:
            try:
                if isinstance(piece, BadFrame):
                    raise piece
                taken = self._handler.take(piece, peer)
            except BadFrame as bad:
                noted = self._handler.note_bad(bad, bad.data if isinstance(piece, BadFrame) else piece, peer)
                if noted is None:
                    continue
                taken = noted
            except Refused as refused:
                several += refused.heard
                replies += refused.replies
                continue
            several.append(taken)
            replies += taken.replies
        await self._sink.keep(several)
        for reply in replies:
            if self._transport is not None and not self._transport.is_closing():
                self._transport.sendto(reply, addr)
