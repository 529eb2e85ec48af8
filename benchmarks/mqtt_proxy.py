"""What the MQTT proxy costs: `python benchmarks/mqtt_proxy.py [--rate 25000] [--connections 1] [--seconds 5]`.

The proxy runs as a process of its own between devices that send messages of 150 bytes at a steady rate and a listener
that answers each with four bytes, as a broker does. Its processor time is what counts: goal, under one core at 25,000
messages/s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import time
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, cast

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ingest.devices.proxy.connections import DeviceSide, Proxy, ProxyLimits
from ingest.devices.proxy.counts import Counts

HOST = "127.0.0.1"
MESSAGE_BYTES = 150
TURN_S = 0.001


class Answerer(asyncio.Protocol):
    """The listener's end of one connection: a PUBACK for each message."""

    def __init__(self) -> None:
        self._unanswered_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer what has come whole."""
        count, self._unanswered_bytes = divmod(self._unanswered_bytes + len(data), MESSAGE_BYTES)
        self._transport.write(b"\x40\x02\x00\x01" * count)


class Sender(asyncio.Protocol):
    """A device's end."""

    def __init__(self) -> None:
        self.answers = 0

    def data_received(self, data: bytes) -> None:
        """Count answers."""
        self.answers += len(data) // 4


def answer(ports: Queue[int]) -> None:
    """The process of the listener."""

    async def whole() -> None:
        server = await asyncio.get_running_loop().create_server(Answerer, HOST, 0)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(whole())


def stand_between(ports: Queue[int], listener: int, connections: int) -> None:
    """The process of the proxy."""

    async def whole() -> None:
        proxy = Proxy(lambda: (HOST, listener), ProxyLimits(8 * 1024**2, connections, connections), Counts())
        server = await asyncio.get_running_loop().create_server(lambda: DeviceSide(proxy), HOST, 0)
        ports.put(server.sockets[0].getsockname()[1])
        await proxy.tend()

    asyncio.run(whole())


async def send(port: int, rate: int, connections: int, seconds: float) -> tuple[int, int]:
    """Send in turns, each device after the other; gives how many messages were sent and answered."""
    body = b"\x00\x09urban/g/D\x00\x01"
    packet = b"\x32\x93\x01" + body + b"x" * (MESSAGE_BYTES - 3 - len(body))
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(Sender, HOST, port) for _ in range(connections)]
    for transport, _ in pairs:
        transport.write(b"\x10\x94\x01" + b"x" * (MESSAGE_BYTES - 2))  # a CONNECT, one byte longer than a message
    sent, began = 0, time.monotonic()
    while (gone_s := time.monotonic() - began) < seconds:
        due = int(gone_s * rate) - sent
        for number in range(min(due, connections)):
            share = due // connections + (number < due % connections)
            pairs[(sent + number) % connections][0].write(packet * share)
        sent += max(0, due)
        await asyncio.sleep(TURN_S)
    await asyncio.sleep(1)
    answers = sum(protocol.answers for _, protocol in pairs) - connections
    for transport, _ in pairs:
        transport.abort()
    return sent, answers


def main() -> None:
    """Run it once, print one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rate", type=int, default=25_000, help="messages a second, all devices together")
    arguments.add_argument("--connections", type=int, default=1)
    arguments.add_argument("--seconds", type=float, default=5)
    options = arguments.parse_args()
    ports: Queue[int] = multiprocessing.Queue()
    listener = multiprocessing.Process(target=answer, args=(ports,), daemon=True)
    listener.start()
    proxy = multiprocessing.Process(target=stand_between, args=(ports, ports.get(), options.connections), daemon=True)
    proxy.start()
    port, meter = ports.get(), psutil.Process(proxy.pid)
    sent, answered = asyncio.run(send(port, options.rate, options.connections, options.seconds))
    used_s = sum(meter.cpu_times()[:2])
    figures: dict[str, Any] = {
        "connections": options.connections,
        "messages_per_s": round(sent / options.seconds),
        "answered": answered,
        "sent": sent,
        "share_of_a_core": round(used_s / options.seconds, 3),
        "processor_us_a_message": round(used_s / sent * 1e6, 1),
        "peak_mb": round(meter.memory_info().rss / 1024**2),
        "load": round(psutil.getloadavg()[0], 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
