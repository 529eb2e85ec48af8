"""Announced work on devices, objects, areas and feeds: announce it, take it back, see what is announced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import sqlalchemy as sa

from access.alerts import SILENCE_ROLES, Covered, Quieted, policies_of
from access.live import OpsReader
from access.rights import NotAllowedError, Reader, require_role
from alerting.registry import load_registry
from alerting.rules.generations import load_newest
from alerting.workflow import commands, requests
from alerting.workflow.quiet_limits import GATEWAY, Coverage, beyond, covered_by_target, limits_of
from core.catalogue import load_contracts
from core.contract import Contract
from core.settings import Home
from core.store import tables
from core.store.database import opened
from core.store.records import Records
from core.system import systems_root

TargetKind = Literal["device", "object", "area", "feed"]
TARGET_KINDS: tuple[TargetKind, ...] = get_args(TargetKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWindow:
    """Work that somebody announced."""

    window_id: str
    target_kind: str
    target: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    actor: str
    created_at: datetime
    cancelled_at: datetime | None


_WINDOWS = Records(MaintenanceWindow, tables.maintenance_window)


class UnknownTargetError(ValueError):
    """What is to be maintained is in no register; says how such an id looks."""


def announce(
    home: Home,
    reader: Reader,
    kind: str,
    target: str,
    reason: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> Quieted:
    """Announce work: readings of the target start and end nothing meanwhile.

    Beyond what one person may announce alone (a feed, a county, many devices, a long time) a request waits for a second
    person, and nothing is announced yet.

    `target` is an id of the whole city, like `urban:GD420500000001`, an area code, or a feed's id. Raises
    NotAllowedError for a role or branch that may not, UnknownTargetError for a target that a slip of the pen made, and
    ValueError without a reason or an end that is still to come.
    """
    require_role(reader, SILENCE_ROLES, "announce maintenance")
    with opened(home.ops_url) as engine:
        area_code = _area_of(home, engine, kind, target)
        if not reader.may_see(area_code):
            raise NotAllowedError(f"{kind} {target} is outside {reader.name}'s branch {reader.area_code}")
        commands.check_maintenance(kind, reason, starts_at, ends_at, now)
        limits = limits_of(home)
        coverage = _coverage(home, engine, kind, target, now)
        if not beyond(coverage, ends_at - starts_at, limits):
            window_id = commands.announce_maintenance(
                engine, kind, target, reader.name, reason, starts_at, ends_at, now
            )
            return Quieted(window_id, False, coverage.description, ends_at)
        subject = {"target_kind": kind, "target": target, "starts_at": starts_at, "ends_at": ends_at}
        expires_at = min(now + limits.answer_within, ends_at)
        with engine.begin() as connection:
            request_id = requests.ask(
                connection,
                requests.Kind.MAINTENANCE,
                subject,
                coverage.description,
                area_code,
                reason,
                reader.name,
                now,
                expires_at,
            )
        return Quieted(request_id, True, coverage.description, expires_at)


def covered(home: Home, reader: Reader, kind: str, target: str, length: timedelta, now: datetime) -> Covered:
    """What work on a target would cover, and whether a second person would have to approve it."""
    with opened(home.ops_url) as engine:
        if not reader.may_see(_area_of(home, engine, kind, target)):
            raise NotAllowedError(f"{kind} {target} is outside {reader.name}'s branch {reader.area_code}")
        coverage = _coverage(home, engine, kind, target, now)
    return Covered(coverage.description, beyond(coverage, length, limits_of(home)))


def _coverage(home: Home, engine: sa.Engine, kind: str, target: str, now: datetime) -> Coverage:
    contracts = _contracts(systems_root(home.environment))
    if kind == "feed":
        register = str(contracts[target].server.options.get("register", "")).rpartition(".")[0]
        concerned = [contracts[one] for one in (target, register) if one in contracts]
    elif kind == "area":
        concerned = list(contracts.values())
    else:
        department = target.partition(":")[0]
        concerned = [contract for contract in contracts.values() if contract.department_code == department]
    registry = load_registry(home, engine, concerned)
    return covered_by_target(engine, load_newest(home.root), registry, kind, target, now)


def cancel(home: Home, reader: Reader, window_id: str, now: datetime) -> None:
    """Take announced work back from now on.

    Raises LookupError for a window that is over, unknown or another branch's.
    """
    require_role(reader, SILENCE_ROLES, "cancel maintenance")
    table = tables.maintenance_window.c
    with opened(home.ops_url) as engine:
        if reader.area_code is not None:
            with engine.connect() as connection:
                found = connection.execute(
                    sa.select(table.target_kind, table.target).where(table.window_id == window_id)
                ).one_or_none()
            if found is None or not reader.may_see(_area_of(home, engine, found.target_kind, found.target)):
                raise LookupError(f"no maintenance window {window_id} in {reader.name}'s branch {reader.area_code}")
        commands.cancel_maintenance(engine, window_id, now)


def windows(live: OpsReader, now: datetime) -> list[MaintenanceWindow]:
    """What people announced and is on or to come, the first to end first."""
    window = tables.maintenance_window.c
    query = _WINDOWS.where(window.cancelled_at.is_(None), window.ends_at > now)
    return _WINDOWS.found(live, query.order_by(window.ends_at, window.window_id))


def _area_of(home: Home, engine: sa.Engine, kind: str, target: str) -> str | None:
    """Where a target lies, None for what lies nowhere. Raises UnknownTargetError."""
    contracts = _contracts(systems_root(home.environment))
    if kind == "feed":
        if target not in contracts:
            raise UnknownTargetError(f"feed {target!r} has no contract; `cityrisk feed list` shows those that have")
        return None
    if kind == "area":
        if target not in policies_of(home).routing.areas:
            raise UnknownTargetError(f"area {target!r} is not known; expected a code like 420502")
        return target
    if kind not in TARGET_KINDS:
        raise ValueError(f"target kind {kind!r} found, expected {', '.join(TARGET_KINDS)}")
    return _place_of(home, engine, contracts, kind, target)


@cache
def _contracts(root: Path) -> Mapping[str, Contract]:
    return load_contracts(root)  # a second's work; a checkout's contracts change with a restart


def _place_of(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], kind: str, target: str) -> str | None:
    """The area of a device or object. One that a landed register should hold and does not is a slip of the pen."""
    department = target.partition(":")[0]
    of_department = [contract for contract in contracts.values() if contract.department_code == department]
    if not of_department or ":" not in target:
        raise UnknownTargetError(f"{kind} {target!r} found, expected <department>:<id> like urban:GD420500000001")
    registry = load_registry(home, engine, of_department)
    device = registry.devices.get(target)
    if kind == "object" and device is None:  # a gateway has no row of its own: it stands where its devices do
        behind = (one for one in registry.devices.values() if f"{department}:{one.attributes.get(GATEWAY)}" == target)
        device = next(behind, None)
    known = registry.devices if kind == "device" else registry.objects
    if known and device is None and target not in known:
        raise UnknownTargetError(f"{kind} {target!r} is in no register of {department}; look at the id again")
    return registry.place((device.object_id if device else None) or target, device.id if device else target)[2]
