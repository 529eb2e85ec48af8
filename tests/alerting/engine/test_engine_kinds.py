"""Every kind of rule on small hand-made streams: what opens, at which instant, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting.engine import Engine
from alerting.engine.episode import Change, EpisodeChange
from alerting.rules import MaintenanceWindow, RuleSet, load_rules
from core.stream.live import LiveBatch
from rule_parts import asset, batch, fold, gas, registry, rules_folder

T0 = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)  # ten o'clock in Beijing
OPENED, CLEARED, UPGRADED = Change.OPENED, Change.CLEARED, Change.UPGRADED


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    return load_rules(rules_folder(tmp_path_factory.mktemp("kinds")))


def of(changes: Sequence[EpisodeChange], rule_id: str) -> list[tuple[float, Change, str]]:
    """Minutes since T0, change and colour of one rule's changes."""
    return [
        ((c.at - T0).total_seconds() / 60, c.change, c.colour)
        for c in changes
        if c.rule_id == rule_id and c.change is not Change.PEAK
    ]


def every(
    minutes: float, feed_id: str, device: str, column: str, values: Sequence[Any], **more: Any
) -> list[LiveBatch]:
    """One reading every so many minutes."""
    rows = []
    for i, value in enumerate(values):
        at = T0 + timedelta(minutes=minutes * i)
        rows.append(batch(feed_id, at, [{"device_id": device, "observed_at": at, column: value, **more}]))
    return rows


def test_rain_sums_roll_and_are_not_aligned_to_the_clock(rules: RuleSet) -> None:
    """The worked example: 30 mm at 10:50 and 25 mm at 11:10 are 55 mm in three hours, over the blocks of a clock."""
    values = [0.0] * 10 + [30.0, 0, 0, 0, 25.0] + [0.0] * 40
    changes = fold(Engine(rules, registry()), every(5, "water.rain_reading", "R1", "rain_mm", values))
    told = of(changes, "rain_station")
    assert told[:2] == [(70, OPENED, "orange"), (5 * 46, Change.DOWNGRADED, "yellow")]
    assert len(told) == 2, "six hours have not passed"
    assert changes[0].value == 55.0


def test_a_reading_sent_again_rains_once(rules: RuleSet) -> None:
    rain = every(5, "water.rain_reading", "R1", "rain_mm", [20.0, 20.0])
    again = [replace(b, received_at=b.received_at + timedelta(minutes=6)) for b in rain]
    assert of(fold(Engine(rules, registry()), [*rain, *again]), "rain_station") == []


def test_each_river_has_its_own_levels(rules: RuleSet) -> None:
    low = asset("water:A", "water:SA", warning_level_m=50.0, guarantee_level_m=51.0, historical_max_level_m=52.0)
    high = asset("water:B", "water:SB", warning_level_m=90.0, guarantee_level_m=91.0, historical_max_level_m=92.0)
    bare = asset("water:C", "water:SC")
    engine = Engine(rules, registry(low, high, bare))
    levels = [49.0, 50.0, 51.5, 52.0, 49.0, 49.0]
    changes = fold(engine, every(60, "water.river_reading", "A", "level_m", levels))
    assert of(changes, "river_level") == [
        (60, OPENED, "yellow"),
        (120, UPGRADED, "orange"),
        (180, UPGRADED, "red"),
        (300, CLEARED, "red"),
    ]
    assert {c.object_id for c in changes if c.rule_id == "river_level"} == {"water:SA"}
    assert changes[0].threshold == 50.0
    for device in ("B", "C"):
        assert of(fold(engine, every(60, "water.river_reading", device, "level_m", levels)), "river_level") == []


