"""Building a city: draw it, spoil some of it, and put it behind public doors."""

import json
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from city import (
    construction,
    door_http,
    door_sql,
    drops,
    dust,
    fire,
    fire_devices,
    geology,
    hazards,
    hydrology,
    lifts,
    outfalls,
    pipes,
    sensors,
    sky,
    tailings,
    vehicles,
    weather,
)
from city.clock import Span, whole_hour
from city.clocks_wrong import plant_wrong_zone
from city.geography import County, load_counties
from city.plan import row_plan
from city.planting import Planted, plant
from city.profiles import Profile, load_profile
from city.streams import Streams
from city.table import SourceTable
from city.truth import Truth

_SQL = {
    "fire": {"t_xfdw": "fire.unit", "t_xfxc": "fire.inspection", "t_xfsb": "fire.device"},
    "housing": {"t_project": "housing.site", "t_attendance": "housing.attendance", "t_dust": "housing.dust_monitor"},
    "resources": {"device": "resources.geo_device", "reading": "resources.geo_reading"},
    "transport": {"t_vehicle": "transport.vehicle"},
}
_HTTP = {
    "weather.station": None,
    "weather.observation": None,
    "weather.warning": None,
    "emergency.major_hazard": "substances",
    "ecology.outfall": None,
    "water.station": None,
}
# In this order each draws its token from one stream; new ones come last so that no other moves.
_HTTP_DEPARTMENTS = ("weather", "emergency", "ecology", "water")
# Registers whose good rows `city.live` needs: what a device says depends on what it is.
_LIVE = (
    *("transport.vehicle", "fire.device", "housing.dust_monitor", "ecology.outfall", "water.station"),
    *("urban.gas_device", "urban.tunnel_device", "emergency.tailings_pond", "emergency.tailings_point"),
)
DEFAULT_PORT = 8766


