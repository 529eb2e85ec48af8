"""The weather office: stations, hourly observations, warning signals."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from city import sky
from city.clock import Span
from city.geography import County, Floats, Places, scatter
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable
from city.truth import Truth

COLOURS = {1: "blue", 2: "yellow", 3: "orange", 4: "red"}
MAINTENANCE, CALIBRATION = 1, 2
_COLOURS_ZH = {1: "蓝色", 2: "黄色", 3: "橙色", 4: "红色"}
_HINTS = {1: "rain_12h_mm>=50", 2: "rain_6h_mm>=50", 3: "rain_3h_mm>=50", 4: "rain_3h_mm>=100"}


@dataclass(frozen=True)
class WeatherOffice:
    """The three feeds of the weather office."""

    stations: SourceTable
    observations: SourceTable
    warnings: SourceTable


def build(
    profile: Profile,
    counties: list[County],
    storms: list[sky.Storm],
    span: Span,
    streams: Streams,
    truth: Truth,
    n: int,
) -> WeatherOffice:
    """All weather feeds for `n` stations; rain incidents go to `truth`."""
    rng = streams.get("weather")
    places = _stations_at(counties, storms, n, rng)
    ids = np.array([f"Q{profile.code[:4]}{i:04d}" for i in range(1, n + 1)])
    elevation = np.round(rng.gamma(2.0, 180.0, n) + 45, 1)
    rain = sky.rain_mm(storms, places, span, streams.get("weather.rain"))
    levels = sky.rain_colours(rain)
    stations = _stations(places, ids, elevation, span, rng)
    observations = _observations(profile, ids, elevation, rain, levels, span, streams)
    for station, begin, end, level in _episodes(levels):
        start = span.start + timedelta(hours=begin)
        finish = span.start + timedelta(hours=end)
        truth.incident("weather.observation", str(ids[station]), _HINTS[level], COLOURS[level], start, finish)
    return WeatherOffice(stations, observations, _warnings(profile, places, levels, span, streams))


def _stations_at(counties: list[County], storms: list[sky.Storm], n: int, rng: np.random.Generator) -> Places:
    """Random places, but a gauge near the heart of each heavy storm, as a real network has one in every county."""
    places = scatter(counties, n, rng, rural=True)
    order = np.arange(n)
    for index, county in enumerate(counties[:n]):
        centre = county.outline.representative_point()
        nearest = int(np.argmin((places.lon - centre.x) ** 2 + (places.lat - centre.y) ** 2))
        if storms and places.county[nearest] != county.code:
            places.lon[index], places.lat[index] = round(centre.x, 6), round(centre.y, 6)
            places.county[index], places.county_name[index] = county.code, county.name
    return places.take(order)


def _stations(places: Places, ids: np.ndarray, elevation: Floats, span: Span, rng: np.random.Generator) -> SourceTable:
    n = len(ids)
    built = [span.day_before(int(d)) for d in rng.integers(400, 9000, n)]
    frame = pl.DataFrame(
        {
            "stationId": ids,
            "stationName": [f"{c}{i:02d}号站" for i, c in enumerate(places.county_name, 1)],
            "stationType": np.where(np.arange(n) % 8 == 0, "国家站", "区域站"),
            "adcode": places.county,
            "lon": places.lon,
            "lat": places.lat,
            "alti": [None if gone else float(v) for v, gone in zip(elevation, rng.random(n) < 0.05, strict=True)],
            "buildDate": built,
        }
    )
    return SourceTable("weather.station", frame, ("stationId",), "stationId")


def _observations(
    profile: Profile,
    ids: np.ndarray,
    elevation: Floats,
    rain: Floats,
    levels: np.ndarray,
    span: Span,
    streams: Streams,
) -> SourceTable:
    rng = streams.get("weather.observation")
    n, hours = rain.shape
    times = span.times
    clock = (times - times.astype("datetime64[D]")).astype("timedelta64[h]").astype(int)
    season = 9.0 * np.cos(2 * np.pi * (np.array([_day_of_year(t) for t in times]) - 200) / 365.25)
    drift = np.cumsum(rng.normal(0, 0.25, hours))
    drift = np.clip(drift - np.linspace(0, drift[-1], hours), -5, 5)
    wet = sky.rolling_sum(rain, 3)
    daily = 4.2 * np.cos(2 * np.pi * (clock - 15) / 24)
    temperature = (
        profile.mean_temperature_c
        + season
        + drift
        + daily * np.exp(-wet / 8)
        - (0.0060 * (elevation - 200))[:, None]
        - 2.5 * (1 - np.exp(-wet / 10))
        + rng.normal(0, 0.3, (n, hours))
    )
    humidity = np.clip(66 - 4.0 * daily + 28 * (1 - np.exp(-wet / 3)) + rng.normal(0, 3, (n, hours)), 12, 100)
    gusty = 1 + 0.5 * np.cos(2 * np.pi * (clock - 15) / 24)
    wind = np.clip(rng.gamma(2.2, 0.8, (n, hours)) * gusty + 0.12 * rain, 0, 28)
    gust = wind * rng.uniform(1.3, 1.9, (n, hours)) + 0.1
    base = 1013.2 * np.exp(-elevation / 8300)
    pressure = base[:, None] + 3.0 * np.cos(2 * np.pi * np.arange(hours) / 110) + rng.normal(0, 0.25, (n, hours))
    haze = np.clip(26 - 0.22 * humidity + rng.normal(0, 1.5, (n, hours)) - 1.2 * np.sqrt(wet), 0.2, 30)
    state = quality_codes(n, hours, rng, calm=sky.rolling_sum(rain, 12) < 5)
    shown = np.where(state == CALIBRATION, np.round(rng.uniform(25, 60, (n, hours)), 1), rain)
    station, hour = _kept(n, hours, rng, sky.rolling_sum(rain, 12) < 5)
    observed = np.broadcast_to(times, (n, hours))[station, hour]
    uploaded = observed + rng.integers(40, 290, len(observed)).astype("timedelta64[s]")
    no_visibility = (np.arange(n) % 8 != 0)[station]
    frame = pl.DataFrame(
        {
            "stationId": ids[station],
            "obsTime": observed,
            "uploadTime": uploaded,
            "tem": np.round(temperature[station, hour], 1),
            "pre1h": shown[station, hour],
            "winSAvg2mi": np.round(wind[station, hour], 1),
            "winSInstMax": np.round(gust[station, hour], 1),
            "prs": np.round(pressure[station, hour], 1),
            "rhu": np.round(humidity[station, hour]),
            "vis": np.where(no_visibility, np.nan, np.round(haze[station, hour], 2)),
            "qc": state[station, hour].astype(str),
        }
    ).with_columns(pl.col("vis").fill_nan(None), pl.col("rhu").cast(pl.Int64))
    order = np.argsort(uploaded, kind="stable")
    table = SourceTable(
        "weather.observation", frame[order], ("stationId", "obsTime"), "stationId", "obsTime", "uploadTime"
    )
    near = _widen(levels > 0, 12)[station, hour][order]
    table.protected = set(np.flatnonzero(near).tolist())
    return table


def quality_codes(n: int, hours: int, rng: np.random.Generator, calm: np.ndarray | None = None) -> np.ndarray:
    """State code per device and hour: 0 normal, 1 maintenance, 2 calibration, 3 fault; windows in calm hours only.

    What a device measures in such a window is not the world: gauges are filled with test water, sensors are lifted.
    """
    state = np.zeros((n, hours), dtype=np.int64)
    windows = rng.random((n, 3)) < np.array([0.10, 0.06, 0.05]) * min(1.0, hours / 240 + 0.1)
    for device, kind in zip(*np.nonzero(windows), strict=True):
        begin, length = int(rng.integers(hours)), int(rng.integers(2, (9, 4, 14)[kind]))
        state[device, begin : begin + length] = kind + 1
    return state if calm is None else np.where(calm, state, 0)


def _kept(n: int, hours: int, rng: np.random.Generator, calm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of (device, hour) that arrive: single losses everywhere, outages and dead ends in calm hours."""
    present = rng.random((n, hours)) > 0.002
    for device in np.flatnonzero(rng.random(n) < 0.15):
        begin = int(rng.integers(hours))
        present[device, begin : begin + int(rng.integers(3, 30))] = False
    present &= alive(n, hours, rng)
    station, hour = np.nonzero(present | ~calm)
    return station, hour


