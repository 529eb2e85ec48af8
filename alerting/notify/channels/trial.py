"""One message that says it is a test, through the channel itself and past the outbox: does this way out work?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from alerting.cap.build import Head, build
from alerting.cap.check import faults_of
from alerting.lifecycle.alert import Alert
from alerting.notify.channels.channel_config import ChannelConfig
from alerting.notify.channels.form import NotTaken
from alerting.notify.channels.message import FAULT, Message
from alerting.notify.channels.registry import is_dry, open_channel
from alerting.notify.channels.retry_policy import RetryPolicy
from core.settings import Home

_TEXT_ZH = "【测试】城市风险平台渠道测试，请忽略。"
_TEXT_EN = "[TEST] Test of a channel of the city risk platform, please ignore."


async def try_channel(
    engine: sa.Engine,
    home: Home,
    channel_config: ChannelConfig,
    channel_id: str,
    target: str,
    dry_run: bool,
    now: datetime,
) -> Mapping[str, object]:
    """The receipt, or what would have been sent. Raises NotSetUp, NotTaken or Refused.

    A CAP feed publishes nothing for a test: the message with status Test is built, looked at and given back.
    """
    row, retry_policy = channel_config.channels[channel_id], RetryPolicy()
    channel = open_channel(row, channel_config, engine, home, retry_policy)
    message = trial_message(channel_id, target, now)
    try:
        if row.kind == "cap":
            return _cap_message(channel_config, home.environment[row.address_env], row.is_public, message, now)
        if dry_run or is_dry(row, home):
            return {"result": "dry run", "would_send": channel.shape(message, now)}
        try:
            async with asyncio.timeout(retry_policy.timeout.total_seconds()):
                receipt = await channel.send(message, now)
        except TimeoutError as error:
            raise NotTaken(f"no answer within {retry_policy.timeout.total_seconds():g} s") from error
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


def _cap_message(
    channel_config: ChannelConfig, sender: str, is_public: bool, message: Message, now: datetime
) -> Mapping[str, object]:
    alert = Alert(
        alert_id=message.key,
        origin="person",
        rule_id="test",
        object_id="test",
        object_type="test",
        object_name_zh="测试",
        metric="test",
        state="open",
        colour="blue",
        severity_rank=1,
        unit="",
        threshold_id="",
        standard="",
        clause="",
        evidence_grade="",
        source_label="",
        domain="all",
        subdomain="any",
        area_code="000000",
        category_zh=_TEXT_ZH,
        category_en=_TEXT_EN,
        level=4,
        starts_at=now,
        possible_area_zh=_TEXT_ZH,
        possible_area_en=_TEXT_EN,
        matters_zh=_TEXT_ZH,
        matters_en=_TEXT_EN,
        measures_zh=_TEXT_ZH,
        measures_en=_TEXT_EN,
        issuer_zh=_TEXT_ZH,
        issuer_en=_TEXT_EN,
        issued_at=now,
        disposing_unit="test",
        disposing_unit_zh=_TEXT_ZH,
        disposing_unit_en=_TEXT_EN,
        contact="-",
        is_exercise=False,
        is_late=False,
        passed_on_by="",
        changed_at=now,
        known_at=now,
        entered_state_at=now,
    )
    body = build(alert, Head(message.key, sender, now, "Test", "Alert", is_public), channel_config.cap)
    return {"result": "built, not published", "faults": faults_of(body), "message": body.decode()}
