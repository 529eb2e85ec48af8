"""The duty receiver's own system: an HTTP server that takes every delivery and notes when it came."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What came: (instant, body) of each request, oldest first."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.came: list[tuple[float, Any]] = []

    @property
    def settings(self) -> dict[str, str]:
        """What a home needs to deliver here."""
        return {
            "CITYRISK_WEBHOOK_URL": f"http://127.0.0.1:{self.port}/alerts",
            "CITYRISK_WEBHOOK_SECRET": "a secret of the duty receiver",
        }

    def first_told(self) -> dict[str, float]:
        """Alert → the instant of the first delivery that names it."""
        found: dict[str, float] = {}
        for at, body in self.came:
            for alert_id in _alert_ids(body):
                found.setdefault(alert_id, at)
        return found

    def deliveries(self) -> dict[str, float]:
        """Delivery → the instant of its first coming."""
        found: dict[str, float] = {}
        for at, body in self.came:
            found.setdefault(body["delivery_id"], at)
        return found


def _alert_ids(body: Any) -> Iterator[str]:
    """Every alert that a body names, wherever it does."""
    if isinstance(body, dict):
        if isinstance(body.get("alert_id"), str):
            yield body["alert_id"]
        for value in body.values():
            yield from _alert_ids(value)
    elif isinstance(body, list):
        for value in body:
            yield from _alert_ids(value)


@contextmanager
def open_receiver() -> Iterator[Receiver]:
    """A receiver that answers 200 until the block ends."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.came.append((time.time(), json.loads(body)))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the list has it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    receiver = Receiver(int(server.server_address[1]))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
