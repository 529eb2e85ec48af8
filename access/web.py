"""What every web server of ours asks of a request: a host name that is served here, and where it came from.

A page elsewhere can point its own name at this machine (DNS rebinding); only the Host it sends tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from core.settings import Home

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def allowed_hosts(home: Home) -> frozenset[str]:
    """Host names that servers of this home answer to: loopback, and those of the setting `CITYRISK_HOSTS`."""
    named = home.environment.get("CITYRISK_HOSTS") or ""
    return frozenset({*_LOOPBACK, *(name.strip().lower() for name in named.split(",") if name.strip())})


def host_of(header: str) -> str:
    """The name in a Host header or an origin's authority, without the port.

    >>> host_of("Risk.city:443"), host_of("[::1]:3070"), host_of("")
    ('risk.city', '::1', '')
    """
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def is_own_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that the request comes from a page of this very server; programs send no Origin."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def is_behind_proxy(home: Home) -> bool:
    """Whether a proxy of ours stands before every web server for people."""
    return home.environment.get("CITYRISK_BEHIND_PROXY") == "1"


def source_of(home: Home, peer: str | None, headers: Mapping[str, str]) -> str:
    """The address that asks. Behind a proxy of ours (`CITYRISK_BEHIND_PROXY=1`) the one that the proxy saw."""
    if is_behind_proxy(home):
        seen = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        if seen:
            return seen
    return peer or "loopback"
