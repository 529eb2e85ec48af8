"""Hosts that answered no feed of this run: the next feed asks such a host once, not again with all its retries.

Without this a department's system that is down costs every one of its feeds the whole time of a request.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from ingest.connect.fault import RequestPolicy


class UnansweringHosts:
    """What the feeds of one run know of hosts, `name:port`; a file's place has none. Feeds in many threads share it."""

    def __init__(self) -> None:
        self._hosts: set[str] = set()
        self._lock = threading.Lock()

    def request_policy(self, host: str, agreed: RequestPolicy) -> RequestPolicy:
        """The agreed policy, without its retries where they were just spent on the same host."""
        with self._lock:
            return replace(agreed, is_once=True) if host in self._hosts else agreed

    def note(self, host: str, *, is_answering: bool) -> None:
        """Say how a request to a host ended, retries and all: one answer, and it is asked as patiently as any."""
        with self._lock:
            if is_answering:
                self._hosts.discard(host)
            elif host:
                self._hosts.add(host)
