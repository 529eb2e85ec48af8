"""An alert as a CAP 1.2 message, in Chinese and English. Pure.

Every legal fact of the alert (art. 64) stands in the element that CAP has for it, and once more as a parameter for
machines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lxml import etree

from alerting.cap.tables import CapTables
from alerting.lifecycle.alert import Alert
from core.civil_time import CIVIL_ZONE
from core.severity import NAMES_ZH

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MsgType = Literal["Alert", "Update", "Cancel"]
Status = Literal["Actual", "Exercise", "Test"]
# What no XML document may hold; names come from departments.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LANGUAGES = (("zh-CN", "zh"), ("en-US", "en"))
_LEGAL = (
    "category",
    "level",
    "starts_at",
    "possible_area",
    "matters",
    "measures",
    "issuer",
    "issued_at",
)
_MARKS: dict[str, dict[str, str]] = {
    "Exercise": {"zh": "【演练】", "en": "[EXERCISE] "},
    "Test": {"zh": "【测试】", "en": "[TEST] "},
}
_VERBS: dict[MsgType, tuple[str, str]] = {
    "Alert": ("发布", "issued"),
    "Update": ("更新", "updated"),
    "Cancel": ("解除", "lifted"),
}
_NOTES = {"Exercise": "演练 / exercise", "Test": "测试 / test of the way out", "Cancel": "解除 / lifted"}


@dataclass(frozen=True, slots=True)
class Reference:
    """An earlier message as later ones name it."""

    sender: str
    identifier: str
    sent_at: datetime

    def __str__(self) -> str:
        return f"{self.sender},{self.identifier},{cap_time(self.sent_at)}"


@dataclass(frozen=True, slots=True)
class Head:
    """What a message says of itself."""

    identifier: str
    sender: str
    sent_at: datetime
    status: Status
    msg_type: MsgType
    is_public: bool
    references: Sequence[Reference] = ()


def build(alert: Alert, head: Head, tables: CapTables) -> bytes:
    """The message as UTF-8 XML, its elements in the order that the schema wants."""
    root = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})
    _add(root, "identifier", head.identifier)
    _add(root, "sender", head.sender)
    _add(root, "sent", cap_time(head.sent_at))
    _add(root, "status", head.status)
    _add(root, "msgType", head.msg_type)
    _add(root, "scope", "Public" if head.is_public else "Restricted")
    if not head.is_public:
        _add(root, "restriction", "成员单位 / partner organisations")
    note = _NOTES.get(head.status) or _NOTES.get(head.msg_type)
    if note:
        _add(root, "note", note)
    if head.references:
        _add(root, "references", " ".join(map(str, head.references)))
    _add(root, "incidents", alert.alert_id)
    for language, suffix in _LANGUAGES:
        _info(root, alert, head, tables, language, suffix)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def cap_time(instant: datetime) -> str:
    """An instant as CAP wants it: whole seconds and a numeric offset, never `Z`.

    >>> from datetime import UTC
    >>> cap_time(datetime(2026, 7, 30, 4, 0, tzinfo=UTC))
    '2026-07-30T12:00:00+08:00'
    """
    return instant.astimezone(CIVIL_ZONE).replace(microsecond=0).isoformat()


def headline(alert: Alert, msg_type: MsgType, status: str, suffix: str) -> str:
    """Who says what about which object, and that it is an exercise or a test when it is one."""
    mark = _MARKS.get(status, {}).get(suffix, "")
    verb_zh, verb_en = _VERBS[msg_type]
    if suffix == "zh":
        colour = NAMES_ZH[alert.colour]
        return f"{mark}{alert.issuer_zh}{verb_zh}{alert.category_zh}{colour}预警：{alert.object_name_zh}"
    what = f"{alert.colour} alert {verb_en}: {alert.category_en}: {alert.object_name_zh}"
    return f"{mark}{alert.issuer_en}: {what}"


def _info(parent: etree._Element, alert: Alert, head: Head, tables: CapTables, language: str, suffix: str) -> None:
    level = tables.levels[alert.colour]
    event = tables.event(alert.domain, alert.subdomain, alert.rule_id)
    is_lift = head.msg_type == "Cancel"
    info = _add(parent, "info")
    _add(info, "language", language)
    for category in event.categories:
        _add(info, "category", category)
    _add(info, "event", getattr(alert, f"category_{suffix}"))
    _add(info, "responseType", "AllClear" if is_lift else level.response_type)
    _add(info, "urgency", "Past" if is_lift else level.urgency)
    _add(info, "severity", level.severity)
    _add(info, "certainty", level.certainty if alert.origin == "rule" else level.certainty_reported)
    _pair(info, "eventCode", "cityrisk:event", event.event_code)
    _add(info, "effective", cap_time(head.sent_at))
    _add(info, "onset", cap_time(alert.starts_at))
    _add(info, "expires", cap_time(head.sent_at + level.valid))
    _add(info, "senderName", getattr(alert, f"issuer_{suffix}"))
    _add(info, "headline", headline(alert, head.msg_type, head.status, suffix))
    _add(info, "description", getattr(alert, f"matters_{suffix}"))
    _add(info, "instruction", getattr(alert, f"measures_{suffix}"))
    _add(info, "contact", f"{getattr(alert, f'disposing_unit_{suffix}')} {alert.contact}")
    for name, value in _parameters(alert, suffix):
        _pair(info, "parameter", name, value)
    _area(info, alert, event.radius_km, suffix)


def _parameters(alert: Alert, suffix: str) -> Iterator[tuple[str, str]]:
    for name in _LEGAL:
        value = getattr(alert, name) if hasattr(alert, name) else getattr(alert, f"{name}_{suffix}")
        yield f"cityrisk:{name}", cap_time(value) if isinstance(value, datetime) else str(value)
    yield "cityrisk:colour", alert.colour
    yield "cityrisk:alert", alert.alert_id
    yield "cityrisk:object", alert.object_id
    if getattr(alert, f"spot_{suffix}"):
        yield "cityrisk:spot", getattr(alert, f"spot_{suffix}")
    for name in ("value", "threshold"):
        found = getattr(alert, name)
        if found is not None:
            yield f"cityrisk:{name}", f"{found:.6g} {alert.unit}".strip()
    for name in ("standard", "clause", "evidence_grade"):
        if getattr(alert, name):
            yield f"cityrisk:{name}", getattr(alert, name)


def _area(info: etree._Element, alert: Alert, radius_km: float | None, suffix: str) -> None:
    """Where: the circle when there is a point (latitude first), and always the area's code."""
    area = _add(info, "area")
    _add(area, "areaDesc", getattr(alert, f"possible_area_{suffix}"))
    if radius_km is not None and alert.lon is not None and alert.lat is not None:
        _add(area, "circle", f"{alert.lat:.5f},{alert.lon:.5f} {radius_km:g}")
    # The national relay names areas by twelve digits under this name.
    _pair(area, "geocode", "CPEAS Geographic Code", alert.area_code.ljust(12, "0"))
    _pair(area, "geocode", "cityrisk:area_code", alert.area_code)


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if text is not None:
        element.text = _FORBIDDEN.sub(" ", text)
    return element


def _pair(parent: etree._Element, name: str, value_name: str, value: str) -> None:
    pair = _add(parent, name)
    _add(pair, "valueName", value_name)
    _add(pair, "value", value)