def test_phreatic_depth_is_interpolated_on_the_dam_and_smaller_is_worse(rules: RuleSet) -> None:
    """A dam of 80 m: red below 5 m, orange at 5.5 m."""
    pond = asset("emergency:P1", dam_height_m=80.0, pond_class="3")
    engine = Engine(rules, registry(pond, asset("emergency:X", "emergency:P1")))
    readings = [
        batch(
            "emergency.tailings_sensor",
            T0 + timedelta(minutes=10 * i),
            [{"point_id": "X", "observed_at": T0 + timedelta(minutes=10 * i), "phreatic_depth_m": depth}],
        )
        for i, depth in enumerate([6.0, 5.5, 4.9])
    ]
    changes = fold(engine, readings)
    assert of(changes, "tailings_phreatic") == [(10, OPENED, "orange"), (20, UPGRADED, "red")]
    assert not [c for c in changes if c.rule_id == "tailings_phreatic_point"], "a point is no alert by itself"
    item = [c for c in changes if c.rule_id == "tailings_phreatic"][-1]
    assert item.details["members"][0]["device_id"] == "emergency:X"
    assert (item.metric, item.value, item.threshold, item.unit) == ("phreatic_depth_m", 4.9, 5.0, "m")
    assert item.standard == "GB 50863-2013"


@pytest.mark.parametrize(
    ("rates", "colour"),
    [
        ([4, 4, 4], "blue"),  # three blue points: no lift
        ([4, 4, 4, 4], "yellow"),  # GB 39496 5.5.4: four blue ones
        ([4, 4, 4, 7, 7], "yellow"),  # the worked case: three blue and two yellow stay at the worst point
        ([7, 7, 7], "orange"),
        ([13, 13], "red"),
        ([4, 4, 4, 4, 7, 7], "yellow"),  # lifted points are not counted again
    ],
)
def test_points_lift_their_item(rules: RuleSet, rates: list[int], colour: str) -> None:
    points = [asset(f"emergency:X{i}", "emergency:P1") for i in range(len(rates))]
    engine = Engine(rules, registry(asset("emergency:P1"), *points))
    readings = []
    for hour in (0, 24):
        at = T0 + timedelta(hours=hour)
        rows = [
            {"point_id": f"X{i}", "observed_at": at, "surface_displacement_mm": float(rate * hour / 24)}
            for i, rate in enumerate(rates)
        ]
        readings.append(batch("emergency.tailings_sensor", at, rows))
    changes = fold(engine, readings)
    item = [c for c in changes if c.rule_id == "tailings_displacement"]
    assert [(c.change, c.colour) for c in item] == [(OPENED, colour)]
    assert item[0].object_id == "emergency:P1"
    pond = [c.colour for c in changes if c.rule_id == "tailings_pond"]
    assert pond == ([colour] if colour in ("orange", "red") else [])


def test_a_run_of_driving_ends_with_twenty_minutes_and_not_with_nineteen(rules: RuleSet) -> None:
    truck = asset("transport:T", "transport:V", vehicle_type="muck_truck", speed_limit_kmh=80.0)

    def drive(pause: int) -> list[tuple[float, Change, str]]:
        speeds = [60.0] * 150 + [0.0] * (pause - 1) + [60.0] * 110 + [0.0] * 25
        engine = Engine(rules, registry(truck))
        return of(fold(engine, every(1, "transport.vehicle_position", "T", "speed_kmh", speeds)), "vehicle_fatigue")

    assert drive(19) == [(241, OPENED, "orange"), (150 + 18 + 110 + 19, CLEARED, "orange")]
    assert drive(20) == []


def test_night_limits_hold_at_night_and_for_coaches_only(rules: RuleSet) -> None:
    """85 km/h with a limit of 100: allowed by day, above 80 % at night, and a hold of 75 s wants a second reading."""
    coach = asset("transport:T", "transport:V", vehicle_type="tour_coach", speed_limit_kmh=100.0)
    truck = asset("transport:U", "transport:W", vehicle_type="heavy_truck", speed_limit_kmh=100.0)
    engine = Engine(rules, registry(coach, truck))
    found = []
    for shift in (timedelta(0), timedelta(hours=13)):
        for device in ("T", "U"):
            for minute in range(4):
                at = T0 + shift + timedelta(minutes=minute)
                row = {"device_id": device, "observed_at": at, "speed_kmh": 85.0}
                told = engine.fold(batch("transport.vehicle_position", at, [row]))
                found += [(c.device_id, c.change) for c in told if c.rule_id == "vehicle_speeding"]
    assert found == [("transport:T", Change.PENDING), ("transport:T", OPENED)]


