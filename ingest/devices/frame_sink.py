"""Where frames go before they are answered: whole messages into RAW, parts of unfinished ones into PARTS.

A device may wait for the answer to each part, so a part is safe before the message is whole; after a crash the desks
remember from PARTS what has come. Not here: what a frame is (`ingest.devices.frame_handler`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nats.aio.client import Client
from nats.js.errors import NotFoundError

from core.stream import raw
from core.stream.packer import Packer
from core.stream.raw import RawEntry
from core.stream.streams import PARTS
from ingest.devices.frame_handler import FrameHandler, TakenFrame


class FrameSink:
    """Both ways of one process."""

    def __init__(self, whole: Packer, parts: Packer) -> None:
        self._whole, self._parts = whole, parts

    async def keep(self, several: Sequence[TakenFrame]) -> None:
        """Return once the broker has everything of these frames."""
        entries: dict[tuple[bool, str], list[RawEntry]] = {}
        for taken in several:
            if taken.entry is not None:
                entries.setdefault((taken.is_part, taken.raw_feed), []).append(taken.entry)
        for (is_part, feed), group in entries.items():
            await (self._parts if is_part else self._whole).stored(feed, group)


async def remember_parts(client: Client, handlers: Iterable[FrameHandler]) -> int:
    """Give each handler the parts that came before this process started; gives how many there were."""
    manager = client.jsm()
    by_feed = {feed: handler for handler in handlers for feed in handler.raw_feeds}
    state = (await manager.stream_info(PARTS)).state
    count = 0
    for sequence in range(state.first_seq, state.last_seq + 1):
        try:
            message = await manager.get_msg(PARTS, sequence)
        except NotFoundError:
            continue  # its time has passed
        handler = by_feed.get(".".join(str(message.subject).split(".")[1:3]))
        if handler is not None:
            for entry in raw.unpack(message.data or b""):
                handler.remember(entry.body)
                count += 1
    return count
