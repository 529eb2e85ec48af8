"""What the gateways allow, by settings: how many connections, how fast, how long silent."""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass

from core.settings import Home

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """Limits of all gateway doors of one process."""

    connections: int  # open at once, all doors together
    per_address: int  # of these, from one address
    frames_per_s: int  # of one connection (or one address over UDP), on average
    burst: int  # frames that may come at once
    first_frame_s: int  # until the first good frame of a known device
    idle_s: int  # between good frames, and until a reader takes an answer
    bad_in_a_row: int  # bad frames without a good one between
    devices: int  # behind one connection
    datagrams: int  # on their way to the broker at once


def limits_of(home: Home) -> GatewayLimits:
    """The limits that a home's environment sets (CITYRISK_GATEWAY_…). Raises SettingsError."""

    def setting(name: str, default: int) -> int:
        return home.number(f"CITYRISK_GATEWAY_{name}", default)

    return GatewayLimits(
        connections=setting("CONNECTIONS", 10_000),
        per_address=setting("PER_ADDRESS", 4096),
        frames_per_s=setting("FRAMES_PER_S", 200),
        burst=setting("BURST", 2000),
        first_frame_s=setting("FIRST_FRAME_S", 60),
        idle_s=setting("IDLE_S", 900),
        bad_in_a_row=setting("BAD_IN_A_ROW", 20),
        devices=setting("DEVICES", 256),
        datagrams=setting("DATAGRAMS", 2000),
    )


class Bucket:
    """Tokens that fill evenly; a debt says how long to wait. Times are seconds of any clock that never goes back."""

    __slots__ = ("_at", "_left", "_per_s", "_size")

    def __init__(self, per_s: float, size: float, at: float) -> None:
        self._per_s, self._size, self._left, self._at = per_s, size, size, at

    def take(self, count: float, at: float) -> float:
        """Take tokens, whether they are there or not; gives the seconds until the debt is paid."""
        self._left = min(self._size, self._left + (at - self._at) * self._per_s) - count
        self._at = at
        return max(0.0, -self._left / self._per_s)

    def has(self, count: float, at: float) -> bool:
        """Take tokens if they are there."""
        left = min(self._size, self._left + (at - self._at) * self._per_s)
        if left < count:
            return False
        self._left, self._at = left - count, at
        return True


def raise_file_limit(wanted: int) -> None:
    """Let this process open as many files as it needs, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < wanted:
            log.warning("this process may open %d files, %d were wished for", most, wanted)