def alive(n: int, hours: int, rng: np.random.Generator) -> np.ndarray:
    """Whether each device still reports at each hour: one in fifty falls silent in the last two days, for good."""
    last = np.where(rng.random(n) < 0.02, hours - rng.integers(3, 48, n), hours)
    return np.arange(hours)[None, :] < last[:, None]


def _widen(mask: np.ndarray, hours: int) -> np.ndarray:
    """The mask and the `hours` columns before and after each set hour."""
    return sky.rolling_sum(np.pad(mask, ((0, 0), (0, hours))).astype(float), 2 * hours + 1)[:, hours:] > 0


def _episodes(levels: np.ndarray) -> list[tuple[int, int, int, int]]:
    """(row, first hour, hour after the last, highest level) of every unbroken run above zero."""
    found = []
    for row in np.flatnonzero(levels.max(axis=1) > 0):
        edges = np.diff(np.concatenate([[0], (levels[row] > 0).astype(int), [0]]))
        for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            found.append((int(row), int(begin), int(end), int(levels[row, begin:end].max())))
    return found


def _day_of_year(moment: np.datetime64) -> int:
    return int((moment.astype("datetime64[D]") - moment.astype("datetime64[Y]")).astype(int)) + 1


def _warnings(profile: Profile, places: Places, levels: np.ndarray, span: Span, streams: Streams) -> SourceTable:
    rng = streams.get("weather.warning")
    rows: list[dict[str, object]] = []
    for county in np.unique(places.county):
        mine = places.county == county
        name = str(places.county_name[mine][0])
        for _, begin, end, level in _episodes(levels[mine].max(axis=0, keepdims=True)):
            start = span.start + timedelta(hours=begin, minutes=int(rng.integers(3, 20)))
            rows += _storm_messages(str(county), name, start, end - begin, level, profile)
    for day in range(0, span.days, 6):
        county = int(rng.integers(len(places)))
        start = span.start + timedelta(days=day, hours=int(rng.integers(6, 18)), minutes=int(rng.integers(60)))
        rows += _gale_messages(str(places.county[county]), str(places.county_name[county]), start, profile)
    rows = [row for row in rows if row["sent"] < span.end]  # type: ignore[operator]
    frame = pl.DataFrame(sorted(rows, key=lambda row: (row["sent"], row["identifier"])), infer_schema_length=None)
    return SourceTable("weather.warning", frame, ("identifier",), "info.area.geocode", None, "sent")


