"""A new home for a run: secrets, free ports, registers landed through the real intake, a rules generation.

The registers are the simulated city's own, as large as the run needs them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from benchmarks.chain.messages import GAS_ROWS, TUNNEL_ROWS, gateway_of
from city import door_files, vehicles
from city.build import build_city
from city.clock import Span
from city.declared import declared
from city.geography import load_counties
from city.profiles import Size, load_profile
from city.registers import draw_registers as drawn
from city.streams import Streams
from city.table import SourceTable
from cli.demo import departments
from core.catalogue import load_contracts
from core.contract import Contract
from core.loopback import free_port
from core.secrets import create_secrets
from core.settings import Home, open_home
from core.stages import Payload
from core.store import database
from ingest.pull import open_intake
from orchestration.rules import publish_rules
from orchestration.services import mqtt_departments

Sizes = tuple[int, int, int]

SEED = 7
CITY_SIZES: Sizes = (640, 216, 2557)
BROKER_PORTS = ("CITYRISK_NATS_PORT", "CITYRISK_MQTT_PORT", "CITYRISK_MQTT_BROKER_PORT")
OTHER_PORTS = ("METRICS", "JT808", "HJ212", "SL651", "GB26875", "PUSH")


@dataclass(frozen=True)
class Fleet:
    """Devices by their ids on the wire, in the order of the registers."""

    gas: tuple[str, ...]
    tunnel: tuple[str, ...]
    vehicles: tuple[tuple[str, int], ...]  # terminal number and edition of JT/T 808


def new_home(root: Path, sizes: Sizes, settings: Mapping[str, str]) -> tuple[Home, Fleet]:
    """A home with registers of `sizes` (gas detectors, tunnel stations, vehicles) and everything alerting reads.

    The broker gets free ports that stay when it is started again; all others choose theirs.
    """
    root.mkdir(parents=True)
    create_secrets(root, {}, mqtt_departments(load_contracts()))
    home = open_home({**free_ports(), **settings}, root)
    tables = draw_registers(sizes)
    land_registers(home, tables, load_contracts())
    publish_rules(home, datetime.now(UTC))
    return home, fleet_of(tables)


@contextmanager
def city_home(root: Path, settings: Mapping[str, str]) -> Iterator[tuple[Home, Fleet]]:
    """A home with a whole city of thirty days, fetched and built once; its departments are open in the block.

    Its devices are those of the city's own registers, whose planted defects never cost a good device its row.
    """
    root.mkdir(parents=True)
    create_secrets(root, {}, mqtt_departments(load_contracts()))
    build_city(root, "yichang", 30, SEED, 1.0, datetime.now(UTC))
    given = {**free_ports(), **settings}
    with departments(open_home(given, root)):
        home = open_home(given, root)
        run_once(home)
        publish_rules(home, datetime.now(UTC))
        yield home, fleet_of(draw_registers(CITY_SIZES))


def run_once(home: Home, *options: str) -> int:
    """One batch run as a process; gives its exit code."""
    program = str(Path(sys.executable).with_name("cityrisk"))
    environment = {**os.environ, **home.environment, "CITYRISK_HOME": str(home.root)}
    home.run.mkdir(exist_ok=True)
    with (home.run / "run.log").open("ab") as log:
        return subprocess.run(
            [program, "run", *options], env=environment, stdout=log, stderr=log, check=False
        ).returncode


def free_ports() -> dict[str, str]:
    """Settings of ports: fixed free ones for the broker, the others choose theirs at each start."""
    return {name: str(free_port()) for name in BROKER_PORTS} | {f"CITYRISK_{name}_PORT": "0" for name in OTHER_PORTS}


def fleet_of(tables: Mapping[str, SourceTable]) -> Fleet:
    """The devices of drawn registers."""
    edition = {"808-2019": 2019, "808-2013": 2013}
    cars = tables["transport.vehicle"].frame
    return Fleet(
        tuple(tables["urban.gas_device"].frame["设备编码"].to_list()),
        tuple(tables["urban.tunnel_device"].frame["设备编码"].to_list()),
        tuple((str(phone), edition[str(kind)]) for phone, kind in zip(cars["zdh"], cars["zdxy"], strict=True)),
    )


def draw_registers(sizes: Sizes) -> dict[str, SourceTable]:
    """The city's registers of gas detectors, tunnel stations and vehicles, none of them spoilt."""
    profile, streams = load_profile("yichang"), Streams("yichang", SEED)
    counties, span = load_counties(profile.code), Span(datetime.now(UTC), 1)
    n_gas, n_tunnel, n_vehicles = sizes
    counts = {"gas_detectors": n_gas, "tunnel_compartments": n_tunnel}
    as_wanted = replace(profile, sizes={name: Size(n, False, 1, True) for name, n in counts.items()})
    simulated = declared()
    feeds = {id: simulated.departments[id] for id in ("urban.gas_device", "urban.tunnel_device")}
    registers = drawn(replace(simulated, departments=feeds), as_wanted, counties, span, streams, 1.0, {})
    firms, drivers = (92, 2310) if sizes == CITY_SIZES else (max(1, n_vehicles // 30), n_vehicles)
    tables = (
        _behind_senders(registers["urban.gas_device"], GAS_ROWS),
        _behind_senders(registers["urban.tunnel_device"], TUNNEL_ROWS),
        vehicles.build(profile, counties, span, streams, (n_vehicles, firms, drivers)),
    )
    return {table.feed_id: table for table in tables}


def _behind_senders(table: SourceTable, rows: int) -> SourceTable:
    """The register with a gateway for the devices of each message, which may speak for them."""
    names = table.frame["设备编码"].to_list()
    gateways = [gateway_of(names[number - number % rows]) for number in range(len(names))]
    return replace(table, frame=table.frame.with_columns(pl.Series("采集网关", gateways, dtype=pl.String)))


def land_registers(home: Home, tables: Mapping[str, SourceTable], contracts: Mapping[str, Contract]) -> None:
    """Land the registers as a pull would; every row must come through."""
    engine = database.open_ops(home.ops_url)
    intake = open_intake(home, engine, "registers", lambda: datetime.now(UTC))
    for payload, rows in payloads(tables):
        landed = intake.take(contracts[payload.feed_id], payload)
        if landed is None or landed.rows_landed != rows:
            raise RuntimeError(f"{payload.feed_id}: {landed} landed of {rows} rows; look at the quarantine")
    engine.dispose()


def payloads(tables: Mapping[str, SourceTable]) -> Iterator[tuple[Payload, int]]:
    """The registers as their departments send them, with the number of their rows."""
    at = datetime.now(UTC)
    for feed_id, table in tables.items():
        if feed_id == "transport.vehicle":
            body, media = table.frame.select(table.columns).write_ndjson().encode(), "ndjson"
        else:
            body, media = door_files.csv_bytes(door_files.text_frame(table)), "csv"
        yield Payload(feed_id, body, media, f"{feed_id}.{media}", at), table.frame.height
