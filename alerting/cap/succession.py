"""Which CAP message is due for an alert, given the last one: first word, update, lift, or none. Pure.

Looks at how things are, not at what happened: a message that was late says what holds now, and one that was sent
twice changes nothing. After a lift, what begins again is a new chain that refers to nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from alerting.cap.build import Head, MsgType, Reference
from alerting.cap.tables import CapTables
from alerting.lifecycle.alert import Alert, CapMessage
from alerting.lifecycle.steps import OVER, WORKED_ON
from core.area import county_of

# Art. 70: a warning is adjusted and issued again as things change, and lifted at once when the danger is over.
_SAID = (
    "colour",
    "category_zh",
    "starts_at",
    "possible_area_zh",
    "matters_zh",
    "measures_zh",
    "issuer_zh",
    "disposing_unit_zh",
    "contact",
)
RENEW_WHEN_LEFT = 0.25  # of its validity: what still holds must not run out on the shelf


def due(alert: Alert, last: CapMessage | None, tables: CapTables, now: datetime) -> MsgType | None:
    """The message that an alert needs now."""
    lives = last is not None and last.msg_type != "Cancel"
    if alert.state in OVER:
        return "Cancel" if lives else None
    valid = tables.levels[alert.colour].valid
    runs_out = last is not None and last.expires_at - now < valid * RENEW_WHEN_LEFT
    if alert.state not in WORKED_ON:
        # Kept quiet at home, but the public that knows of the danger must not take a message that ran out for its end.
        return "Update" if alert.state == "suppressed" and lives and runs_out else None
    if last is None or not lives:
        return "Alert"
    return "Update" if says(alert) != last.says or runs_out else None


def says(alert: Alert) -> str:
    """A hash of what readers would see change."""
    return hashlib.sha256("\x1f".join(str(getattr(alert, name)) for name in _SAID).encode()).hexdigest()


def next_head(
    alert: Alert,
    msg_type: MsgType,
    earlier: Sequence[CapMessage],
    channel_id: str,
    is_public: bool,
    sender: str,
    now: datetime,
) -> tuple[Head, int, int]:
    """Head, number and chain of the next message; `earlier` are the alert's messages on this channel, oldest first."""
    number = len(earlier) + 1
    last = earlier[-1] if earlier else None
    chain = 1 if last is None else last.chain + (last.msg_type == "Cancel")
    references = tuple(Reference(one.sender, one.identifier, one.sent_at) for one in earlier if one.chain == chain)
    head = Head(
        identifier=f"{county_of(alert.area_code)}-{alert.alert_id}-{channel_id}-{number}",
        sender=sender,
        sent_at=now.replace(microsecond=0),
        status="Exercise" if alert.is_exercise else "Actual",
        msg_type=msg_type,
        is_public=is_public,
        references=references,
    )
    return head, number, chain