def test_one_point_over_the_limit_is_no_speeding(rules: RuleSet) -> None:
    car = asset("transport:T", "transport:V", vehicle_type="hazmat_truck", speed_limit_kmh=80.0)
    speeds = [70.0, 130.0, 70.0, 130.0, 130.0, 130.0]
    changes = fold(Engine(rules, registry(car)), every(1, "transport.vehicle_position", "T", "speed_kmh", speeds))
    assert of(changes, "vehicle_speeding") == [
        (1, Change.PENDING, "yellow"),
        (2, Change.WITHDRAWN, "yellow"),
        (3, Change.PENDING, "yellow"),
        (4.25, OPENED, "red"),
    ]


def test_two_of_three_samples(rules: RuleSet) -> None:
    outfall = asset("ecology:M", "ecology:PK", cod_limit_mg_l=50.0)
    cod = [60.0, 20.0, 20.0, 60.0, 20.0, 60.0, 20.0, 20.0, 20.0, 20.0, 20.0]
    changes = fold(Engine(rules, registry(outfall)), every(10, "ecology.outfall_reading", "M", "cod_mg_l", cod))
    assert of(changes, "outfall_cod") == [(50, OPENED, "yellow"), (90, CLEARED, "yellow")]


def test_events_end_by_rest_at_their_own_instant(rules: RuleSet) -> None:
    events = [
        batch(
            "transport.driver_behaviour",
            T0 + timedelta(minutes=m),
            [{"alarm_key": f"K{m}", "device_id": "T", "observed_at": T0 + timedelta(minutes=m), "behaviour": b}],
        )
        for m, b in [(0, "fatigue"), (4, "smoking"), (8, "fatigue"), (60, "smoking")]
    ]
    changes = fold(Engine(rules, registry()), events)
    assert of(changes, "driver_fatigue") == [(0, OPENED, "orange"), (18, CLEARED, "orange")]
    assert next(c for c in changes if c.change is CLEARED).evidence == "rest"
    assert changes[0].details["code"] == "fatigue"


def test_a_fire_alarm_is_its_parts_and_two_parts_confirm_it(rules: RuleSet) -> None:
    panel = asset("fire:U", "fire:UNIT")

    def state(minute: int, part: str, **bits: bool) -> LiveBatch:
        at = T0 + timedelta(minutes=minute)
        row = {
            "state_key": f"{minute}{part}",
            "device_id": "U",
            "part_id": part,
            "observed_at": at,
            "fire": None,
            "fault": None,
            "is_reset": None,
            **bits,
        }
        return batch("fire.device_state", at, [row])

    changes = fold(
        Engine(rules, registry(panel)),
        [
            state(0, "P1", fire=True),
            state(1, "P2", fire=False),
            state(2, "P2", fire=True),
            state(9, "U", is_reset=True),
        ],
    )
    assert of(changes, "fire_alarm") == [
        (0, OPENED, "orange"),
        (2, OPENED, "orange"),
        (9, CLEARED, "orange"),
        (9, CLEARED, "orange"),
    ]
    assert of(changes, "fire_confirmed") == [(2, OPENED, "red"), (9, CLEARED, "red")]
    assert {c.device_id for c in changes if c.rule_id == "fire_alarm"} == {"fire:U/P1", "fire:U/P2"}
    assert {c.object_id for c in changes} == {"fire:UNIT"}


def test_alarm_bits(rules: RuleSet) -> None:
    bits = [0, 1 << 23, 1 << 23, (1 << 23) | 1, 0, 0, 0, 0, 0, 0, 0]
    changes = fold(Engine(rules, registry()), every(1, "transport.vehicle_position", "T", "alarm_bits", bits))
    assert of(changes, "vehicle_off_route") == [
        (1, Change.PENDING, "yellow"),
        (2.25, OPENED, "yellow"),
        (6, CLEARED, "yellow"),
    ]
    assert of(changes, "vehicle_sos") == [(3, OPENED, "red"), (9, CLEARED, "red")]


