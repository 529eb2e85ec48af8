"""What the page Device health reads, and the one thing it does: ban a device, allow it, or leave it to the register.

Only counted rows and one page of devices are read, so that ten thousand devices cost as much as fifty.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import httpx
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from access.live import OpsReader
from access.rights import Reader, require_role
from access.serving import GenerationError, Home, NoGenerationError, open_mart
from core.catalogue import contract_path, load_contract
from core.contract import ContractError
from core.store import database, tables
from core.store.device import ACCESSES, CLOCKS, LINKS, ClockOffset, DeviceAccess, DeviceLink, Verdict, set_access
from core.store.stream import PROGRESS, StreamProgress
from core.system import systems_root

__all__ = [
    "DEVICES_A_PAGE",
    "DEVICE_ROLES",
    "LIMITS",
    "STATUSES",
    "ClockOffset",
    "Device",
    "DeviceFeed",
    "DeviceFilter",
    "DevicePage",
    "FeedProgress",
    "Gateway",
    "Verdict",
    "decide",
    "device_feeds",
    "device_page",
    "gateway",
    "silent_after",
    "status_of",
    "streams",
]

DEVICE_ROLES = frozenset({"administrator", "shift_lead"})
STATUSES = ("silent", "connected", "heard", "unknown", "banned", "bad_frames", "deviating", "clock_off")
JUMP_SHOWN = timedelta(days=1)  # so long a clock that jumped and is right again is still listed
DEVICES_A_PAGE = 50
_GATEWAY_TIMEOUT_S = 0.5
_TURNED_AWAY, _CLOSED = "cityrisk_listen_turned_away", "cityrisk_listen_closed"
_DEFAULT_SILENT_AFTER = timedelta(hours=1)
# Ends of connections that are no doing of the gateway's.
_NOT_OURS = frozenset({"peer", "broken"})
# What a gateway turns away or closes, by the limit or standing that was the reason (`ingest.devices`).
LIMITS = (
    "connections",
    "per_address",
    "datagrams",
    "rate",
    "no_frame",
    "idle",
    "too_many_devices",
    "bad_frames",
    "unknown",
    "banned",
)


@dataclass(frozen=True, slots=True)
class DeviceFeed:
    """All devices of one raw feed in numbers.

    `devices` are those that may speak; each of them is connected, heard (lately, without an open connection) or silent.
    """

    raw_feed: str
    name_zh: str
    name_en: str
    silent_after: timedelta
    devices: int
    connected: int
    heard: int
    silent: int
    unknown: int
    banned: int
    frames: int
    bad_frames: int
    refused: int
    deviating: int  # devices that needed a lenient option
    clock_off: int  # devices whose clock is off receipt, or jumped lately
    last_frame_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices to show; None takes all. `text` is looked for in ids and addresses."""

    raw_feed: str | None = None
    status: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device as a gateway hears it, what a person said about it, and how its clock stands."""

    link: DeviceLink
    access: DeviceAccess | None  # a person's word
    clock: ClockOffset | None  # of a clock that is or was off
    status: str
    last_observed_at: datetime | None  # newest reading of the published generation, when it knows a device of that id

    @property
    def deviations(self) -> Mapping[str, int]:
        """Lenient options, and how many frames needed each."""
        found: Mapping[str, int] = json.loads(self.link.deviations)
        return found


@dataclass(frozen=True, slots=True)
class DevicePage:
    """One page of devices, and how many the filter matched."""

    rows: Sequence[Device]
    n_matching: int


@dataclass(frozen=True, slots=True)
class FeedProgress:
    """How far intake is with one feed of the stream."""

    progress: StreamProgress
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the running gateway refused since it started, by limit or cause; None when it does not answer."""

    turned_away: Mapping[str, int] | None
    closed: Mapping[str, int] | None


def device_feeds(live: OpsReader, now: datetime) -> list[DeviceFeed]:
    """Every raw feed that a device was heard on, in id order."""
    link = tables.device_link.c
    feed_ids: Sequence[str] = live.scalars(sa.select(link.raw_feed).distinct().order_by(link.raw_feed)).all()
    return [_device_feed(live, feed, now) for feed in feed_ids]