def _message(
    area: str, name: str, at: datetime, kind: tuple[str, str], level: int, message_type: str, hours: int, sender: str
) -> dict[str, object]:
    code, zh = kind
    colour = _COLOURS_ZH[level]
    verb = "解除" if message_type == "Cancel" else "发布"
    return {
        "identifier": f"{area}41600000_{at:%Y%m%d%H%M%S}{code}",
        "sender": sender,
        "sent": at,
        "msgType": message_type,
        "references": None,
        "info.eventType": code,
        "info.severityColor": colour,
        "info.headline": f"{name}气象台{verb}{zh}{colour}预警信号",
        "info.description": None if message_type == "Cancel" else f"预计未来{hours}小时{name}有{zh}天气，请注意防范。",
        "info.effective": at,
        "info.expires": at + timedelta(hours=hours),
        "info.area.areaDesc": name,
        "info.area.geocode": area,
    }


def _storm_messages(
    area: str, name: str, start: datetime, hours: int, level: int, profile: Profile
) -> list[dict[str, object]]:
    """Blue first, the true level an hour later as an update, a cancellation at the end."""
    sender, kind = f"{profile.short_zh}市气象台", ("02", "暴雨")
    first = _message(area, name, start, kind, min(level, 2), "Alert", 12, sender)
    rows, last = [first], first
    if level > 2:
        last = _message(area, name, start + timedelta(minutes=47), kind, level, "Update", 3, sender)
        last["references"] = first["identifier"]
        rows.append(last)
    closing = _message(area, name, start + timedelta(hours=hours + 1), kind, level, "Cancel", 1, sender)
    closing["references"] = last["identifier"]
    return [*rows, closing]


def _gale_messages(area: str, name: str, start: datetime, profile: Profile) -> list[dict[str, object]]:
    sender, kind = f"{profile.short_zh}市气象台", ("05", "大风")
    alert = _message(area, name, start, kind, 1, "Alert", 24, sender)
    closing = _message(area, name, start + timedelta(hours=9), kind, 1, "Cancel", 1, sender)
    closing["references"] = alert["identifier"]
    return [alert, closing]
