"""One breach through every room: a device's bytes become an alert row with its clause, and the duty desk is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import orjson
import polars as pl
import pytest
import sqlalchemy as sa

from benchmarks.chain.arriving import SOS, gateway_port
from benchmarks.chain.messages import loud
from benchmarks.chain.outcome import landed_rows
from benchmarks.chain.place import new_home
from benchmarks.chain.programs import running
from benchmarks.chain.senders import MqttSender, Vehicle
from benchmarks.chain.webhook import open_receiver
from core.settings import Home
from core.store import database, tables
from core.store.landed import live_files
from waiting import until


async def say(home: Home, topic: str, body_at: Callable[[int], bytes]) -> int:
    """One message over MQTT, acknowledged; gives its instant in ms."""
    sender = MqttSender(
        int(home.environment["CITYRISK_MQTT_PORT"]), "urban", home.environment["CITYRISK_NATS_PASSWORD_URBAN"], "one"
    )
    async with sender:
        at_ms = time.time_ns() // 1_000_000
        sender.send(topic.encode(), body_at(at_ms), 0)
        await sender.room(1)
        assert sender.acknowledged == 1
    return at_ms


def sump_limit_m(home: Home, engine: sa.Engine, device: str) -> float:
    """The level that the register says of one station of a utility tunnel."""
    register = pl.read_parquet(live_files(engine, home, "urban.tunnel_device"))
    return float(register.filter(device_id=device)["sump_limit_m"].item())


def sump_body(device: str, level_m: float, at_ms: int) -> bytes:
    """What such a station says of its sump, and nothing else."""
    return orjson.dumps({"deviceId": device, "ts": at_ms, "level": level_m, "st": "0"})


async def press_button(home: Home, phone: str, edition: int) -> None:
    """One position with the emergency bit, acknowledged by the gateway."""
    async with Vehicle(lambda: gateway_port(home), phone, edition) as vehicle:
        await vehicle.say(datetime.now(UTC), SOS)


@pytest.mark.slow
@pytest.mark.case("engineer.held.H2")
def test_one_reading_of_each_door(tmp_path: Path) -> None:
    with open_receiver() as receiver:
        home, fleet = new_home(tmp_path / "var", (25, 20, 3), receiver.settings)
        engine = database.open_ops(home.ops_url)
        alert = tables.alert.c

        def row_of(device: str) -> sa.Row[tuple[object, ...]] | None:
            with engine.connect() as connection:
                return connection.execute(sa.select(tables.alert).where(alert.device_id == device)).first()

        with running(home):
            methane, station = loud(fleet.gas[0]), fleet.tunnel[0]
            limit_m = sump_limit_m(home, engine, station)
            at_ms = asyncio.run(say(home, methane.topic, methane.body))
            sump_ms = asyncio.run(say(home, f"urban/tunnel_reading/{station}", partial(sump_body, station, limit_m)))
            phone, edition = fleet.vehicles[0]
            asyncio.run(press_button(home, phone, edition))

            until(lambda: row_of(f"transport:{phone}"), what="an alert of the emergency button")
            until(lambda: row_of(f"urban:{fleet.gas[0]}"), what="an alert of methane")
            sos, gas = row_of(f"transport:{phone}"), row_of(f"urban:{fleet.gas[0]}")
            assert sos is not None
            assert gas is not None
            assert (sos.state, sos.rule_id, sos.colour) == ("open", "vehicle_sos", sos.colour)
            assert (gas.state, gas.rule_id, gas.value) == ("pending", "gas_methane_lel", 60.0)
            assert gas.standard
            assert gas.disposing_unit
            assert gas.contact
            assert gas.measures_zh
            # The first word of a station, judged at once by the limit that its own row of the register has.
            until(lambda: row_of(f"urban:{station}"), what="an alert of the sump")
            sump = row_of(f"urban:{station}")
            assert sump is not None
            assert (sump.state, sump.rule_id) == ("pending", "tunnel_sump")
            assert (sump.value, sump.threshold) == (limit_m, limit_m)

            until(lambda: receiver.first_told().get(sos.alert_id), what="the duty desk's being told")
            until(lambda: row_of(f"urban:{fleet.gas[0]}").state == "open", what="the hold's end")  # type: ignore[union-attr]
            gas = row_of(f"urban:{fleet.gas[0]}")
            assert gas is not None
            assert (gas.colour, gas.threshold) == ("red", 50)
        engine.dispose()
        landed = landed_rows(home)
        assert sorted(landed.rows()) == [
            ("urban.gas_reading", fleet.gas[0], at_ms),
            ("urban.tunnel_reading", station, sump_ms),
        ]