def device_page(live: OpsReader, home: Home, wanted: DeviceFilter, now: datetime, page: int = 0) -> DevicePage:
    """Devices, those with the oldest frame first, `DEVICES_A_PAGE` from page `page` on."""
    link, access, clock = tables.device_link, tables.device_access, tables.device_clock
    joined = link.outerjoin(access, _same_device(access)).outerjoin(clock, _same_device(clock))
    conditions = _where(live, wanted, now)
    n_matching = live.scalar(sa.select(sa.func.count()).select_from(joined).where(*conditions)) or 0
    query = (
        sa.select(*LINKS.columns, *ACCESSES.columns, *CLOCKS.columns)
        .select_from(joined)
        .where(*conditions)
        .order_by(link.c.last_frame_at, link.c.raw_feed, link.c.device_id)
        .limit(DEVICES_A_PAGE)
        .offset(page * DEVICES_A_PAGE)
    )
    found = [_parts(row) for row in live.execute(query)]
    observed = _last_readings(home, [_city_wide_id(link) for link, _, _ in found])
    return DevicePage([_device(*parts, observed, now) for parts in found], n_matching)


def _parts(row: sa.Row[Any]) -> tuple[DeviceLink, DeviceAccess | None, ClockOffset | None]:
    """The records that one row of the join holds; one that is not there has no key."""
    n_link, n_access = len(LINKS.columns), len(ACCESSES.columns)
    access, clock = row[n_link : n_link + n_access], row[n_link + n_access :]
    return (
        LINKS.record(row),
        ACCESSES.record(access) if access[0] is not None else None,
        CLOCKS.record(clock) if clock[0] is not None else None,
    )


def _device(
    link: DeviceLink,
    access: DeviceAccess | None,
    clock: ClockOffset | None,
    observed: Mapping[str, datetime],
    now: datetime,
) -> Device:
    return Device(
        link=link,
        access=access,
        clock=clock,
        status=status_of(link, access, now - silent_after(link.raw_feed)),
        last_observed_at=observed.get(_city_wide_id(link)),
    )


def status_of(link: DeviceLink, access: DeviceAccess | None, silent_before: datetime) -> str:
    """How a device stands: banned, unknown, silent, connected or heard (lately, without an open connection)."""
    verdict = access.verdict if access is not None else None
    if verdict == "banned" or link.standing == "banned":
        return "banned"
    if link.standing != "known" and verdict != "allowed":
        return "unknown"
    if link.last_frame_at is None or link.last_frame_at < silent_before:
        return "silent"
    return "connected" if link.is_connected else "heard"


def streams(live: OpsReader) -> list[FeedProgress]:
    """How far intake is with each feed of the stream."""
    order = tables.stream_progress.c.feed_id
    found = PROGRESS.found(live, PROGRESS.where().order_by(order))
    return [FeedProgress(one, *_contract_words(one.feed_id)[:2]) for one in found]


def gateway(home: Home) -> Gateway:
    """The limits that the running gateway hit, asked of its own `/metrics` on loopback."""
    try:
        note = json.loads((home.run / "listen.json").read_text(encoding="utf-8"))
        with httpx.Client(trust_env=False, timeout=_GATEWAY_TIMEOUT_S) as client:
            answer = client.get(f"http://127.0.0.1:{int(note['ports']['metrics'])}/metrics")
        answer.raise_for_status()
    except (OSError, ValueError, KeyError, TypeError, httpx.HTTPError):  # not running, or starting just now
        return Gateway(None, None)
    found: dict[str, dict[str, int]] = {_TURNED_AWAY: {}, _CLOSED: {}}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples if family.name in found else ():
            if sample.name.endswith("_total") and next(iter(sample.labels.values())) not in _NOT_OURS:
                found[family.name][next(iter(sample.labels.values()))] = int(sample.value)
    return Gateway(found[_TURNED_AWAY], found[_CLOSED])


def decide(
    home: Home, reader: Reader, raw_feed: str, device_id: str, verdict: Verdict | None, reason: str, now: datetime
) -> None:
    """Ban or allow a device, or with None leave it to the register again; an `operator_action` row says who and why.

    Raises NotAllowedError for a role that may not, ValueError without a reason.
    """
    require_role(reader, DEVICE_ROLES, "ban or allow devices")
    if not reason.strip():
        raise ValueError("a ban or allowance needs a reason: say what the device did or why it is trusted")
    with database.opened(home.ops_url) as engine:
        set_access(engine, raw_feed, device_id, verdict, reader.name, reason.strip(), now)


def silent_after(raw_feed: str) -> timedelta:
    """How long a device of a feed may say nothing, by its contract."""
    return _contract_words(raw_feed)[2]


