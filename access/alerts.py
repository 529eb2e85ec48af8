"""What people do to alerts, allowed or refused by role and branch, each deed under its actor's name.

Not here: announced maintenance (`access.maintenance`), what pages read (`access.alerts_view`), which steps are legal
(`alerting.lifecycle`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from access.rights import NotAllowedError, Reader
from access.users import require_role
from alerting import deeds, tables
from alerting.deeds import NoSuchAlert, Report
from alerting.desk import Desk, DeskError, load_desk
from alerting.labels import all_hold, branch_of, labels_of, of_mapping
from alerting.lifecycle import WORKED_ON, IllegalStep, Verb
from alerting.routing import RoutingError
from alerting.rules.generations import NoRulesError, newest_generation
from alerting.work import Conflict, rows_of
from ingest.ops import opened
from ingest.settings import Home

__all__ = [
    "Conflict", "DeskError", "IllegalStep", "NoRulesError", "NoSuchAlert", "Report", "RoutingError", "act",
    "end_silence", "enter", "silence", "silences", "whole_id",
]  # fmt: skip

_DESK_ROLES = frozenset({"duty_officer", "shift_lead", "administrator"})
_LEADS = frozenset({"shift_lead", "administrator"})
STEP_ROLES: Mapping[Verb, frozenset[str]] = {
    Verb.ACKNOWLEDGED: _DESK_ROLES,
    Verb.DISPATCHED: _DESK_ROLES,
    Verb.RESOLVED: _DESK_ROLES,
    Verb.CLOSED: frozenset({"duty_officer", *_LEADS}),
    Verb.ARCHIVED: _LEADS,
    Verb.COMMENTED: _DESK_ROLES | {"department_head"},
}
LONGEST_SILENCE = timedelta(days=7)
LOOKED_BACK_DAYS = 30
SILENCE_ROLES = frozenset({"duty_officer", *_LEADS})


def act(
    home: Home,
    reader: Reader,
    alert_id: str,
    step: str,
    comment: str,
    now: datetime,
    *,
    to: str | None = None,
    version: int | None = None,
) -> dict[str, Any]:
    """One step of an alert (acknowledged, dispatched, resolved, closed, archived, commented); its row afterwards.

    `alert_id` may be its beginning when only one alert begins so. Raises NotAllowedError, NoSuchAlert, IllegalStep,
    Conflict.
    """
    verb = _verb(step)
    require_role(reader, STEP_ROLES[verb], f"set an alert to {step}")
    with opened(home.ops_url) as engine:
        found = _in_branch(engine, reader, alert_id)
        return deeds.act(engine, desk_of(home), found, verb, reader.name, comment, now, to, version)


def whole_id(home: Home, reader: Reader, beginning: str) -> str:
    """The id that begins so, in the reader's branch. Raises NoSuchAlert for none or several."""
    with opened(home.ops_url) as engine:
        return _in_branch(engine, reader, beginning)


def enter(home: Home, reader: Reader, report: Report, now: datetime) -> str:
    """Take a report that somebody phoned in; gives the id of its alert, a new one or the open one of the same kind."""
    require_role(reader, _DESK_ROLES, "enter an event")
    if not reader.may_see(report.area_code):
        raise NotAllowedError(f"area {report.area_code} is outside {reader.name}'s branch {reader.area_code}")
    with opened(home.ops_url) as engine:
        alert_id, _ = deeds.enter(engine, desk_of(home), report, reader.name, now)
        return alert_id


def silence(
    home: Home,
    reader: Reader,
    wanted: Mapping[str, str],
    reason: str,
    ends_at: datetime,
    now: datetime,
    *,
    starts_at: datetime | None = None,
) -> str:
    """Keep alerts with these labels quiet for a time; gives the silence's id. A branch silences only itself.

    Raises ValueError for an empty value, for longer than `LONGEST_SILENCE`, and for a whole domain or city; that one
    says how many alerts it would have covered.
    """
    require_role(reader, SILENCE_ROLES, "silence alerts")
    narrowed = dict(wanted)
    if wanted and reader.area_code and not reader.may_see(wanted.get("area_code", "")):
        narrowed["area_code"] = reader.area_code
    empty = sorted(label for label, value in narrowed.items() if not value.strip())
    if empty:
        raise ValueError(f"label {', '.join(empty)} has no value; name what is to be quiet, like object_id=water:S1")
    if ends_at - (starts_at or now) > LONGEST_SILENCE:
        raise ValueError(
            f"a silence until {ends_at:%Y-%m-%d %H:%M}Z found, expected at most {LONGEST_SILENCE.days} days"
        )
    with opened(home.ops_url) as engine:
        if narrowed and is_wide(narrowed):
            said = covered(engine, narrowed, now)
            raise ValueError(f"{said}; a silence names an object, a device, or a county and a kind of alert")
        return deeds.silence(engine, desk_of(home), narrowed, reader.name, reason, starts_at or now, ends_at, now)


