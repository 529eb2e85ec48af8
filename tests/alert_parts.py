"""Alerts by hand for tests that need no store: whole records, of which a test says what it is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from alerting.lifecycle.alert import Alert, AlertBrief, Member

START = datetime(2026, 6, 1, tzinfo=UTC)


def an_alert(**fields: Any) -> Alert:
    """A red alert of a station, with what a test says otherwise."""
    whole: dict[str, Any] = {
        "alert_id": "a",
        "origin": "rule",
        "rule_id": "r",
        "object_id": "o",
        "object_type": "station",
        "object_name_zh": "一号站",
        "metric": "m",
        "state": "open",
        "colour": "red",
        "severity_rank": 4,
        "unit": "m",
        "threshold_id": "t",
        "standard": "s",
        "clause": "1",
        "evidence_grade": "standard",
        "source_label": "",
        "domain": "natural_hazard",
        "subdomain": "flood",
        "area_code": "420502001",
        "level": 1,
        "starts_at": START,
        "issued_at": START,
        "disposing_unit": "u",
        "disposing_unit_zh": "甲",
        "disposing_unit_en": "A",
        "contact": "0717-1",
        "is_exercise": False,
        "is_late": False,
        "passed_on_by": "",
        "changed_at": START,
        "known_at": START,
        "entered_state_at": START,
    }
    return Alert(**whole | fields)


def a_brief(alert_id: str, rank: int, **fields: Any) -> AlertBrief:
    """An alert as silences and inhibitions see it."""
    whole: dict[str, Any] = {
        "alert_id": alert_id,
        "state": "open",
        "colour": "red",
        "severity_rank": rank,
        "rule_id": "r",
        "domain": "natural_hazard",
        "subdomain": "flood",
        "object_type": "station",
        "metric": "m",
        "is_exercise": False,
        "object_id": "o",
        "device_id": None,
        "area_code": "420502001",
        "disposing_unit": "u",
        "suppressed_by": None,
        "version": 1,
        "passed_on_by": "",
        "opened_at": START.isoformat(),
    }
    return AlertBrief(**whole | fields)


def a_member(**fields: Any) -> Member:
    """An episode that holds, but for `fields`."""
    every: dict[str, Any] = {
        "episode_id": "e1",
        "alert_id": "a1",
        "last_number": 1,
        "state": "holding",
        "device_id": None,
        "metric": "m",
        "colour": "red",
        "severity_rank": 4,
        "value": None,
        "threshold": None,
        "threshold_id": "",
        "started_at": START,
        "cleared_at": None,
        "evidence": None,
        "is_late": False,
        "passed_on_by": "",
        "spot_zh": "",
        "spot_en": "",
    }
    return Member(**{**every, **fields})
