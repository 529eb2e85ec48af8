"""What a person may do about a device at a gateway: ban it, allow it, leave it to the register; and see how all stand.

Each word of a person is an `operator_action` row as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, String, Table, Text

from core.store.database import UtcText, metadata
from core.store.records import Records
from core.store.user import operator_action

# A person's word on one device of a gateway: banned, or allowed although no register lists it.
device_access = Table(
    "device_access",
    metadata,
    Column("raw_feed", String(80), primary_key=True),
    Column("device_id", String(80), primary_key=True),
    Column("verdict", String(8), nullable=False),  # banned, allowed
    Column("actor", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcText, nullable=False),
)

# How each device was last heard by a gateway or over MQTT; written every few seconds, counts since it was first heard.
device_link = Table(
    "device_link",
    metadata,
    Column("raw_feed", String(80), primary_key=True),
    Column("device_id", String(80), primary_key=True),
    Column("carrier", String(4), nullable=False),  # tcp, udp, mqtt
    Column("standing", String(8), nullable=False),  # known, unknown, banned
    Column("address", String(64), nullable=False),  # '' over MQTT: the broker does not tell
    Column("is_connected", sa.Boolean, nullable=False),
    Column("first_heard_at", UtcText, nullable=False),
    Column("last_frame_at", UtcText),
    Column("last_bad_at", UtcText),
    Column("last_bad_reason", Text),
    Column("frames", BigInteger, nullable=False),
    Column("bad_frames", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("deviations", Text, nullable=False),  # JSON: lenient option → frames that needed it
)

# Clocks of devices that are off receipt, or were: written by intake when there is news of one.
device_clock = Table(
    "device_clock",
    metadata,
    Column("raw_feed", String(80), primary_key=True),
    Column("device_id", String(80), primary_key=True),
    Column("offset_s", BigInteger),  # median of the last readings, positive when ahead; null when they had no time
    Column("is_off", sa.Boolean, nullable=False),  # false once it is right again
    Column("since_at", UtcText, nullable=False),  # receipt of the first reading that was off
    Column("seen_at", UtcText, nullable=False),
    Column("jumped_at", UtcText),  # when it last moved by more than ten minutes between two readings
)

Verdict = Literal["banned", "allowed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAccess:
    """A person's word on one device of a gateway."""

    raw_feed: str
    device_id: str
    verdict: Verdict
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLink:
    """How one device was last heard; counts run since it was first heard."""

    raw_feed: str
    device_id: str
    carrier: str
    standing: str
    address: str
    is_connected: bool
    first_heard_at: datetime
    last_frame_at: datetime | None
    last_bad_at: datetime | None
    last_bad_reason: str | None
    frames: int
    bad_frames: int
    refused: int
    deviations: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffset:
    """How one device's clock, which is or was off, stands against receipt."""

    raw_feed: str
    device_id: str
    offset_s: int | None
    is_off: bool
    since_at: datetime
    seen_at: datetime
    jumped_at: datetime | None


ACCESSES = Records(DeviceAccess, device_access)
LINKS = Records(DeviceLink, device_link)
CLOCKS = Records(ClockOffset, device_clock)


def set_access(
    engine: sa.Engine, raw_feed: str, device_id: str, verdict: Verdict | None, actor: str, reason: str, now: datetime
) -> None:
    """Ban or allow a device from now on, whatever a register says; None leaves it to the register again.

    Running gateways follow within seconds; a banned device's connection is closed at its next frame.
    """
    access = device_access
    with engine.begin() as connection:
        connection.execute(sa.delete(access).where(access.c.raw_feed == raw_feed, access.c.device_id == device_id))
        if verdict is not None:
            word = DeviceAccess(
                raw_feed=raw_feed, device_id=device_id, verdict=verdict, actor=actor, reason=reason, at=now
            )
            connection.execute(sa.insert(access).values(ACCESSES.row(word)))
        action = {"banned": "ban_device", "allowed": "allow_device", None: "forget_device_access"}[verdict]
        connection.execute(
            sa.insert(operator_action).values(
                actor=actor, action=action, target=f"{raw_feed}/{device_id}", reason=reason, at=now
            )
        )


def list_access(engine: sa.Engine) -> Sequence[DeviceAccess]:
    """Every device that a person banned or allowed, newest first."""
    with engine.connect() as connection:
        return ACCESSES.found(connection, ACCESSES.where().order_by(device_access.c.at.desc()))


def list_links(engine: sa.Engine, raw_feed: str | None = None) -> Sequence[DeviceLink]:
    """How each device was last heard, by feed and device. `raw_feed` None: all feeds."""
    link = device_link.c
    of_feed = () if raw_feed is None else (link.raw_feed == raw_feed,)
    with engine.connect() as connection:
        return LINKS.found(connection, LINKS.where(*of_feed).order_by(link.raw_feed, link.device_id))