@dataclass(frozen=True)
class CityBuild:
    """A built city: where it lies and how to reach its departments."""

    home: Path
    city: str
    as_of: datetime
    days: int
    seed: int
    scale: float
    db_urls: dict[str, str]
    tokens: dict[str, str]

    @property
    def root(self) -> Path:
        """Folder of the city under its home."""
        return self.home / "city"

    def env(self, port: int = DEFAULT_PORT) -> dict[str, str]:
        """Every environment value a client of this city needs, with the HTTP service on `port` of this machine."""
        values = {}
        for department in _HTTP_DEPARTMENTS:
            values[f"CITYRISK_{department.upper()}_URL"] = f"http://127.0.0.1:{port}/{department}"
            values[f"CITYRISK_{department.upper()}_TOKEN"] = self.tokens[department]
        for department, url in self.db_urls.items():
            values[f"CITYRISK_{department.upper()}_DB_URL"] = url
        for department in ("emergency", "resources", "market", "urban"):
            values[f"CITYRISK_{department.upper()}_DROP"] = str(self.root / "drop" / department)
        return values

    def write_env(self, port: int = DEFAULT_PORT) -> None:
        """Write `city.env` (NAME=value lines) for a service on `port`."""
        lines = [f"{name}={value}\n" for name, value in self.env(port).items()]
        (self.root / "city.env").write_text("".join(lines), encoding="utf-8")

    def save(self) -> None:
        """Write `build.json`, from which `load` restores this object."""
        facts = {
            "city": self.city,
            "as_of": self.as_of.isoformat(),
            "days": self.days,
            "seed": self.seed,
            "scale": self.scale,
            "db_urls": self.db_urls,
            "tokens": self.tokens,
        }
        (self.root / "build.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, home: Path) -> "CityBuild":
        """The city built earlier under `home`; raises FileNotFoundError when there is none."""
        facts: dict[str, Any] = json.loads((home / "city" / "build.json").read_text(encoding="utf-8"))
        facts["as_of"] = datetime.fromisoformat(facts["as_of"])
        return cls(home=home, **facts)


def build_city(
    home: Path,
    city: str,
    days: int,
    seed: int,
    scale: float,
    as_of: datetime,
    db_urls: dict[str, str] | None = None,
    defects: bool = True,
) -> CityBuild:
    """Build `city` under `home/city` (an older build there is replaced) and return how to reach it.

    `as_of` is an aware instant, cut to its full hour; history covers the `days` times 24 hours before it. `db_urls`
    maps fire, housing, resources, transport to SQLAlchemy URLs; a department without one gets a SQLite file. Raises
    ValueError for an unknown city, a naive `as_of`, or fewer than one day.
    """
    if as_of.tzinfo is None or days < 1 or scale <= 0:
        raise ValueError("as_of must be aware, days at least 1, scale above 0")
    home = home.resolve()
    profile, span, streams = load_profile(city), Span(whole_hour(as_of), days), Streams(city, seed)
    root = home / "city"
    if root.exists():
        shutil.rmtree(root)
    (root / "db").mkdir(parents=True)
    truth = Truth()
    tables = draw(profile, span, streams, scale, truth)
    (root / "live").mkdir()
    for feed_id in _LIVE:
        tables[feed_id].frame.write_parquet(root / "live" / f"{feed_id}.parquet")
    planted: dict[str, list[Planted]] = {}
    if defects:
        plan = row_plan(profile)
        for feed_id, table in tables.items():
            planted[feed_id] = plant(table, plan.get(feed_id, []), scale, streams.get(f"defects.{feed_id}"))
        plant_wrong_zone(tables["weather.observation"], truth, span, streams)
        plant_wrong_zone(tables["resources.geo_reading"], truth, span, streams)
    urls = {name: f"sqlite:///{root / 'db' / name}.db" for name in _SQL} | (db_urls or {})
    _serve_tables(root, tables, urls)
    _drop_files(root, tables, planted, truth, span, streams, defects)
    _note_table_rows(tables, planted, truth)
    truth.write(root / "truth.parquet")
    rng = streams.get("tokens")
    tokens = {name: rng.bytes(16).hex() for name in _HTTP_DEPARTMENTS}
    build = CityBuild(home, city, span.as_of, days, seed, scale, urls, tokens)
    build.save()
    build.write_env()
    return build


def draw(profile: Profile, span: Span, streams: Streams, scale: float, truth: Truth) -> dict[str, SourceTable]:
    """All feeds of a city without any defect, by feed id; incidents go to `truth`."""
    counties = load_counties(profile.code)
    storms = sky.draw_storms(span, counties, streams.get("storms"))

    def size(name: str) -> int:
        return profile.count(name, scale)

    geo_sizes = geology.GeoSizes(
        size("geo_points"),
        size("geo_points_basic"),
        size("geo_devices_basic"),
        size("geo_points_automatic"),
        size("geo_devices_automatic"),
    )
    office = weather.build(profile, counties, storms, span, streams, truth, size("weather_stations"))
    pond_sizes = (size("tailings_ponds"), size("points_per_pond"))
    dams = tailings.build(profile, counties, storms, span, streams, truth, pond_sizes)
    slopes = geology.build(profile, counties, storms, span, streams, truth, geo_sizes)
    brigade = fire.build(profile, counties, span, streams, size("fire_units"))
    crews = (size("construction_sites"), size("workers_per_site"))
    bureau = construction.build(profile, counties, span, streams, crews)
    tables = [office.stations, office.observations, office.warnings, dams.ponds, dams.points, dams.readings]
    tables += [slopes.points, slopes.devices, slopes.readings, brigade.units, brigade.inspections]
    tables += [bureau.sites, bureau.attendance]
    tables.append(hazards.build(profile, counties, span, streams, size("major_hazards")))
    tables.append(lifts.build(profile, counties, span, streams, size("elevators")))
    tables.append(pipes.build(profile, counties, span, streams, size("pipes")))
    tables += _reporting(profile, counties, span, streams, scale, brigade.units, bureau.sites)
    return {table.feed_id: table for table in tables}


def _reporting(
    profile: Profile,
    counties: list[County],
    span: Span,
    streams: Streams,
    scale: float,
    units: SourceTable,
    sites: SourceTable,
) -> list[SourceTable]:
    """Registers of the devices that report by themselves (`city.live` plays them)."""

    def size(name: str) -> int:
        return profile.count(name, scale)

    fleet = (size("vehicles"), size("vehicle_firms"), size("drivers"))
    stations = (size("river_stations"), size("rain_stations"))
    return [
        vehicles.build(profile, counties, span, streams, fleet),
        fire_devices.build(profile, units, span, streams),
        dust.build(profile, sites, span, streams),
        outfalls.build(profile, counties, span, streams, size("outfalls")),
        hydrology.build(profile, counties, span, streams, stations),
        sensors.build_gas(profile, counties, span, streams, size("gas_detectors")),
        sensors.build_tunnels(profile, counties, span, streams, size("tunnel_compartments")),
    ]


def _serve_tables(root: Path, tables: dict[str, SourceTable], urls: dict[str, str]) -> None:
    for feed_id, explode in _HTTP.items():
        door_http.write(tables[feed_id], root / "http" / f"{feed_id}.parquet", explode)
    for department, feeds in _SQL.items():
        door_sql.write({name: tables[feed_id] for name, feed_id in feeds.items()}, urls[department])


def _drop_files(
    root: Path,
    tables: dict[str, SourceTable],
    planted: dict[str, list[Planted]],
    truth: Truth,
    span: Span,
    streams: Streams,
    defects: bool,
) -> None:
    def drop(folder: str, feed_id: str) -> drops.Drop:
        return drops.Drop(root / "drop" / folder, tables[feed_id], planted.get(feed_id, []), truth, span)

    drops.write_ponds(drop("emergency/pond", "emergency.tailings_pond"), defects)
    drops.write_points(drop("emergency/point", "emergency.tailings_point"), defects)
    readings = drop("emergency/reading", "emergency.tailings_reading")
    drops.write_readings(readings, streams.get("drop.reading"), defects)
    drops.write_geo_points(drop("resources/point", "resources.geo_point"), streams.get("drop.geo_point"), defects)
    drops.write_lifts(drop("market/elevator", "market.elevator"), defects)
    drops.write_pipes(drop("urban/pipe", "urban.pipe"), defects)
    drops.write_register(drop("urban/gas_device", "urban.gas_device"), "燃气监测设备")
    drops.write_register(drop("urban/tunnel_device", "urban.tunnel_device"), "管廊监测设备")


def _note_table_rows(tables: dict[str, SourceTable], planted: dict[str, list[Planted]], truth: Truth) -> None:
    """Planted rows of HTTP and SQL feeds, by their key as sent."""
    by_key = [*_HTTP, *(feed_id for feeds in _SQL.values() for feed_id in feeds.values())]
    for feed_id in by_key:
        table = tables[feed_id]
        ref_of = door_http.source_ref if feed_id in _HTTP else _sql_ref
        wanted = {one.uid: one for one in planted.get(feed_id, [])}
        rows = table.frame.filter(table.frame["_uid"].is_in(list(wanted))).to_dicts() if wanted else []
        for row in rows:
            one = wanted[row["_uid"]]
            truth.defect(
                one.reason, "row", feed_id, ref_of(table, row), outcome=one.outcome, object_id=one.object_id, at=one.at
            )


def _sql_ref(table: SourceTable, row: dict[str, Any]) -> str:
    parts = ["" if row[name] is None else str(row[name]) for name in table.key]
    return "|".join(parts)
