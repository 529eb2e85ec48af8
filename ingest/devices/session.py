"""One TCP connection of a gateway: read, judge, store, answer; whatever is wrong with it costs this connection only.

Answers leave after the broker has the frames they answer. Nothing is read meanwhile, so a device that sends faster than
the broker stores is held back by TCP itself. Only good frames of known devices keep a connection open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from ingest.devices.frame_handler import FrameHandler, Peer, Refused, TakenFrame
from ingest.devices.frame_sink import FrameSink
from ingest.devices.limits import Bucket, GatewayLimits
from ingest.protocols import BadFrame

log = logging.getLogger(__name__)

CHUNK_BYTES = 16 * 1024


class Ended(Exception):
    """The connection ends; `cause` is counted."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Session:
    """A connection from its opening to its end."""

    def __init__(
        self,
        handler: FrameHandler,
        sink: FrameSink,
        limits: GatewayLimits,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        address: str,
    ) -> None:
        self._handler, self._sink, self._limits = handler, sink, limits
        self._reader, self._writer = reader, writer
        self._peer = Peer("tcp", address)
        self._splitter = handler.codec.splitter(handler.lenient)
        self._clock = asyncio.get_running_loop().time
        self._bucket = Bucket(limits.frames_per_s, limits.burst, self._clock())
        self._deadline = self._clock() + limits.first_frame_s
        self._bad_in_a_row = 0
        self._devices: dict[tuple[str, str], None] = {}

    async def run(self) -> str:
        """Serve the connection; gives the cause of its end."""
        try:
            while True:
                data = await self._read()
                pieces = self._splitter.feed(data) if data else self._splitter.close()
                await self._handle(pieces)
                if not data:
                    return "peer"
                debt_s = self._bucket.take(max(1, len(pieces)), self._clock())
                if debt_s:
                    await asyncio.sleep(debt_s)
        except Ended as ended:
            return ended.cause
        except (ConnectionError, TimeoutError):
            return "broken"
        finally:
            now = self._handler.now()
            for feed, device in self._devices:
                self._handler.links.connected(feed, device, -1, now)

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._reader.read(CHUNK_BYTES)
        except TimeoutError:
            raise Ended("idle" if self._devices else "no_frame") from None

    async def _handle(self, pieces: list[bytes | BadFrame]) -> None:
        """Judge what came, store what is good, then answer it; a refusal ends the connection after that."""
        several: list[TakenFrame] = []
        replies: list[bytes] = []
        end: Ended | None = None
        for piece in pieces:
            try:
                self._take(piece, several, replies)
            except Refused as refused:
                several += refused.heard
                replies += refused.replies
                end = Ended(refused.standing)
            except Ended as ended:
                end = ended
            if end is not None:
                break
        await self._sink.keep(several)
        if replies:
            self._writer.write(b"".join(replies))
            async with asyncio.timeout(self._limits.idle_s):
                await self._writer.drain()
        if end is not None:
            raise end

    def _take(self, piece: bytes | BadFrame, several: list[TakenFrame], replies: list[bytes]) -> None:
        try:
            if isinstance(piece, BadFrame):
                raise piece
            taken = self._handler.take(piece, self._peer)
        except BadFrame as bad:
            self._note_bad(bad, bad.data if isinstance(piece, BadFrame) else piece, several, replies)
            return
        self._bad_in_a_row = 0
        self._deadline = self._clock() + self._limits.idle_s
        self._meet(taken.raw_feed, taken.device_id)
        several.append(taken)
        replies += taken.replies

    def _meet(self, raw_feed: str, device_id: str) -> None:
        key = (raw_feed, device_id)
        if key in self._devices:
            return
        if len(self._devices) >= self._limits.devices:
            raise Ended("too_many_devices")
        self._devices[key] = None
        self._handler.links.connected(raw_feed, device_id, +1, self._handler.now())

    def _note_bad(self, bad: BadFrame, data: bytes, several: list[TakenFrame], replies: list[bytes]) -> None:
        """Note a bad stretch, on the device's account when the connection is one device's."""
        device = next(iter(self._devices)) if len(self._devices) == 1 else None
        taken = self._handler.note_bad(bad, data, self._peer, device)
        if taken is not None:
            several.append(taken)
            replies += taken.replies
        self._bad_in_a_row += 1
        if self._bad_in_a_row > self._limits.bad_in_a_row:
            log.info(
                "%s: %s: %d bad frames in a row: %s",
                self._handler.protocol,
                self._peer.address,
                self._bad_in_a_row,
                bad,
            )
            raise Ended("bad_frames")

    async def close(self) -> None:
        """Close the socket; a peer that does not take its last bytes is cut off."""
        self._writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
            return
        self._writer.transport.abort()
