"""Which devices may speak: those that a landed register lists, and those that a person allowed; never one banned.

What is known is read again every few seconds. Before a register has landed for the first time nobody can be judged by
it, and devices come again. Not here: writing bans (`core.store.device`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
import sqlalchemy as sa

from core.contract import Contract, ContractError
from core.settings import Home
from core.store import tables
from core.store.landed import live_files

Standing = Literal["known", "unknown", "banned", "unready"]

# What a frame calls the sender of a listed device. JT/T 808-2019 pads a phone number with zeros that the edition before
# it lacks; a packet of GB/T 26875.3 names the transmission unit, its objects the parts behind it.
_AS_ON_THE_WIRE: Mapping[str, Callable[[str], str]] = {
    "jt808": lambda phone: phone.lstrip("0") or "0",
    "gb26875": lambda device: device.partition("-")[0],
}


@dataclass(frozen=True, slots=True)
class Register:
    """The column that lists a feed's devices."""

    feed_id: str
    column: str
    protocol: str
    gateway_column: str | None = None  # that names who passes a device on, and may speak for it


class KnownDevices:
    """What is known of all devices. `refresh` reads files and the ops store; `standing` only looks up."""

    def __init__(self, home: Home, engine: sa.Engine, contracts: Mapping[str, Contract]) -> None:
        self._home, self._engine, self._contracts = home, engine, contracts
        streams = [contract for contract in contracts.values() if contract.is_stream]
        self._registers: dict[str, list[Register]] = {one.raw_feed: [] for one in streams}
        self._accepts: set[str] = set()
        for contract in streams:
            register = register_of(contract, contracts)
            if register is not None and register not in self._registers[contract.raw_feed]:
                self._registers[contract.raw_feed].append(register)
            if contract.server.options.get("unknownDevices", "refuse") == "accept":
                self._accepts.add(contract.raw_feed)
        self._read: dict[Register, tuple[list[Path], Mapping[str, frozenset[str]]]] = {}
        self._verdicts: Mapping[tuple[str, str], str] = {}

    def refresh(self) -> None:
        """Read bans, and registers of which something new has landed."""
        access = tables.device_access.c
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(access.raw_feed, access.device_id, access.verdict)).all()
        self._verdicts = {(str(feed), str(device)): str(verdict) for feed, device, verdict in rows}
        for register in {one for several in self._registers.values() for one in several}:
            files = live_files(self._engine, self._home, register.feed_id)
            if register not in self._read or self._read[register][0] != files:
                self._read[register] = (files, _devices(register, self._contracts[register.feed_id], files))

    def standing(self, raw_feeds: Sequence[str], device_id: str) -> tuple[str, Standing]:
        """The feed among `raw_feeds` that a device belongs to, and how it stands there."""
        for feed in raw_feeds:
            verdict = self._verdicts.get((feed, device_id))
            if verdict is not None:
                return feed, "banned" if verdict == "banned" else "known"
        is_ready = True
        for feed in raw_feeds:
            for register in self._registers[feed]:
                files, devices = self._read.get(register, ((), {}))
                if device_id in devices:
                    return feed, "known"
                is_ready &= bool(files)
        for feed in raw_feeds:
            if feed in self._accepts:
                return feed, "known"
        return raw_feeds[0], "unknown" if is_ready else "unready"

    def is_known(self, contract: Contract, sender: str) -> bool:
        """Whether a sender is listed or let in; while no register has landed nobody is a stranger."""
        return self.standing((contract.raw_feed,), sender)[1] in ("known", "unready")

    def may_speak(self, contract: Contract, sender: str, device_id: str) -> bool:
        """Whether a sender that passed the door may speak for another device.

        It may for its own parts and for its own name in another spelling, as its protocol has them, and for what the
        register places behind it.
        """
        if contract.raw_feed in self._accepts or not self._registers.get(contract.raw_feed):
            return True
        on_the_wire = _AS_ON_THE_WIRE.get(contract.server.file_format or "json", str)
        if on_the_wire(device_id) == on_the_wire(sender):
            return True
        devices = (self._read.get(register, ((), {}))[1] for register in self._registers[contract.raw_feed])
        return any(sender in found.get(device_id, ()) for found in devices)


def register_of(contract: Contract, contracts: Mapping[str, Contract]) -> Register | None:
    """The register that a stream contract names (`<feed_id>.<column>`), None without. Raises ContractError."""
    named = contract.server.options.get("register")
    if named is None:
        return None
    feed_id, _, column = str(named).rpartition(".")
    if feed_id not in contracts:
        raise ContractError(f"{contract.id}: register {named!r}: no feed {feed_id!r}; expected <feed_id>.<column>")
    listed, gateway = contracts[feed_id], contract.server.options.get("gateway")
    passes_on = None if gateway is None else listed.column(str(gateway)).landed_name
    return Register(feed_id, listed.column(column).landed_name, contract.server.file_format or "json", passes_on)


def _devices(register: Register, contract: Contract, files: Sequence[Path]) -> dict[str, frozenset[str]]:
    """The ids in a register, each with those that may speak for it: of a full snapshot only those of the newest one.

    A gateway speaks in its own name too: it is listed as a sender that nobody else may speak for.
    """
    if not files:
        return {}
    rows = pl.scan_parquet(list(files), missing_columns="insert", extra_columns="ignore")
    if contract.snapshot == "full":
        rows = rows.filter(pl.col("_received_at") == pl.col("_received_at").max())
    gateway = pl.lit(None) if register.gateway_column is None else pl.col(register.gateway_column)
    pairs = rows.select(device=pl.col(register.column).cast(pl.String), gateway=gateway.cast(pl.String))
    on_the_wire = _AS_ON_THE_WIRE.get(register.protocol, str)
    found: dict[str, frozenset[str]] = {}
    for device, passes_on in pairs.drop_nulls("device").unique().collect().iter_rows():
        behind = found.get(on_the_wire(device), frozenset())
        found[on_the_wire(device)] = behind if passes_on is None else behind | {passes_on}
        if passes_on is not None:
            found.setdefault(passes_on, frozenset())
    return found
