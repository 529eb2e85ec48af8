"""Troubles that are no crash: nobody is there yet, RAW or disk are full, the store is locked. All wait, and say so."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.chain.arriving import SOS, gateway_port
from benchmarks.chain.killing import POSITIONS
from benchmarks.chain.outcome import compare, landed_rows
from benchmarks.chain.place import Fleet, new_home
from benchmarks.chain.programs import Chain, running
from benchmarks.chain.senders import Vehicle
from core.settings import Home
from core.store import database, tables
from waiting import until

pytestmark = pytest.mark.slow
READERS = ("listen", "intake", "alerting")


def positions(home: Home, fleet: Fleet, seconds: float, disturb: Callable[[], None]) -> set[tuple[str, str, int]]:
    """What vehicles were told is safe while something disturbs the chain."""
    said = set[tuple[str, str, int]]()

    async def drive(phone: str, edition: int) -> None:
        until_at = time.monotonic() + seconds
        async with Vehicle(lambda: gateway_port(home), phone, edition) as vehicle:
            while time.monotonic() < until_at:
                at = datetime.now(UTC).replace(microsecond=0)
                if (POSITIONS, phone, int(at.timestamp() * 1000)) not in said:
                    await vehicle.say(at)
                    said.add((POSITIONS, phone, int(at.timestamp() * 1000)))
                await asyncio.sleep(0.05)

    async def all_drive() -> None:
        await asyncio.gather(asyncio.to_thread(disturb), *(drive(*one) for one in fleet.vehicles))

    asyncio.run(all_drive())
    return said


def says(chain: Chain, name: str) -> str:
    """Everything that a program says of its health."""
    return "; ".join(f"{key}: {value}" for key, value in chain.health(name).items())


def landed_once(chain: Chain, said: set[tuple[str, str, int]]) -> None:
    """Everything that was acknowledged lands, once, and every program is the one that was started."""
    home = chain.home
    until(lambda: said <= set(landed_rows(home, [POSITIONS]).rows()), what="landing of all that was acknowledged")
    rows = landed_rows(home, [POSITIONS])
    assert compare(rows, rows).twice == 0
    assert {name: used.lives for name, used in chain.used.items()} == dict.fromkeys(chain.names, 1)


def test_locked_ops_store_delays_and_loses_nothing(tmp_path: Path) -> None:
    home, fleet = new_home(tmp_path / "var", (25, 20, 8), {"CITYRISK_LANDING_S": "1"})

    def lock() -> None:
        with sqlite3.connect(home.root / "ops.db", isolation_level=None) as store:
            time.sleep(2)
            store.execute("begin immediate")
            time.sleep(8)  # the trouble itself: nobody else may write for so long
            store.execute("rollback")

    with running(home) as chain:
        said = positions(home, fleet, 12, lock)
        assert len(said) > 50
        landed_once(chain, said)


def test_full_raw_holds_devices_back_and_loses_nothing(tmp_path: Path) -> None:
    settings = {"CITYRISK_LANDING_S": "1", "CITYRISK_RAW_MAX_BYTES": str(64 * 1024)}
    home, fleet = new_home(tmp_path / "var", (25, 20, 40), settings)
    refused = list[object]()

    with running(home) as chain:

        def starve() -> None:
            chain.signal("intake", signal.SIGSTOP)  # nobody acknowledges: RAW fills up
            try:
                until(lambda: "raw" in chain.health("listen") and not chain.is_well("listen"), what="a full RAW")
                refused.append(chain.health("listen")["raw"])
            finally:
                chain.signal("intake", signal.SIGCONT)

        said = positions(home, fleet, 20, starve)
        assert len(refused) == 1
        assert "maximum bytes" in str(refused[0])
        landed_once(chain, said)
        until(lambda: chain.is_well("listen"), what="listen's getting well")


@pytest.mark.case("security.held.H8")
def test_a_full_disk_is_told_and_what_was_said_meanwhile_rings_and_lands_once(tmp_path: Path) -> None:
    settings = {"CITYRISK_LANDING_S": "1", "CITYRISK_CHANNELS_DRY_RUN": "1"}
    home, fleet = new_home(tmp_path / "var", (25, 20, 4), settings)
    engine, said = database.open_ops(home.ops_url), set[tuple[str, str, int]]()

    async def press(phone: str, edition: int) -> None:
        at = datetime.now(UTC).replace(microsecond=0)
        async with Vehicle(lambda: gateway_port(home), phone, edition) as vehicle:
            await vehicle.say(at, SOS)
        said.add((POSITIONS, phone, int(at.timestamp() * 1000)))

    def ringing() -> list[str]:
        alert = tables.alert.c
        with engine.connect() as connection:
            return sorted(connection.scalars(sa.select(alert.device_id).where(alert.rule_id == "vehicle_sos")))

    with running(home) as chain:
        for name in READERS:
            chain.disk(name, 0)
        for one in fleet.vehicles:
            asyncio.run(press(*one))
        for name in ("intake", "alerting"):
            until(lambda name=name: not chain.is_well(name), what=f"a word of {name} about the disk")
            assert re.search("disk|File too large", says(chain, name))
        assert ringing() == []
        for name in READERS:
            chain.disk(name, -1)
        until(lambda: len(ringing()) == len(fleet.vehicles), what="alerts of all buttons")
        landed_once(chain, said)
        assert ringing() == sorted(f"transport:{phone}" for phone, _ in fleet.vehicles)
        for name in READERS:
            until(lambda name=name: chain.is_well(name), what=f"{name}'s getting well")
    engine.dispose()


def test_programs_wait_for_a_broker_and_say_so(tmp_path: Path) -> None:
    home, fleet = new_home(tmp_path / "var", (25, 20, 2), {"CITYRISK_LANDING_S": "1"})
    chain = Chain(home)
    try:
        for name in READERS:
            chain.start(name)
        for name in READERS:
            until(lambda name=name: "broker: " in says(chain, name), what=f"a word of {name} about the broker")
            assert not chain.is_well(name)
        for name in ("broker", "mqtt"):
            chain.start(name)
        for name in chain.names:
            chain.wait(name)
        landed_once(chain, positions(home, fleet, 2, lambda: None))
    finally:
        chain.down()