def test_all_conditions_of_a_group_and_any_group(rules: RuleSet) -> None:
    """Fog is poor visibility in humid air without rain; a gale is mean wind or gusts."""

    def weather(hour: int, **values: float) -> LiveBatch:
        at = T0 + timedelta(hours=hour)
        return batch("weather.observation", at, [{"station_id": "S", "observed_at": at, **values}])

    foggy = {"visibility_m": 150.0, "relative_humidity_pct": 96.0, "rain_1h_mm": 0.0}
    dry, rainy = {**foggy, "relative_humidity_pct": 60.0}, {**foggy, "rain_1h_mm": 9.0}
    changes = fold(Engine(rules, registry()), [weather(0, **dry), weather(1, **rainy), weather(2, **foggy)])
    assert of(changes, "weather_fog") == [(120, OPENED, "orange")]
    fog = next(c for c in changes if c.rule_id == "weather_fog")
    assert [c["metric"] for c in fog.details["conditions"]] == [
        "visibility_m",
        "relative_humidity_pct",
        "rain_1h_mm",
    ]
    calm, mean, gusts = (10.0, 12.0), (18.0, 19.0), (10.0, 21.0)
    for hours, colour in (([mean, mean], "yellow"), ([gusts, gusts], "yellow"), ([calm, gusts], None)):
        rows = [weather(h, wind_speed_m_s=w, gust_speed_m_s=g) for h, (w, g) in enumerate(hours)]
        told = of(fold(Engine(rules, registry()), rows), "weather_gale")
        assert told == ([(60, OPENED, colour)] if colour else [])


def test_cold_wave_is_drop_and_cold_and_wind(rules: RuleSet) -> None:
    def weather(hour: int, temperature: float, wind: float) -> LiveBatch:
        at = T0 + timedelta(hours=hour)
        row = {"station_id": "S", "observed_at": at, "air_temperature_c": temperature, "wind_speed_m_s": wind}
        return batch("weather.observation", at, [row])

    def wave(*rows: tuple[int, float, float]) -> list[tuple[float, Change, str]]:
        return of(fold(Engine(rules, registry()), [weather(*row) for row in rows]), "weather_cold_wave")

    assert wave((0, 15, 5), (20, 3, 11)) == [(1200, OPENED, "yellow")]
    assert wave((0, 15, 5), (20, -1, 11)) == [(1200, OPENED, "red")]
    assert wave((0, 15, 5), (20, 3, 7)) == [], "no wind"
    assert wave((0, 15, 5), (20, 5, 11)) == [], "not cold"
    assert wave((0, 5, 5), (20, 3, 11)) == [], "no drop"


def test_heat_of_three_days(rules: RuleSet) -> None:
    def day(n: int, temperature: float) -> LiveBatch:
        at = T0 + timedelta(days=n, hours=4)
        row = {"station_id": "S", "observed_at": at, "air_temperature_c": temperature}
        return batch("weather.observation", at, [row])

    hot = fold(Engine(rules, registry()), [day(0, 35.5), day(1, 36), day(2, 35.2)])
    assert [(c.change, c.colour, c.value) for c in hot if c.rule_id == "weather_heat"] == [(OPENED, "yellow", 35.2)]
    broken = fold(Engine(rules, registry()), [day(0, 35.5), day(1, 34), day(2, 35.2)])
    assert of(broken, "weather_heat") == []


def test_a_warning_signal_is_in_force_until_it_is_cancelled(rules: RuleSet) -> None:
    def signal(minute: int, colour: str, message_type: str) -> LiveBatch:
        at = T0 + timedelta(minutes=minute)
        row = {
            "warning_id": f"W{minute}",
            "signal_type": "rainstorm",
            "area_code": "420502",
            "sent_at": at,
            "colour": colour,
            "message_type": message_type,
        }
        return batch("weather.warning", at, [row])

    changes = fold(
        Engine(rules, registry()),
        [signal(0, "yellow", "Alert"), signal(30, "orange", "Update"), signal(90, "orange", "Cancel")],
    )
    assert of(changes, "weather_signal") == [(0, OPENED, "yellow"), (30, UPGRADED, "orange"), (90, CLEARED, "orange")]
    assert {c.object_id for c in changes} == {"420502/rainstorm"}


def test_noise_has_a_day_and_a_night(rules: RuleSet) -> None:
    site = asset("housing:M", "housing:S")
    quiet_day = fold(Engine(rules, registry(site)), every(5, "housing.dust_reading", "M", "noise_db", [60.0] * 6))
    assert of(quiet_day, "site_noise") == []
    loud_day = fold(Engine(rules, registry(site)), every(5, "housing.dust_reading", "M", "noise_db", [75.0] * 6))
    assert of(loud_day, "site_noise") == [(15, OPENED, "yellow")]