def _device_feed(live: OpsReader, raw_feed: str, now: datetime) -> DeviceFeed:
    link = tables.device_link.c

    def number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    is_known = link.standing == "known"
    is_silent = sa.or_(link.last_frame_at.is_(None), link.last_frame_at < now - silent_after(raw_feed))
    row = live.execute(
        sa.select(
            number(is_known),
            number(sa.and_(is_known, sa.not_(is_silent), link.is_connected)),
            number(sa.and_(is_known, sa.not_(is_silent), sa.not_(link.is_connected))),
            number(sa.and_(is_known, is_silent)),
            number(link.standing == "unknown"),
            number(link.standing == "banned"),
            *(sa.func.coalesce(sa.func.sum(column), 0) for column in (link.frames, link.bad_frames, link.refused)),
            number(link.deviations != "{}"),
            number(_is_clock_shown(now)),
            sa.func.max(link.last_frame_at),
        )
        .select_from(tables.device_link.outerjoin(tables.device_clock, _same_device(tables.device_clock)))
        .where(link.raw_feed == raw_feed)
    ).one()
    name_zh, name_en, quiet = _contract_words(raw_feed)
    known, connected, heard, silent, unknown, banned, frames, bad, refused, deviating, clock_off = map(int, row[:-1])
    return DeviceFeed(
        raw_feed,
        name_zh,
        name_en,
        quiet,
        known,
        connected,
        heard,
        silent,
        unknown,
        banned,
        frames,
        bad,
        refused,
        deviating,
        clock_off,
        row[-1],
    )


def _where(live: OpsReader, wanted: DeviceFilter, now: datetime) -> list[sa.ColumnElement[bool]]:
    link, access = tables.device_link.c, tables.device_access.c
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.raw_feed:
        conditions.append(link.raw_feed == wanted.raw_feed)
    if wanted.text.strip():
        conditions.append(
            sa.or_(
                link.device_id.contains(wanted.text.strip(), autoescape=True),
                link.address.contains(wanted.text.strip(), autoescape=True),
            )
        )
    is_banned = sa.or_(link.standing == "banned", sa.func.coalesce(access.verdict, "") == "banned")
    may_speak = sa.or_(link.standing == "known", sa.func.coalesce(access.verdict, "") == "allowed")
    matches: Mapping[str, tuple[sa.ColumnElement[bool], ...]] = {
        "banned": (is_banned,),
        "unknown": (sa.not_(is_banned), sa.not_(may_speak)),
        "bad_frames": (link.bad_frames > 0,),
        "deviating": (link.deviations != "{}",),
        "clock_off": (_is_clock_shown(now),),
    }
    if wanted.status is not None and wanted.status in matches:
        conditions += matches[wanted.status]
    elif wanted.status is not None:
        is_silent = _is_silent(live, wanted.raw_feed, now)
        is_heard = sa.and_(sa.not_(is_silent), link.is_connected == (wanted.status == "connected"))
        conditions += (sa.not_(is_banned), may_speak, is_silent if wanted.status == "silent" else is_heard)
    return conditions


def _same_device(other: sa.Table) -> sa.ColumnElement[bool]:
    link = tables.device_link.c
    return sa.and_(other.c.raw_feed == link.raw_feed, other.c.device_id == link.device_id)


def _is_clock_shown(now: datetime) -> sa.ColumnElement[bool]:
    """A device without a row was never seen with a wrong clock."""
    clock = tables.device_clock.c
    return sa.func.coalesce(sa.or_(clock.is_off, clock.jumped_at > now - JUMP_SHOWN), False)


def _is_silent(live: OpsReader, raw_feed: str | None, now: datetime) -> sa.ColumnElement[bool]:
    """Silence is a matter of each feed's own agreement."""
    link = tables.device_link.c
    feeds = [raw_feed] if raw_feed else list(live.scalars(sa.select(link.raw_feed).distinct()).all())
    old = [sa.and_(link.raw_feed == feed, link.last_frame_at < now - silent_after(feed)) for feed in feeds]
    return sa.or_(link.last_frame_at.is_(None), *old)


def _city_wide_id(link: DeviceLink) -> str:
    return f"{link.raw_feed.partition('.')[0]}:{link.device_id}"


def _last_readings(home: Home, device_ids: Sequence[str]) -> dict[str, datetime]:
    try:
        with open_mart(home) as mart:
            frame = mart.frame(
                "select device_id, last_observed_at from mart.device"
                " where list_contains(?, device_id) and last_observed_at is not null",
                [list(device_ids)],
            )
    except (NoGenerationError, GenerationError):
        return {}
    return dict(frame.iter_rows())


@cache
def _contract_words(feed_id: str) -> tuple[str, str, timedelta]:
    """Both names of a feed and how long it may be silent; a feed whose contract is gone goes by its id."""
    try:
        contract = load_contract(contract_path(feed_id, systems_root(os.environ)))
    except ContractError:
        return feed_id, feed_id, _DEFAULT_SILENT_AFTER
    # By then the feed would be late; a single device that says nothing for so long is silent.
    return contract.name_zh, contract.name_en, contract.late_after
