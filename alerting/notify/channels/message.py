"""One delivery of the outbox as a channel sees it, and the words that it puts into people's hands. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from alerting.lifecycle.alert import Delivery
from core.civil_time import CIVIL_ZONE
from core.severity import NAMES_ZH

FAULT = "feed_fault"  # the kind of a delivery that tells of a feed and not of an alert
Language = Literal["zh", "en"]
_MARK = {"zh": "【演练】", "en": "[EXERCISE] "}
_EXERCISE = {"zh": "本信息为演练，请勿当作真实险情处置。", "en": "This is an exercise: take no real action."}
_MORE = {"zh": "另有 {n} 条未逐一列出，请查看预警页面。", "en": "{n} more are not listed here; see the alerts page."}
# Art. 64 of the Emergency Response Law (2024), in its order; then who deals with it and by which limit.
_FACTS: Sequence[tuple[str, str, str]] = (
    ("category", "类别", "Category"),
    ("level", "级别", "Level"),
    ("starts_at", "开始时间", "Began"),
    ("possible_area", "可能影响区域", "Area"),
    ("spot", "具体位置", "Place inside"),
    ("matters", "警示事项", "What"),
    ("measures", "应采取的措施", "Measures"),
    ("issuer", "发布机关", "Issued by"),
    ("issued_at", "发布时间", "Issued"),
    ("disposing_unit", "处置单位", "Dealt with by"),
    ("basis", "依据", "Basis"),
    ("last_heard", "设备失联，最后收到", "Device silent, last heard"),
)


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery; `key` is its idempotency key, the same however often it is sent."""

    key: str
    channel_id: str
    target: str
    kind: str
    notice_id: str | None
    body: Mapping[str, Any]

    @property
    def is_exercise(self) -> bool:
        """Whether it belongs to an exercise."""
        return bool(self.body.get("is_exercise", False))

    @property
    def rank(self) -> int:
        """4 red … 1 blue, 0 for a feed's fault."""
        return int(self.body.get("severity_rank", 0))


def message_of(delivery: Delivery) -> Message:
    """The message of a delivery."""
    return Message(
        delivery.delivery_id,
        delivery.channel_id,
        delivery.target,
        delivery.kind,
        delivery.notice_id,
        orjson.loads(delivery.body),
    )


def title(message: Message, language: Language) -> str:
    """One line; an exercise says so first."""
    text = str(message.body[f"title_{language}"] if message.kind != FAULT else message.body[f"text_{language}"])
    mark = _MARK[language]
    return mark + text if message.is_exercise and not text.startswith(mark) else text


def paragraphs(message: Message, language: Language) -> list[str]:
    """The whole message in plain words: title, each alert with its eight legal facts, what is left out."""
    found = [title(message, language)]
    for alert in message.body.get("alerts", ()):
        separator = "：" if language == "zh" else ": "
        found.append("\n".join(f"{label}{separator}{value}" for label, value in facts_of(alert, language)))
    return found + endings(message, language)


def endings(message: Message, language: Language) -> list[str]:
    """What stands below the alerts: how many are left out, and that it was an exercise."""
    left_out = int(message.body.get("n_not_shown", 0))
    more = [_MORE[language].format(n=left_out)] if left_out else []
    return [*more, *([_EXERCISE[language]] if message.is_exercise else [])]


def facts_of(alert: Mapping[str, Any], language: Language) -> list[tuple[str, str]]:
    """Label and value of an alert's facts."""
    values = {name: str(alert.get(f"{name}_{language}", "")) for name, _, _ in _FACTS}
    colour, level = str(alert["colour"]), int(alert["level"])
    values["level"] = f"{level}级（{NAMES_ZH[colour]}）" if language == "zh" else f"{level} ({colour})"
    values["starts_at"], values["issued_at"] = moment(alert["starts_at"]), moment(alert["issued_at"])
    if alert.get("last_heard_at"):
        values["last_heard"] = moment(alert["last_heard_at"])
    values["disposing_unit"] += f" {alert['contact']}"
    return [(zh if language == "zh" else en, values[name]) for name, zh, en in _FACTS if values[name].strip()]


def moment(instant: str | datetime) -> str:
    """An instant as the clock on the wall of the duty room shows it."""
    found = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return found.astimezone(CIVIL_ZONE).strftime("%Y-%m-%d %H:%M:%S")
