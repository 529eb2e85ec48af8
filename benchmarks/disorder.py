"""Ten minutes of devices with wrong clocks, ranges and neighbour values: does every danger ring, and nothing else?

`python benchmarks/disorder.py [--minutes 10] [--devices 2000] [--share 0.3] [--seed 7]`: devices of every protocol
speak every ten seconds, in frames of theirs, through parse, conform and tick into the committed rules; no broker, no
store. A tenth of the devices is in danger for some minutes. `share` of all messages is spoilt. The same devices then
speak in order, for comparison. Seconds are of receipt: from the first dangerous message to the alert. Prints one JSON
line.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from alerting.engine import Asset, Engine, Registry, shapes_of
from alerting.engine.episode import Change, EpisodeChange
from benchmarks.rules_engine import rules
from core.catalogue import load_contracts
from core.contract import Contract
from core.secrets import create_secrets
from core.settings import open_home
from core.store import database
from core.stream.live import LiveBatch, micros, of_frame
from core.stream.raw import RawEntry, pack
from core.stream.reader import Taken
from ingest.intake.seen import SeenRows
from ingest.intake.tick import Feed, Ticker
from ingest.protocols import gb26875, hj212, sl651
from ingest.protocols.jt808 import encode as jt808
from ingest.pull import open_intake

T0 = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
EVERY_S = 10
CONTRACTS = load_contracts()
# Errors of a device's clock, as it would tell the time.
CLOCKS: Mapping[str, Callable[[datetime], datetime]] = {
    "nine minutes ahead": lambda at: at + timedelta(minutes=9),
    "a year ahead": lambda at: at + timedelta(days=365),
    "unset": lambda _: datetime(2000, 1, 1, tzinfo=UTC),
    "three hours behind": lambda at: at - timedelta(hours=3),
    "of 1970, read as milliseconds": lambda at: datetime.fromtimestamp(at.timestamp() / 1000, UTC),
}
# What says that a device is broken or many ring together: true, and not the danger that is counted here.
APART = frozenset({"fault", "silence", "over_range", "rollup", "sender"})


@dataclass(frozen=True, slots=True)
class Told:
    """One message: the time as told, whether it is dangerous, over range on the dangerous side, with bad neighbours."""

    device: str
    at: datetime
    is_dangerous: bool
    is_over_range: bool
    is_torn: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """Devices of one feed: the share of all, the rule their danger must open, how they write a message."""

    feed: str
    prefix: str
    share: float
    rule: str
    write: Callable[[Told], bytes]
    attributes: Mapping[str, Any]


def _json(told: Told, **values: Any) -> bytes:
    return json.dumps({"deviceId": told.device, "ts": micros(told.at) // 1000, "st": "0", **values}).encode()


def gas(told: Told) -> bytes:
    """A gas detector over MQTT; torn: a broken probe's code, a text, a null beside the gas."""
    lel: float = (99_999 if told.is_over_range else 60) if told.is_dangerous else 2.5
    torn = {"temp": -127, "press": "ERR", "ch4Vol": None} if told.is_torn else {"temp": 18}
    return _json(told, ch4Lel=lel, **torn)


def tunnel(told: Told) -> bytes:
    """A tunnel station over MQTT: too little oxygen, or less than there can be."""
    oxygen: float = (-5 if told.is_over_range else 16.5) if told.is_dangerous else 20.8
    torn = {"temp": -127, "rh": "?", "h2s": None} if told.is_torn else {"temp": 19, "rh": 50}
    return _json(told, o2=oxygen, **torn)


def vehicle(told: Told) -> bytes:
    """A terminal over JT/T 808 whose button is pressed; torn: without a fix, at an impossible speed."""
    place = (0.0, 0.0) if told.is_torn else (111.3, 30.7)
    position = jt808.Position(told.at, *place, alarm_bits=int(told.is_dangerous))
    body = bytearray(jt808.location_body(position))
    if told.is_torn:
        body[18:20] = b"\xff\xff"
    return jt808.frame(jt808.Sender(told.device, 2013), 0x0200, 1, bytes(body))