@pytest.mark.parametrize("metres", [400, 600])
def test_rain_and_a_high_river_close_together(rules: RuleSet, metres: int) -> None:
    river = asset("water:A", "water:SA", lon=111.3, lat=30.7, warning_level_m=50.0)
    gauge = asset("water:R", "water:SR", lon=111.3, lat=30.7 + metres / 111_195)
    engine = Engine(rules, registry(river, gauge))
    changes = fold(engine, every(5, "water.rain_reading", "R", "rain_mm", [30.0, 30.0]))
    assert of(changes, "flood_composite") == []
    at = T0 + timedelta(minutes=20)
    high = batch("water.river_reading", at, [{"device_id": "A", "observed_at": at, "level_m": 50.5}])
    found = [c for c in fold(engine, [high]) if c.rule_id == "flood_composite"]
    assert [(c.object_id, c.colour, c.evidence) for c in found] == (
        [("water:SA", "red", "composite")] if metres < 500 else []
    )
    if found:
        assert [m["rule_id"] for m in found[0].details["members"]] == ["rain_station", "river_level"]


# ── silence ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def clock(minutes: float) -> LiveBatch:
    return LiveBatch("clock", T0 + timedelta(minutes=minutes), "", {})


@pytest.mark.parametrize("step", [0.5, 7, 500])
def test_silence_is_told_at_its_own_instant_whatever_the_tick(rules: RuleSet, step: float) -> None:
    devices = [asset(f"urban:D{i}", f"urban:S{i}", gateway_id="GW1") for i in (1, 2)]
    engine = Engine(rules, registry(*devices))
    changes = engine.fold(gas(T0, 1, "D1")) + engine.fold(gas(T0 + timedelta(minutes=3), 1, "D2"))
    minutes = 3.0
    while minutes < 60:
        minutes += step
        changes += engine.fold(clock(minutes))
    told = [((c.at - T0).total_seconds() / 60, c.rule_id, c.object_id) for c in changes]
    assert told == [
        (18, "gas_gateway_silent", "urban:GW1"),
        (30, "gas_detector_silent", "urban:S1"),
        (33, "gas_detector_silent", "urban:S2"),
    ]
    assert all(c.known_at == c.at for c in changes)


def test_a_parked_vehicle_is_rightly_quiet(rules: RuleSet) -> None:
    engine = Engine(rules, registry())
    for device, is_on in (("T", False), ("U", True)):
        row = {"device_id": device, "observed_at": T0, "speed_kmh": 0.0, "acc_on": is_on}
        engine.fold(batch("transport.vehicle_position", T0, [row]))
    changes = engine.fold(clock(600))
    assert [(c.rule_id, c.device_id) for c in changes] == [("vehicle_silent", "transport:U")]


def test_a_feed_is_silent_as_one(rules: RuleSet) -> None:
    engine = Engine(rules, registry())
    rows = [{"station_id": f"S{i}", "observed_at": T0, "rain_1h_mm": 0.0} for i in range(50)]
    engine.fold(batch("weather.observation", T0, rows))
    changes = engine.fold(clock(500))
    assert [(c.rule_id, c.object_id) for c in changes] == [("weather_feed_silent", "weather.observation")]


def test_silence_waits_for_quiet_hours_and_maintenance(rules: RuleSet) -> None:
    quiet = tuple(
        replace(rule, quiet_hours=(600, 720)) if rule.rule_id == "tunnel_station_silent" else rule
        for rule in rules.rules
    )
    window = MaintenanceWindow("device", "urban:D", T0 - timedelta(hours=1), T0 + timedelta(hours=3), T0)
    engine = Engine(RuleSet(quiet, (), (window,)), registry())
    engine.fold(gas(T0, 1, "D"))
    row = {"device_id": "TN", "observed_at": T0, "oxygen_pct_vol": 20.9}
    engine.fold(batch("urban.tunnel_reading", T0, [row]))
    changes = [c for c in engine.fold(clock(600)) if not c.rule_id.endswith("gateway_silent")]
    assert [(c.rule_id, (c.at - T0).total_seconds() / 60) for c in changes] == [
        ("tunnel_station_silent", 150),
        ("gas_detector_silent", 210),
    ]


