"""What a process tells of itself while it runs: `/metrics` for Prometheus, `/health` for people and managers, its note.

Served by a thread of its own on loopback, so that it answers while the process is busy.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from core.running import write_running
from core.settings import Home
from core.stream.broker import MONITOR_PORT

log = logging.getLogger(__name__)

# The broker has the base port itself; its own monitor answers there (/healthz, /varz).
PORT_OFFSETS: Mapping[str, int] = {"listen": 1, "intake": 2, "alerting": 3, "mqtt": 4}


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a process does its work, and what it would tell a person about it (JSON values)."""

    is_well: bool
    detail: Mapping[str, object] = field(default_factory=dict)


def metrics_port(home: Home, process: str) -> int:
    """The port by setting: base and offset of the process; 0 (choose a free one) when the base is 0."""
    base = home.number("CITYRISK_METRICS_PORT", MONITOR_PORT)
    return base + PORT_OFFSETS[process] if base else 0


@contextmanager
def exposed_telemetry(
    home: Home,
    process: str,
    ports: Mapping[str, int],
    started_at: datetime,
    registry: CollectorRegistry,
    health: Callable[[], Health],
) -> Iterator[int]:
    """Serve both pages and leave the process's note with `ports` for the length of a block; gives the metrics port.

    `health` is asked from another thread: it only reads. Raises OSError when the port is taken.
    """
    handler = type("Pages", (_Pages,), {"registry": registry, "health": staticmethod(health)})
    server = ThreadingHTTPServer(("127.0.0.1", metrics_port(home, process)), handler)
    server.daemon_threads = True
    port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name=f"{process} telemetry", daemon=True)
    thread.start()
    try:
        write_running(home, process, {**ports, "metrics": port}, started_at)
        yield port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Pages(BaseHTTPRequestHandler):
    """The two pages; anything else is not found."""

    registry: ClassVar[CollectorRegistry]
    health: ClassVar[Callable[[], Health]]
    timeout = 10

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.registry))
        elif self.path == "/health":
            found = type(self).health()
            status = HTTPStatus.OK if found.is_well else HTTPStatus.SERVICE_UNAVAILABLE
            body = json.dumps({"is_well": found.is_well, **found.detail}, ensure_ascii=False, default=str)
            self._answer(status, "application/json; charset=utf-8", body.encode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics and /health are served here\n")

    def log_message(self, format: str, *args: object) -> None:
        """Requests of a scraper are no news."""
        log.debug(format, *args)

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