def outfall(told: Told) -> bytes:
    """An outfall monitor over HJ 212; torn: a factor beside it is no number, another is flagged."""
    cod = (99_999.0 if told.is_over_range else 180.0) if told.is_dangerous else 40.0
    factors: dict[str, dict[str, str | float]] = {"w01018": {"Rtd": cod, "Flag": "N"}}
    if told.is_torn:
        factors |= {"w21003": {"Rtd": "----", "Flag": "D"}, "w01001": {"Rtd": 7.1, "Flag": "D"}}
    return hj212.encode(told.device, "32", "2011", told.at, observed_at=told.at, factors=factors)


def river(told: Told) -> bytes:
    """A river station over SL 651; torn: its battery is not known."""
    level = (999.0 if told.is_over_range else 52.0) if told.is_dangerous else 41.0
    group = sl651.Group(told.at, {"level_m": level, "battery_v": None if told.is_torn else 12.6})
    (frame,) = sl651.report(sl651.Sender(told.device, "river"), 0x32, 1, told.at, [group])
    return frame


def fire(told: Told) -> bytes:
    """A smoke detector over GB/T 26875.3; torn: nothing says where it is."""
    part = gb26875.Part("fire_alarm", 1, "smoke_detector", 3, 7)
    at, place = max(told.at, datetime(2000, 1, 1, tzinfo=UTC)), "" if told.is_torn else "3层走廊"
    state = gb26875.part_state(part, ["fire" if told.is_dangerous else "operating"], at, place)
    return gb26875.packet(gb26875.Unit(told.device), 1, at, 2, [state])


KINDS = (
    Kind("urban.gas_reading", "G", 0.30, "gas_methane_lel", gas, {}),
    Kind("urban.tunnel_reading", "T", 0.15, "tunnel_oxygen", tunnel, {}),
    Kind("transport.vehicle_position", "138", 0.20, "vehicle_sos", vehicle, {}),
    Kind("ecology.outfall_reading", "8888", 0.10, "outfall_cod", outfall, {"cod_limit_mg_l": 100.0}),
    Kind("water.river_reading", "55", 0.10, "river_level", river, {"warning_level_m": 48.0}),
    Kind("fire.device_state", "0102", 0.15, "fire_alarm", fire, {}),
)
ID_DIGITS = {"138": 11, "8888": 14, "55": 10, "0102": 12}


@dataclass(frozen=True, slots=True)
class Device:
    """One device: when it speaks first, and from when to when it is in danger (seconds; empty for never)."""

    id: str
    kind: Kind
    phase_s: int
    danger: range

    @property
    def key(self) -> str:
        """As rules name it."""
        return f"{self.kind.feed.partition('.')[0]}:{self.id}"


def fleet(n_devices: int, seconds: int, chance: random.Random) -> list[Device]:
    """All devices, a tenth of them in danger for three minutes or more."""
    devices = []
    for kind in KINDS:
        digits = ID_DIGITS.get(kind.prefix, 6)
        for number in range(round(n_devices * kind.share)):
            begin = chance.randrange(60, max(61, seconds - 240))
            danger = range(begin, begin + chance.randrange(180, 241)) if chance.random() < 0.1 else range(0)
            name = f"{kind.prefix}{number + 1:0{digits - len(kind.prefix)}d}"
            devices.append(Device(name, kind, chance.randrange(EVERY_S), danger))
    return devices


def spoilt(device: Device, second: int, share: float, chance: random.Random) -> Told:
    """What a device says at a second; something is wrong with `share` of it."""
    at, is_dangerous = T0 + timedelta(seconds=second), second in device.danger
    if chance.random() >= share:
        return Told(device.id, at, is_dangerous, False, False)
    told = chance.choice(list(CLOCKS.values()))(at) if chance.random() < 0.6 else at
    return Told(device.id, told, is_dangerous, chance.random() < 0.5, chance.random() < 0.5)


def messages(devices: Sequence[Device], seconds: int, share: float, seed: int) -> Iterator[list[tuple[Device, bytes]]]:
    """Second by second what is received."""
    chance = random.Random(seed)
    by_phase = defaultdict[int, list[Device]](list)
    for device in devices:
        by_phase[device.phase_s].append(device)
    for second in range(seconds):
        yield [(one, one.kind.write(spoilt(one, second, share, chance))) for one in by_phase[second % EVERY_S]]


