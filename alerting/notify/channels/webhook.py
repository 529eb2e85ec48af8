"""Webhook: the notice as JSON to one address, signed, with its idempotency key."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

import orjson

from alerting.notify.channels.form import Receipt
from alerting.notify.channels.message import Message
from alerting.notify.channels.web import Asker, said_by

TIMESTAMP, SIGNATURE, KEY = "X-Cityrisk-Timestamp", "X-Cityrisk-Signature", "Idempotency-Key"


class Webhook:
    """POSTs `{"delivery_id": …, "delivery_kind": …, "target": …, …the notice}`; a secret signs time and body."""

    def __init__(self, url: str, secret: str, timeout_s: float) -> None:
        self._url, self._secret = url, secret
        self._asker = Asker(timeout_s)

    async def send(self, message: Message, now: datetime) -> Receipt:
        """One request. Raises NotTaken or Refused."""
        content = orjson.dumps(self.shape(message, now))
        headers = {"Content-Type": "application/json; charset=utf-8", KEY: message.key}
        if self._secret:
            timestamp = str(int(now.timestamp()))
            headers |= {TIMESTAMP: timestamp, SIGNATURE: signature(self._secret, timestamp, content)}
        response = await self._asker.ask("POST", self._url, content=content, headers=headers)
        return Receipt(f"HTTP {response.status_code}", {"said": said_by(response)})

    def shape(self, message: Message, now: datetime) -> Mapping[str, object]:
        """The body."""
        return {
            "delivery_id": message.key,
            "delivery_kind": message.kind,
            "target": message.target,
            **message.body,
            "is_exercise": message.is_exercise,
        }

    async def aclose(self) -> None:
        """Close the connections."""
        await self._asker.aclose()


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """`v1=` and HMAC-SHA256 over `<timestamp>.<body>`, in hex; a receiver computes the same and compares."""
    signed = timestamp.encode() + b"." + content
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
