"""Publication of alerts: nothing goes to the public by itself; one asks, another releases or refuses, both by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from access.alerts import STEP_ROLES, Quieted, whole_id
from access.alerts_view import marks_of
from access.live import OpsReader
from access.rights import Reader, require_role
from alerting.cap.release import is_never_public
from alerting.lifecycle.alert import Alert
from alerting.lifecycle.steps import Verb
from alerting.workflow import requests
from alerting.workflow.quiet_limits import limits_of
from alerting.workflow.records import ALERTS
from core.settings import Home
from core.store import tables
from core.store.database import opened

State = Literal["held", "asked", "released", "refused", "never"]
ASKING_ROLES = STEP_ROLES[Verb.ACKNOWLEDGED]


def state_of(live: OpsReader, alert: Alert) -> State:
    """Whether an alert is held, asked for, released, refused, or never goes to the public."""
    if alert.is_exercise or is_never_public(alert.marks):
        return "never"
    r = tables.request.c
    query = sa.select(r.state).where(r.kind == requests.Kind.CAP, r.result == alert.alert_id)
    if live.scalar(query.where(r.state == "approved")) is not None:
        return "released"
    newest = next((one for one in _asked(live) if one.subject["alert_id"] == alert.alert_id), None)
    if newest is None or newest.state == "expired":
        return "held"
    return "asked" if newest.state == "waiting" else "refused"


def ask(home: Home, reader: Reader, alert_id: str, reason: str, now: datetime) -> Quieted:
    """Ask that an alert be published over CAP; somebody else releases or refuses it.

    Raises NotAllowedError, NoSuchAlert, and ValueError for an alert that never leaves or was asked for already.
    """
    require_role(reader, ASKING_ROLES, "ask for publication")
    found = whole_id(home, reader, alert_id)
    with opened(home.ops_url) as engine:
        with engine.connect() as connection:
            (alert,) = ALERTS.found(connection, ALERTS.where(tables.alert.c.alert_id == found))
            state = state_of(connection, alert)
        if state not in ("held", "refused"):
            raise ValueError(f"alert {found} is {_SAID[state]}; there is nothing to ask for")
        zh, en = zip(*marks_of(alert), strict=True) if marks_of(alert) else ((), ())
        covers = (
            alert.object_name_zh + (f"（{'、'.join(zh)}）" if zh else ""),
            alert.object_name_zh + (f" ({', '.join(en)})" if en else ""),
        )
        subject = {"alert_id": found, "name": alert.object_name_zh, "colour": alert.colour}
        expires_at = now + limits_of(home).answer_within
        with engine.begin() as connection:
            request_id = requests.ask(
                connection, requests.Kind.CAP, subject, covers, alert.area_code, reason, reader.name, now, expires_at
            )
    return Quieted(request_id, True, covers, expires_at)


_SAID: Mapping[State, str] = {
    "never": "never published: it is an exercise, has no place in a register, or tells of no danger now",
    "asked": "asked for already",
    "released": "released already",
}


def _asked(live: OpsReader) -> list[requests.Request]:
    """Requests for publication, newest first."""
    return requests.of_kind(live, requests.Kind.CAP)
