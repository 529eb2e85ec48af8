"""What an HTTP receiver's answer means, and the one way we ask it; shared by webhook, robot and SMS gateway.

A door that is shut or has moved (401, 403, 404) is somebody's work in progress: asked again, like a busy one. What
says that this very message is wrong (400, 413, 422 …) is final.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from alerting.notify.channels.form import NotTaken, Refused

AGAIN = (401, 403, 404, 407, 408, 409, 423, 425, 429)
_SHOWN = 300  # characters of an answer that are kept
_LONGEST_WAIT_S = 3600


class Asker:
    """One client, made when it is first needed: its connections belong to the running event loop."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None

    async def ask(self, method: str, url: str, **parts: Any) -> httpx.Response:
        """A 2xx answer. Raises NotTaken or Refused; neither names the address, which may hold a key."""
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout_s, trust_env=False)
        try:
            response = await self._client.request(method, url, **parts)
        except httpx.InvalidURL as error:
            raise Refused(f"the address cannot be used: {error}") from error
        except httpx.TransportError as error:
            raise NotTaken(f"not reached: {type(error).__name__} {error}".strip()) from error
        if response.is_success:
            return response
        said = f"HTTP {response.status_code}: {said_by(response)}"
        if response.status_code in AGAIN or response.status_code >= 500:
            raise NotTaken(said, _retry_after(response))
        raise Refused(said)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def said_by(response: httpx.Response) -> str:
    """The beginning of an answer as one line."""
    return " ".join(response.text.split())[:_SHOWN]


def _retry_after(response: httpx.Response) -> timedelta | None:
    text = response.headers.get("Retry-After", "")
    return timedelta(seconds=min(int(text), _LONGEST_WAIT_S)) if text.isascii() and text.isdigit() else None
