"""Announced work: by whom, on what, and where; a slip of the pen is no window."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from access import maintenance
from access.live import ops_reader
from access.rights import NotAllowedError, Reader
from benchmarks.chain.place import draw_registers, land_registers
from core.catalogue import load_contracts
from core.settings import Home
from core.stages import Payload
from core.store.database import open_ops
from ingest.pull import open_intake
from orchestration.rules import publish_rules

NOW = datetime(2026, 6, 1, tzinfo=UTC)
END = NOW + timedelta(hours=2)
DUTY = Reader("li", "duty_officer")
THERE, ELSEWHERE = Reader("wu", "duty_officer", "420502"), Reader("sun", "duty_officer", "420503")
STATION, GAUGE = "61512000", "0061512000"
STATIONS = json.dumps(
    [
        {
            "stcd": STATION,
            "rtuAddr": GAUGE,
            "stnm": "葛洲坝",
            "sttp": "河道站",
            "rvnm": "长江",
            "adcode": "420502",
            "lgtd": 111.29,
            "lttd": 30.70,
            "wrz": 53.0,
            "grz": 55.0,
            "obhtz": 55.7,
            "esstym": "2015-06-01",
        }
    ]
).encode()


@pytest.fixture
def ruled(home: Home) -> Home:
    """A home with a rules generation."""
    publish_rules(home, NOW)
    return home


@pytest.fixture
def registered(ruled: Home) -> Home:
    """The home after a register of stations landed: one gauge in Xiling District."""
    engine = open_ops(ruled.ops_url)
    intake = open_intake(ruled, engine, "r", lambda: NOW)
    landed = intake.take(load_contracts()["water.station"], Payload("water.station", STATIONS, "json", "s.json", NOW))
    engine.dispose()
    assert landed is not None
    assert landed.rows_landed == 1, landed
    return ruled


def announced(home: Home) -> list[tuple[str, str, str]]:
    with ops_reader(home) as live:
        assert live is not None
        return [(one.target_kind, one.target, one.actor) for one in maintenance.windows(live, NOW)]


def test_work_is_announced_and_taken_back(ruled: Home) -> None:
    window_id = maintenance.announce(ruled, DUTY, "device", "urban:GD001", "new cell", NOW, END, NOW).id
    assert announced(ruled) == [("device", "urban:GD001", "li")]
    maintenance.cancel(ruled, DUTY, window_id, NOW + timedelta(hours=1))
    assert announced(ruled) == []
    with pytest.raises(LookupError, match="no maintenance window"):
        maintenance.cancel(ruled, DUTY, window_id, NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("kind", "target", "says"),
    [
        ("device", "GD001", "expected <department>:<id>"),
        ("device", "gasworks:GD001", "expected <department>:<id>"),
        ("device", "water:61512001", "is in no register of water"),
        ("object", "water:nowhere", "is in no register of water"),
        ("feed", "water.river", "has no contract"),
        ("area", "990000", "is not known"),
    ],
)
def test_a_slip_of_the_pen_is_refused(registered: Home, kind: str, target: str, says: str) -> None:
    with pytest.raises(maintenance.UnknownTargetError, match=says):
        maintenance.announce(registered, DUTY, kind, target, "works", NOW, END, NOW)
    assert announced(registered) == []


@pytest.mark.parametrize(("reason", "ends_at"), [(" ", END), ("works", NOW)])
def test_a_window_needs_a_reason_and_an_end(ruled: Home, reason: str, ends_at: datetime) -> None:
    with pytest.raises(ValueError, match="needs a reason, and an end"):
        maintenance.announce(ruled, DUTY, "feed", "water.river_reading", reason, NOW, ends_at, NOW)


def test_a_kind_that_is_none_is_refused(ruled: Home) -> None:
    with pytest.raises(ValueError, match="target kind 'city' found"):
        maintenance.announce(ruled, DUTY, "city", "420500", "works", NOW, END, NOW)


@pytest.mark.parametrize(
    ("kind", "target"), [("device", f"water:{GAUGE}"), ("object", f"water:{STATION}"), ("area", "420502001")]
)
def test_a_branch_announces_only_what_lies_in_it(registered: Home, kind: str, target: str) -> None:
    with pytest.raises(NotAllowedError, match="outside sun's branch 420503"):
        maintenance.announce(registered, ELSEWHERE, kind, target, "works", NOW, END, NOW)
    window_id = maintenance.announce(registered, THERE, kind, target, "works", NOW, END, NOW).id
    with pytest.raises(LookupError, match="in sun's branch 420503"):
        maintenance.cancel(registered, ELSEWHERE, window_id, NOW)
    maintenance.cancel(registered, THERE, window_id, NOW)
    assert announced(registered) == []


def test_a_feed_is_the_whole_citys(ruled: Home) -> None:
    with pytest.raises(NotAllowedError, match="outside wu's branch"):
        maintenance.announce(ruled, THERE, "feed", "water.station", "works", NOW, END, NOW)
    asked = maintenance.announce(ruled, DUTY, "feed", "water.station", "works", NOW, END, NOW)
    assert (asked.waits, announced(ruled)) == (True, [])


def test_a_gateway_lies_where_its_devices_do(ruled: Home) -> None:
    drawn = {"urban.tunnel_device": draw_registers((2, 6, 2))["urban.tunnel_device"]}
    land_registers(ruled, drawn, load_contracts())
    contract, frame = load_contracts()["urban.tunnel_device"], drawn["urban.tunnel_device"].frame
    column = next(one.physical_name for one in contract.columns if one.name == "gateway_id")
    gateway = f"urban:{frame[column][0]}"
    maintenance.announce(ruled, DUTY, "object", gateway, "new modem", NOW, END, NOW)
    assert announced(ruled) == [("object", gateway, "li")]
    with pytest.raises(NotAllowedError, match="outside far's branch 520302"):
        maintenance.announce(ruled, Reader("far", "duty_officer", "520302"), "object", gateway, "x", NOW, END, NOW)
    with pytest.raises(maintenance.UnknownTargetError, match="is in no register of urban"):
        maintenance.announce(ruled, DUTY, "device", gateway, "new modem", NOW, END, NOW)
