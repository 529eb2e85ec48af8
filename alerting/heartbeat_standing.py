"""How the heartbeat stands, for `status`, `doctor` and alerting's health; the note that they read is left here as well.

Not here: the beats (`alerting.heartbeat`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from core.runtime.notice_lock import is_dry_run
from core.settings import Home, SettingsError

URL, MQTT_URL, EVERY_S = "CITYRISK_HEARTBEAT_URL", "CITYRISK_HEARTBEAT_MQTT_URL", "CITYRISK_HEARTBEAT_EVERY_S"
DEFAULT_EVERY_S = 60
MISSED = 3  # beats that may be missed until it is called failing
_NOTE = "heartbeat.json"


@dataclass(frozen=True, slots=True)
class Beaten:
    """How one way out stands."""

    receiver: str
    delivered_at: datetime | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """`state`: not set, dry run, beating, failing."""

    state: str
    detail: str


def standing(home: Home, now: datetime) -> Standing:
    """Whether somebody outside would notice that alerting is dead, and when it last got a beat."""
    names = [name for name in (URL, MQTT_URL) if home.environment.get(name)]
    if not names:
        return Standing("not set", f"nobody outside this host notices when alerting is dead; set {URL} or {MQTT_URL}")
    if is_dry_run(home):
        return Standing("dry run", "CITYRISK_CHANNELS_DRY_RUN: no beat leaves this home")
    try:
        every, known = every_of(home), _read_note(home)
    except SettingsError as error:
        return Standing("failing", str(error))
    said, is_failing = [], False
    for name in names:
        one = known.get(name, Beaten(name, failure="no beat yet"))
        is_late = one.delivered_at is None or now - one.delivered_at > MISSED * every
        is_failing = is_failing or is_late or bool(one.failure)
        why = f": {one.failure}" if one.failure else ""
        said.append(f"{name} last delivered {at(one.delivered_at)}{why}")
    return Standing("failing" if is_failing else "beating", "; ".join(said))


def every_of(home: Home) -> timedelta:
    """The interval. Raises SettingsError for what is no whole number from 1."""
    seconds = home.number(EVERY_S, DEFAULT_EVERY_S)
    if seconds < 1:
        raise SettingsError(f"{EVERY_S} is {seconds}, expected a whole number of seconds from 1")
    return timedelta(seconds=seconds)


def _note_of(home: Home) -> Path:
    return home.run / _NOTE


def write_note(home: Home, beaten: Mapping[str, Beaten]) -> None:
    """Leave word of how each way out stands; a reader sees the old or the new one."""
    path = _note_of(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(orjson.dumps(list(beaten.values())))
    os.replace(partial, path)


def _read_note(home: Home) -> dict[str, Beaten]:
    try:
        rows = orjson.loads(_note_of(home).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}

    def name(row: Mapping[str, str]) -> str:
        return row.get("receiver") or row["way"]  # as an earlier release wrote it

    return {
        name(row): Beaten(
            name(row), datetime.fromisoformat(row["delivered_at"]) if row["delivered_at"] else None, row["failure"]
        )
        for row in rows
    }


def at(found: datetime | None) -> str:
    """An instant as people read it in `status`."""
    return f"{found:%Y-%m-%d %H:%M:%S}Z" if found else "never"