def alerts(devices: Sequence[Device], said: Iterator[list[tuple[Device, bytes]]]) -> dict[tuple[str, str], int]:
    """(rule, device) → the second at which it first alerted as a danger of now."""
    kinds = {rule.rule_id: str(rule.kind) for rule in rules().rules}
    assets = [
        Asset(one.key, f"{one.key}-o", None, None, None, None, None, dict(one.kind.attributes)) for one in devices
    ]
    engine = Engine(rules(), Registry(shapes_of(CONTRACTS.values()), {}, {one.id: one for one in assets}))
    found: dict[tuple[str, str], int] = {}
    with new_ticker() as ticker:
        for second, heard in enumerate(said):
            for change in received(ticker, engine, second, heard):
                if change.change is Change.OPENED and not change.is_past and kinds[change.rule_id] not in APART:
                    device = (change.device_id or "").partition("/")[0]  # a part counts as its unit
                    found.setdefault((change.rule_id, device), second)
    return found


def received(ticker: Ticker, engine: Engine, second: int, heard: list[tuple[Device, bytes]]) -> list[EpisodeChange]:
    """One second's messages through tick and rules, then the clock."""
    at, entries = T0 + timedelta(seconds=second), defaultdict[str, list[RawEntry]](list)
    for device, body in heard:
        entries[device.kind.feed].append(RawEntry(device.id, micros(at), body))
    taken = [
        Taken(second * 10 + i + 1, f"raw.{feed}._", pack(rows), "") for i, (feed, rows) in enumerate(entries.items())
    ]
    changes: list[EpisodeChange] = []
    for shaped in ticker.take_in(taken, at):
        if shaped.frame.height:
            changes += engine.fold(of_frame(shaped.feed_id, shaped.frame, at, "raw:1-1"))
    return changes + engine.fold(LiveBatch("clock", at, "", {}))


@contextmanager
def new_ticker() -> Iterator[Ticker]:
    """A ticker of a new home, in which nothing has landed and everybody may speak."""

    def nothing(contract: Contract, _day: date | None) -> pl.DataFrame:
        return pl.DataFrame(schema={column.landed_name: pl.String for column in contract.landed_columns})

    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "var"
        root.mkdir()
        create_secrets(root)
        home = open_home({}, root)
        store = database.open_ops(home.ops_url)
        feeds = {feed_id: Feed(contract, 0) for feed_id, contract in CONTRACTS.items() if contract.is_stream}
        yield Ticker(open_intake(home, store, "disorder", lambda: T0), feeds, SeenRows(nothing), None)
        store.dispose()


def judged(devices: Sequence[Device], found: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """Planted dangers that alerted and did not, what alerted beside them, and the delays."""
    first = {
        (one.kind.rule, one.key): next(s for s in one.danger if s % EVERY_S == one.phase_s)
        for one in devices
        if one.danger
    }
    delays = [found[key] - first[key] for key in first.keys() & found.keys()]
    missed, invented = sorted(first.keys() - found.keys()), sorted(found.keys() - first.keys())
    return {
        "planted": len(first),
        "alerted": len(delays),
        "missed": missed[:20],
        "invented": invented[:20],
        "invented_n": len(invented),
        "early": sum(delay < 0 for delay in delays),
        "delay_s_median": float(np.median(delays)),
        "delay_s_p99": float(np.percentile(delays, 99)),
    }


def main() -> int:
    """Disorder, then order; the exit code is 1 when a danger was missed or one was invented."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    seconds = round(options.minutes * 60)
    devices = fleet(options.devices, seconds, random.Random(options.seed))
    report = {
        name: judged(devices, alerts(devices, messages(devices, seconds, share, options.seed)))
        for name, share in (("disorder", options.share), ("order", 0.0))
    }
    print(
        json.dumps({"devices": len(devices), "seconds": seconds, "share": options.share, **report}, ensure_ascii=False)
    )
    return int(any(one["missed"] or one["invented_n"] for one in report.values()))


if __name__ == "__main__":
    raise SystemExit(main())
