"""Who may speak follows the landed registers: read again when something lands, the newest snapshot only."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import sqlalchemy as sa

from broker_server import BrokerServer
from core.catalogue import load_contracts
from core.contract import ContractError
from core.settings import Home
from core.stages import Batch, Payload
from core.store import database
from core.store.device import list_access, list_links, set_access
from core.store.ledger import batch_id_of
from core.stream.client import connected
from ingest.devices.known import KnownDevices, register_of
from ingest.land.accept import LandingRequest, LandingZone, accept
from listening import Device, entries_in_raw, listening, open_contracts, raw_holds, until

AT = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
GAS, GAS_REGISTER = "urban.gas_reading", "urban.gas_device"


def land(home: Home, engine: sa.Engine, feed_id: str, column: str, ids: list[str], at: datetime) -> None:
    """One batch of a register with nothing in it but ids."""
    contract = load_contracts()[feed_id]
    names = {one.landed_name: pl.lit(None, pl.String) for one in contract.landed_columns}
    frame = pl.DataFrame({column: ids, "_row": [str(n) for n in range(len(ids))]}).with_columns(
        pl.lit(at).dt.convert_time_zone("UTC").alias("_received_at"),
        *(value.alias(name) for name, value in names.items() if name != column),
    )
    batch_id = batch_id_of(feed_id, f"{at}{ids}")
    payload = Payload(feed_id, b"", "json", "test", at)
    batch = Batch(batch_id, feed_id, frame, (), len(ids))
    accept(LandingZone(home, engine), LandingRequest(contract, batch, payload, "0" * 64, "run"))


@pytest.fixture
def engine(home: Home) -> sa.Engine:
    return database.open_ops(home.ops_url)


def test_a_device_of_the_newest_snapshot_is_known(home: Home, engine: sa.Engine) -> None:
    known = KnownDevices(home, engine, load_contracts())
    known.refresh()
    assert known.standing([GAS], "G1") == (GAS, "unready")
    land(home, engine, GAS_REGISTER, "device_id", ["G1", "G2"], AT)
    known.refresh()
    assert known.standing([GAS], "G1") == (GAS, "known")
    assert known.standing([GAS], "G9") == (GAS, "unknown")
    land(home, engine, GAS_REGISTER, "device_id", ["G2"], AT + timedelta(days=1))
    known.refresh()
    assert known.standing([GAS], "G1") == (GAS, "unknown")
    set_access(engine, GAS, "G1", "allowed", "duty", "moves to another list", AT)
    set_access(engine, GAS, "G2", "banned", "duty", "broken", AT)
    known.refresh()
    assert [known.standing([GAS], one)[1] for one in ("G1", "G2")] == ["known", "banned"]
    assert [(row.device_id, row.verdict) for row in list_access(engine)] == [("G1", "allowed"), ("G2", "banned")]
    set_access(engine, GAS, "G2", None, "duty", "repaired", AT)
    known.refresh()
    assert known.standing([GAS], "G2") == (GAS, "known")
    engine.dispose()


def test_one_port_serves_feeds_of_several_registers(home: Home, engine: sa.Engine) -> None:
    feeds = ["ecology.outfall_reading", "housing.dust_reading"]
    land(home, engine, "housing.dust_monitor", "device_id", ["D1"], AT)
    land(home, engine, "ecology.outfall", "device_id", ["O1"], AT)
    known = KnownDevices(home, engine, load_contracts())
    known.refresh()
    assert known.standing(feeds, "D1") == ("housing.dust_reading", "known")
    assert known.standing(feeds, "O1") == ("ecology.outfall_reading", "known")
    assert known.standing(feeds, "X1")[1] == "unknown"
    engine.dispose()


def test_ids_are_compared_as_frames_say_them(home: Home, engine: sa.Engine) -> None:
    land(home, engine, "transport.vehicle", "terminal_id", ["013800001111"], AT)
    land(home, engine, "fire.device", "device_id", ["0102030405A6-1-1-40-00020003"], AT)
    known = KnownDevices(home, engine, load_contracts())
    known.refresh()
    assert known.standing(["transport.vehicle_position"], "13800001111")[1] == "known"
    assert known.standing(["fire.device_state"], "0102030405A6")[1] == "known"
    engine.dispose()


def test_a_register_that_is_no_feed_is_named() -> None:
    contracts = load_contracts()
    wrong = open_contracts(GAS)[GAS]
    wrong.server.options["register"] = "urban.nothing.device_id"  # type: ignore[index]
    with pytest.raises(ContractError, match=r"no feed 'urban\.nothing'"):
        register_of(wrong, contracts)


@pytest.mark.case("engineer.held.H4")
async def test_messages_wait_until_the_register_has_landed(broker: BrokerServer) -> None:
    broker.stop()
    home = broker.set(CITYRISK_NATS_PASSWORD_URBAN="gas")
    broker.start()
    engine = database.open_ops(home.ops_url)
    contracts = {feed: one for feed, one in load_contracts().items() if feed in (GAS, GAS_REGISTER)}

    async with listening(home, contracts), connected(home, "test") as client:
        device = Device(home, "urban")
        device.publish("urban/gas_reading/G1", [b"known"])
        device.publish("urban/gas_reading/G9", [b"stranger"])
        await until(lambda: len(device.acknowledged) == 2)
        assert await entries_in_raw(client) == []
        land(home, engine, GAS_REGISTER, "device_id", ["G1"], AT)
        # The stranger is let through within limits: intake lands nothing of it, alerting hears it.
        found = await raw_holds(client, 2)
        assert sorted((entry.device_id, entry.body) for _, entry in found) == [
            ("G1", b"known"),
            ("G9", b"stranger"),
        ]
        device.close()
    assert [(row.device_id, row.standing) for row in list_links(engine)] == [("G1", "known"), ("G9", "unknown")]
    engine.dispose()


def test_a_sender_speaks_for_its_own_parts_and_in_its_own_spelling(home: Home, engine: sa.Engine) -> None:
    """A transmission unit's packet names its parts by itself; a terminal's phone number may have zeros before it."""
    contracts = load_contracts()
    unit, terminal = "420500000009", "13500000001"
    land(home, engine, "fire.device", "device_id", [unit, f"{unit}-0-1-17-65537", "42050000000A"], AT)
    land(home, engine, "transport.vehicle", "terminal_id", [f"0{terminal}"], AT)
    known = KnownDevices(home, engine, contracts)
    known.refresh()
    readings, positions = contracts["fire.device_reading"], contracts["transport.vehicle_position"]
    assert known.may_speak(readings, unit, f"{unit}-0-1-17-65537")
    assert known.may_speak(readings, unit, f"{unit}-0-1-99-1"), "a part that no register lists is the unit's own too"
    assert not known.may_speak(readings, unit, "42050000000A-0-1-17-65537")
    assert known.may_speak(positions, terminal, f"0{terminal}")
    assert not known.may_speak(positions, terminal, "13500000002")
