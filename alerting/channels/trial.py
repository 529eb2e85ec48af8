"""One message that says it is a test, through the channel itself and past the outbox: does this way out work?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from alerting.cap.build import Head, build
from alerting.cap.check import faults_of
from alerting.channels.book import Book
from alerting.channels.form import NotTaken
from alerting.channels.message import FAULT, Message
from alerting.channels.patience import Patience
from alerting.channels.registry import is_dry, open_channel
from core.settings import Home

_TEXT_ZH = "【测试】城市风险平台渠道测试，请忽略。"
_TEXT_EN = "[TEST] Test of a channel of the city risk platform, please ignore."


async def try_channel(
    engine: sa.Engine, home: Home, book: Book, channel_id: str, target: str, dry_run: bool, now: datetime
) -> Mapping[str, object]:
    """The receipt, or what would have been sent. Raises NotSetUp, NotTaken or Refused.

    A CAP feed publishes nothing for a test: the message with status Test is built, looked at and given back.
    """
    row, patience = book.channels[channel_id], Patience()
    channel = open_channel(row, book, engine, home, patience)
    message = trial_message(channel_id, target, now)
    try:
        if row.kind == "cap":
            return _cap_message(book, home.environment[row.address_env], row.is_public, message, now)
        if dry_run or is_dry(row, home):
            return {"result": "dry run", "would_send": channel.shape(message, now)}
        try:
            async with asyncio.timeout(patience.timeout.total_seconds()):
                receipt = await channel.send(message, now)
        except TimeoutError as error:
            raise NotTaken(f"no answer within {patience.timeout.total_seconds():g} s") from error
        return {"result": "sent", "answer": receipt.answer, **receipt.details}
    finally:
        await channel.aclose()


def trial_message(channel_id: str, target: str, now: datetime) -> Message:
    """A message about nothing."""
    key = f"test-{secrets.token_hex(8)}"
    body = {
        "kind": "test",
        "feed_id": "",
        "text_zh": _TEXT_ZH,
        "text_en": _TEXT_EN,
        "raised_at": now.isoformat(),
        "cleared_at": None,
        "is_exercise": False,
    }
    return Message(key, channel_id, target or "test", FAULT, None, body)


def _cap_message(book: Book, sender: str, is_public: bool, message: Message, now: datetime) -> Mapping[str, object]:
    alert: dict[str, object] = {
        "alert_id": message.key, "rule_id": "test", "object_id": "test", "domain": "all", "subdomain": "any",
        "colour": "blue", "level": 4, "origin": "person", "object_name_zh": "测试", "lon": None, "lat": None,
        "area_code": "000000", "contact": "-", "value": None, "threshold": None, "unit": "", "standard": "",
        "clause": "", "evidence_grade": "", "starts_at": now, "issued_at": now, "spot_zh": "", "spot_en": "",
    }  # fmt: skip
    for name in ("category", "possible_area", "matters", "measures", "issuer", "disposing_unit"):
        alert |= {f"{name}_zh": _TEXT_ZH, f"{name}_en": _TEXT_EN}
    body = build(alert, Head(message.key, sender, now, "Test", "Alert", is_public), book.cap)
    return {"result": "built, not published", "faults": faults_of(body), "message": body.decode()}