# ── what may count ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("flag", ["maintenance", "calibration", "fault"])
def test_only_normal_readings_open_or_clear(rules: RuleSet, flag: str) -> None:
    def flagged(second: int, value: float, quality: str) -> LiveBatch:
        at = T0 + timedelta(seconds=second)
        row = {"device_id": "D", "observed_at": at, "methane_pct_lel": value, "quality_flag": quality}
        return batch("urban.gas_reading", at, [row])

    def leaks(batches: list[LiveBatch]) -> list[EpisodeChange]:
        return [c for c in fold(engine, batches) if c.rule_id == "gas_methane_lel"]  # its own fault is another rule

    engine = Engine(rules, registry())
    assert not leaks([flagged(s, 90, flag) for s in range(0, 60, 5)])
    opened = leaks([flagged(s, 90, "normal") for s in range(60, 90, 5)])
    assert opened[-1].change is OPENED
    assert not leaks([flagged(s, 0, flag) for s in range(90, 600, 5)])
    cleared = leaks([flagged(s, 0, "normal") for s in range(600, 700, 5)])
    assert [c.change for c in cleared] == [CLEARED]


@pytest.mark.parametrize(
    ("scope", "code", "covers"),
    [
        ("device", "urban:D", True),
        ("object", "urban:S", True),
        ("area", "420500", True),
        ("area", "420600", False),
        ("feed", "urban.gas_reading", True),
        ("feed", "urban.tunnel_reading", False),
        ("device", "urban:E", False),
    ],
)
def test_maintenance_windows_reach_what_they_name(rules: RuleSet, scope: Any, code: str, covers: bool) -> None:
    device = asset("urban:D", "urban:S", area_code="420502003")
    window = MaintenanceWindow(scope, code, T0, T0 + timedelta(hours=1), T0 - timedelta(hours=1))
    engine = Engine(replace(rules, windows=(window,)), registry(device))
    changes = fold(engine, [gas(T0 + timedelta(seconds=s), 90, "D") for s in range(0, 60, 5)])
    assert (changes == []) == covers


def test_a_window_entered_later_changes_nothing_before(rules: RuleSet) -> None:
    window = MaintenanceWindow("device", "urban:D", T0, T0 + timedelta(hours=1), T0 + timedelta(seconds=30))
    engine = Engine(replace(rules, windows=(window,)), registry())
    changes = fold(engine, [gas(T0 + timedelta(seconds=s), 90, "D") for s in range(0, 25, 5)])
    assert changes[-1].change is OPENED


# ── renewing ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_unchanged_rules_keep_their_states_and_changed_ones_end_aloud(
    rules: RuleSet, tmp_path: Path, edit: Callable[[Path, str, str, str, str], None]
) -> None:
    folder = rules_folder(tmp_path)
    edit(folder, "alert_conditions.csv", "tunnel_h2s_orange", "clear_threshold", "7")
    newer = load_rules(folder)
    engine = Engine(rules, registry())
    for s in range(0, 30, 5):
        at = T0 + timedelta(seconds=s)
        engine.fold(gas(at, 60, "D"))
        engine.fold(batch("urban.tunnel_reading", at, [{"device_id": "TN", "observed_at": at, "h2s_mg_m3": 12.0}]))
    ended = engine.renew(newer)
    assert [(c.rule_id, c.change, c.evidence) for c in ended] == [("tunnel_h2s", CLEARED, "rule")]
    at = T0 + timedelta(seconds=60)
    again = [
        c
        for s in (60, 75)
        for c in engine.fold(
            batch(
                "urban.tunnel_reading",
                at + timedelta(seconds=s),
                [{"device_id": "TN", "observed_at": at + timedelta(seconds=s), "h2s_mg_m3": 12.0}],
            )
        )
    ]
    assert [c.change for c in again if c.rule_id == "tunnel_h2s"] == [Change.PENDING, OPENED]
    assert not engine.fold(gas(at, 60, "D")), "the gas episode goes on as the same one"
