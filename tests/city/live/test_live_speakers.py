"""What devices say: the same whenever they are asked, good frames of their protocols, and disorder as lines have it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from city.build import build_city
from city.live.fleet import Fleet
from city.live.history import history
from city.live.incident import Curve, Incident
from city.live.plan import Plan
from city.live.regular import Regular
from city.live.schedule import spoken
from city.live.utterance import Utterance
from core.catalogue import load_contracts
from ingest.protocols import codec
from live_city import AS_OF, REGISTERS

START = int(AS_OF.timestamp())


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Yichang at a fiftieth of its size."""
    root = tmp_path_factory.mktemp("speakers")
    build_city(root, "yichang", 1, 3, 0.02, AS_OF, defects=False)
    return Fleet.load(root)


@pytest.fixture(scope="module")
def hours(fleet: Fleet) -> list[Utterance]:
    """Three hours of quiet life."""
    return list(spoken(fleet.speakers(), START, START + 3 * 3600))


def test_how_time_is_cut_changes_nothing(fleet: Fleet, hours: Sequence[Utterance]) -> None:
    again = list(spoken(fleet.speakers(), START, START + 3 * 3600, chunk_s=1800))
    assert Counter(again) == Counter(hours)
    assert [one.at for one in again] == sorted(one.at for one in again)


def test_another_seed_says_other_things(fleet: Fleet, hours: Sequence[Utterance]) -> None:
    other = replace(fleet, seed=fleet.seed + 1)
    there = {one.body for one in spoken(other.speakers(), START, START + 600)}
    assert len({one.body for one in hours} & there) < 0.05 * len(there)


def test_every_frame_decodes_to_the_rows_that_it_claims(hours: Sequence[Utterance]) -> None:
    channels = Counter(one.channel for one in hours)
    assert set(channels) == {"mqtt", "jt808", "hj212", "sl651", "gb26875"}
    contracts = load_contracts()
    for one in hours:
        if one.channel == "mqtt":
            document = json.loads(one.body)
            known = {column.physical_name for column in contracts[one.raw_feed].columns}
            assert set(document) <= known
            continue
        message = codec(one.channel).decode(one.body)
        assert message.device_id == one.device_id
        assert not message.deviations
        kinds = {contracts[said.feed_id].server.options["record"] for said in one.said}
        assert len([record for record in message.records if record.kind in kinds]) == len(one.said)


def test_lines_disturb_a_few_reports_and_lose_none(fleet: Fleet) -> None:
    day = list(spoken(fleet.speakers(feeds=["urban.tunnel_reading"]), START, START + 86_400))
    bodies = Counter(one.body for one in day)
    assert 0 < sum(count - 1 for count in bodies.values()) < 0.01 * len(day)
    stations = fleet.registers["urban.tunnel_device"]
    assert len({(said.device_id, said.observed_at) for one in day for said in one.said}) == len(stations) * 1440
    late = [one for one in day if one.at - one.said[0].observed_at > 800]
    swapped = [one for one in day if 60 < one.at - one.said[0].observed_at < 800]
    assert late
    assert swapped
    flags = Counter(json.loads(one.body)["st"] for one in day)
    assert flags["1"] + flags["2"] > 0
    assert flags["0"] > 0.97 * len(day)


def test_vehicles_rest_by_night_and_bring_back_what_a_tunnel_kept(fleet: Fleet) -> None:
    vehicles = fleet.speakers(feeds=["transport.vehicle_position"])
    day = list(spoken(vehicles, START, START + 86_400))
    rows = [record.values for one in day for record in codec("jt808").decode(one.body).records]
    assert {row["is_backfill"] for row in rows} == {True, False}
    night = [row for row in rows if str(row["observed_at"])[11:13] in ("23", "00", "01", "02", "03", "04")]
    assert night
    assert all(row["speed_kmh"] == 0 and not row["acc_on"] for row in night)
    assert max(float(str(row["speed_kmh"])) for row in rows) > 40


def test_devices_may_tell_events_in_words_now_and_then(fleet: Fleet) -> None:
    """A feed of events is one that a device speaks at a share of its moments, with texts beside its numbers."""
    simulated, feed_id = fleet.declared, "urban.gas_reading"
    values = {"quality_flag": {"says": "{采集网关}/{device}/{at}"}, "methane_pct_vol": {"base": 2}}
    kind = replace(simulated.devices[feed_id], every_s=60, chance=0.25, values=values)
    other = replace(fleet, declared=replace(simulated, devices={feed_id: kind}))
    told = list(spoken(other.speakers(feeds=[feed_id]), START, START + 86_400))
    devices = {row["设备编码"]: row["采集网关"] for row in fleet.registers["urban.gas_device"]}
    assert 0.22 < len(told) / (1440 * len(devices)) < 0.28
    for one in told[:50]:
        document = json.loads(one.body)
        assert document["st"] == f"{devices[one.device_id]}/{one.device_id}/{document['ts'] // 1000}"
        assert document["ch4Vol"] == 2


def test_an_incident_bends_a_value_and_silences_a_device(fleet: Fleet) -> None:
    def said(device: Regular) -> list[Utterance]:
        return list(spoken([device], START, START + 3600))

    first, second, *_ = fleet.speakers(feeds=["urban.tunnel_reading"])
    rising = Curve((0.0, 600.0), (1.0, 41.0))
    assert [rising.at(second) for second in (-5, 0, 300, 600, 9999)] == [1.0, 1.0, 21.0, 41.0, 41.0]
    span = START + 600, START + 1800
    first.incidents = (Incident("r", "red", first.raw_feed, "o", first.device_id, *span, {"h2s_mg_m3": rising}),)
    values = {one.said[0].observed_at: json.loads(one.body)["h2s"] for one in said(first)}
    assert max(value for at, value in values.items() if span[0] <= at < span[1]) == 41.0
    assert max(value for at, value in values.items() if not span[0] <= at < span[1]) < 3
    second.incidents = (Incident("r", "blue", second.raw_feed, "o", second.device_id, *span, {}, {"silent": 60}),)
    told = [one.said[0].observed_at for one in said(second)]
    assert [at for at in told if span[0] + 60 <= at < span[1]] == []
    assert any(span[0] <= at < span[0] + 60 for at in told)


def test_history_is_in_order_and_ends_with_the_plan(fleet: Fleet) -> None:
    arrivals = list(history(fleet, Plan(START, START + 1800), thin=3.0))
    received = [one.received_at_us for one in arrivals]
    assert received == sorted(set(received))
    assert received[-1] < (START + 1800) * 1_000_000
    assert {one.raw_feed for one in arrivals} == {one.raw_feed for one in fleet.speakers()}


def test_a_city_keeps_the_good_rows_of_its_devices(fleet: Fleet, tmp_path: Path) -> None:
    """Bad rows of a register are nobody's device."""
    build_city(tmp_path, "yichang", 1, 3, 0.02, AS_OF)
    assert Fleet.load(tmp_path).registers == fleet.registers
    assert set(fleet.registers) <= set(REGISTERS)