def is_wide(wanted: Mapping[str, str]) -> bool:
    """Whether labels take a whole domain, rule or city: no place in them is narrower than a city, or no kind is.

    >>> is_wide({"domain": "lifeline"}), is_wide({"area_code": "420502"}), is_wide({"rule_id": "r", "county": "420502"})
    (True, True, False)
    """
    if {"object_id", "device_id"} & wanted.keys():
        return False
    has_county = "county" in wanted or len(branch_of(wanted.get("area_code", ""))) >= 6
    return not (has_county and {"domain", "subdomain", "rule_id", "object_type", "metric"} & wanted.keys())


def covered(engine: sa.Engine, wanted: Mapping[str, str], now: datetime) -> str:
    """How much a silence with these labels covers, in words: open alerts, those of the last days, their objects."""
    matchers, a = of_mapping(wanted), tables.alert.c
    recent = sa.or_(a.state.in_(("suppressed", *WORKED_ON)), a.known_at > now - timedelta(days=LOOKED_BACK_DAYS))
    with engine.connect() as connection:
        rows = rows_of(connection, sa.select(tables.alert).where(recent))
    found = [row for row in rows if all_hold(matchers, labels_of(row))]
    living = [row for row in found if row["state"] in ("suppressed", *WORKED_ON)]
    n_red = sum(row["colour"] == "red" for row in living)
    n_objects, n_devices = len({row["object_id"] for row in found}), len({row["device_id"] for row in found} - {None})
    return (
        f"{len(living)} open alerts ({n_red} red) and {len(found)} of the last {LOOKED_BACK_DAYS} days"
        f" would be covered, of {n_objects} objects and {n_devices} devices"
    )


def end_silence(home: Home, reader: Reader, silence_id: str, now: datetime) -> None:
    """End a silence before its time. Raises LookupError for one that does not hold."""
    require_role(reader, SILENCE_ROLES, "end a silence")
    with opened(home.ops_url) as engine:
        deeds.end_silence(engine, desk_of(home), silence_id, reader.name, now)


def silences(home: Home, now: datetime) -> list[dict[str, Any]]:
    """Silences that hold or are to come: silence_id, matchers, reason, actor, starts_at, ends_at."""
    s = tables.silence.c
    columns = (s.silence_id, s.matchers, s.reason, s.actor, s.starts_at, s.ends_at)
    query = sa.select(*columns).where(s.ended_at.is_(None), s.ends_at > now).order_by(s.ends_at)
    with opened(home.ops_url) as engine, engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def desk_of(home: Home) -> Desk:
    """The duty desk of the newest rules generation. Raises NoRulesError or DeskError."""
    return _desk_in(newest_generation(home.root))


@lru_cache(maxsize=4)
def _desk_in(folder: Path) -> Desk:
    return load_desk(folder)


def _verb(step: str) -> Verb:
    known = {verb.value: verb for verb in STEP_ROLES}
    if step not in known:
        raise ValueError(f"step {step!r} found, expected one of {', '.join(known)}")
    return known[step]


def _in_branch(engine: sa.Engine, reader: Reader, alert_id: str) -> str:
    """The whole id of an alert that the reader may touch. Raises NoSuchAlert: what lies elsewhere is not shown."""
    a = tables.alert.c
    query = sa.select(a.alert_id).where(a.alert_id.startswith(alert_id, autoescape=True))
    if reader.area_code:
        query = query.where(a.area_code.like(reader.area_pattern))
    with engine.connect() as connection:
        found: list[str] = list(connection.scalars(query.limit(2)))
    if len(found) != 1 or len(alert_id) < 4:
        many = f"several alerts begin with {alert_id!r}; give more of the id"
        raise NoSuchAlert(many if len(found) > 1 else f"no alert {alert_id!r}; `cityrisk alerts list` shows them")
    return found[0]
