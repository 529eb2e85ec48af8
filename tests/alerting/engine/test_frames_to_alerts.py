"""Bytes as devices send them, through parse, conform and tick, into the rules: what is dangerous rings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from frames import T0, Chain, rules

from alerting.engine import Engine, Registry
from alerting.engine.episode import Change
from core.settings import Home
from core.store import database
from core.stream.live import micros
from ingest.protocols import gb26875
from ingest.protocols.jt808 import encode
from ingest.pull import open_intake
from rule_parts import SHAPES, asset

GAS, POSITION, STATE = "urban.gas_reading", "transport.vehicle_position", "fire.device_state"


@pytest.fixture
def chain(home: Home) -> Iterator[Chain]:
    engine = database.open_ops(home.ops_url)
    yield Chain(open_intake(home, engine, "run-1", lambda: T0))
    engine.dispose()


def reading(second: float, ahead_s: float = 0, **values: Any) -> dict[str, Any]:
    ts = micros(T0 + timedelta(seconds=second + ahead_s)) // 1000
    return {"deviceId": "G1", "ts": ts, "ch4Lel": 60, "st": "0", **values}


@pytest.mark.case("live.C1", "live.C2")
@pytest.mark.parametrize("clock", ["000000000000", "261301000000", "991130120000"])
def test_an_sos_rings_whatever_its_clock_says(chain: Chain, clock: str) -> None:
    body = bytearray(encode.location_body(encode.Position(T0, 111.3, 30.7, alarm_bits=1)))
    body[22:28] = bytes.fromhex(clock)
    chain.say(POSITION, "13800000001", encode.frame(encode.Sender("13800000001", 2013), 0x0200, 1, bytes(body)), 0)
    assert {rule: found for rule, found in chain.opened().items() if "sos" in rule} == {"vehicle_sos": ("red", 0.0)}


@pytest.mark.case("live.A7", "live.D3")
@pytest.mark.parametrize("is_backfill", [False, True])
def test_an_sos_that_nobody_knows_of_rings_hours_later_and_is_marked_late(chain: Chain, is_backfill: bool) -> None:
    hours_ago = T0 - timedelta(hours=3)
    quiet = encode.Position(T0 - timedelta(hours=4), 111.3, 30.7)
    batch = [quiet, encode.Position(hours_ago, 111.3, 30.7, alarm_bits=1)]
    (frame,) = encode.location_batch(encode.Sender("13800000001", 2013), 1, batch, is_backfill)
    chain.say(POSITION, "13800000001", frame, 0)
    (opened,) = (c for c in chain.changes if c.rule_id == "vehicle_sos" and c.change is Change.OPENED)
    assert (opened.at, opened.is_late, opened.is_past) == (hours_ago, True, False)
    marks = opened.details["marks"]
    assert isinstance(marks, list)
    assert "late" in marks


@pytest.mark.case("live.C3")
def test_a_fire_rings_without_any_clock(chain: Chain) -> None:
    part = gb26875.Part("fire_alarm", 1, "smoke_detector", 3, 7)
    fire = bytearray(gb26875.part_state(part, ["fire"], T0, "3层走廊"))
    fire[-6:] = bytes(6)
    frame = bytearray(gb26875.packet(gb26875.Unit("010203040506"), 1, T0, 2, [bytes(fire)]))
    frame[6:12] = bytes(6)
    frame[-3] = sum(frame[2:-3]) & 0xFF
    chain.say(STATE, "010203040506", bytes(frame), 0)
    assert [found for rule, found in chain.opened().items() if rule.startswith("fire")] == [("orange", 0.0)]


@pytest.mark.case("live.A1", "live.A3", "live.A5", "live.B1", "live.B3")
@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"ahead_s": 540}, id="nine minutes ahead"),
        pytest.param({"ahead_s": 86_400 * 365}, id="a year ahead"),
        pytest.param({"ts": 0}, id="zero clock"),
        pytest.param({"ts": 1_790_000_000}, id="seconds for milliseconds"),
        pytest.param({"ch4Lel": 105}, id="over range"),
        pytest.param({"ch4Lel": 99_999}, id="far over range"),
        pytest.param({"temp": -127}, id="broken neighbour"),
        pytest.param({"temp": "ERR", "press": None, "st": "?"}, id="unreadable neighbours"),
        pytest.param({"ch4Vol": "NaN"}, id="a text that is no number"),
    ],
)
def test_a_leak_rings_after_its_hold_whatever_else_is_wrong(chain: Chain, spoilt: dict[str, Any]) -> None:
    for number in range(12):
        chain.say(GAS, "G1", reading(number * 1.5, **spoilt), number * 1.5)
    colour, first = chain.opened()["gas_methane_lel"]
    assert colour == "red"
    assert 0 <= first <= 12


@pytest.mark.case("live.A1")
def test_one_frame_of_next_year_mutes_nothing(chain: Chain) -> None:
    chain.say(GAS, "G1", reading(0, ahead_s=86_400 * 365, ch4Lel=1), 0)
    for number in range(1, 12):
        chain.say(GAS, "G1", reading(number * 1.5), number * 1.5)
    assert chain.opened()["gas_methane_lel"][0] == "red"


@pytest.mark.case("live.A4")
def test_one_dangerous_reading_ahead_of_normal_ones_invents_nothing(chain: Chain) -> None:
    chain.say(GAS, "G1", reading(0, ahead_s=540), 0)
    for number in range(1, 400):
        chain.say(GAS, "G1", reading(number * 1.5, ch4Lel=5), number * 1.5)
    assert "gas_methane_lel" not in chain.opened()


@pytest.mark.case("live.A7")
def test_back_fill_of_a_past_leak_is_no_present_danger(chain: Chain) -> None:
    chain.say(GAS, "G1", reading(0, ch4Lel=1), 0)
    later = 3 * 3600.0
    for number in range(30):  # a burst after a silence of three hours, a minute of the past each tenth of a second
        chain.say(GAS, "G1", reading(60 * (number + 1)), later + number / 10)
    chain.say(GAS, "G1", reading(later + 4, ch4Lel=1), later + 4)
    leaks = [c for c in chain.changes if c.rule_id == "gas_methane_lel"]
    assert leaks, "the danger there was is listed"
    assert all(c.is_past for c in leaks)


@pytest.mark.case("engineer.held.H2")
@pytest.mark.parametrize(("limit_m", "colour"), [(70.0, "red"), (40.0, None)], ids=["below the limit", "above it"])
def test_the_first_word_of_a_device_is_judged_at_once_by_the_limit_of_its_register(
    chain: Chain, limit_m: float, colour: str | None
) -> None:
    pond = asset("emergency:P1", dry_beach_min_m=limit_m, pond_class="3")
    point = asset("emergency:T1", pond.id)
    chain.engine = Engine(rules(), Registry(SHAPES, {pond.id: pond}, {point.id: point}))
    said = {"pointCode": "T1", "time": f"{T0:%Y-%m-%dT%H:%M:%S%z}", "dryBeach": 55.0}
    chain.say("emergency.tailings_sensor", "T1", said, 0)
    chain.wait(1)
    assert chain.opened().get("tailings_beach") == ((colour, 0.0) if colour else None)
    assert {change.threshold for change in chain.changes} == ({limit_m} if colour else set())
