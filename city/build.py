"""Building a city: draw it, spoil some of it, and put it behind public doors."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from city import (
    construction,
    door_http,
    door_sql,
    drops,
    fire,
    fire_devices,
    geology,
    hazards,
    sky,
    tailings,
    vehicles,
    weather,
)
from city.clock import Span, whole_hour
from city.clocks_wrong import plant_wrong_zone
from city.declared import Declared, declared
from city.defects import plantings
from city.doors import Door, departments_of, doors_of
from city.geography import County, load_counties
from city.planting import Planted, plant
from city.profiles import Profile, load_profile
from city.registers import draw_registers
from city.streams import Streams
from city.table import SourceTable
from city.template import write_templates
from city.truth import Truth
from core.system import systems_root

DEFAULT_PORT = 8766
Tables = dict[str, SourceTable]


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
    doors: dict[str, Door]

    @property
    def root(self) -> Path:
        """Folder of the city under its home."""
        return self.home / "city"

    def env(self, port: int = DEFAULT_PORT) -> dict[str, str]:
        """Every environment value a client of this city needs, with the HTTP service on `port` of this machine."""
        values = {}
        for department, setting in departments_of(self.doors, "http").items():
            values[setting] = f"http://127.0.0.1:{port}/{department}"
        for door in self.doors.values():
            if door.token_setting:
                values[door.token_setting] = self.tokens[door.department]
        for department, setting in departments_of(self.doors, "sql").items():
            values[setting] = self.db_urls[department]
        for department, setting in departments_of(self.doors, "files").items():
            values[setting] = str(self.root / "drop" / department)
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
            "doors": {feed_id: asdict(door) for feed_id, door in self.doors.items()},
        }
        (self.root / "build.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, home: Path) -> "CityBuild":
        """The city built earlier under `home`; raises FileNotFoundError when there is none."""
        facts: dict[str, Any] = json.loads((home / "city" / "build.json").read_text(encoding="utf-8"))
        facts["as_of"] = datetime.fromisoformat(facts["as_of"])
        facts["doors"] = {feed_id: Door(**door) for feed_id, door in facts["doors"].items()}
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
    maps departments to SQLAlchemy URLs; one without gets a SQLite file. Raises
    ValueError for an unknown city, a naive `as_of`, or fewer than one day.
    """
    if as_of.tzinfo is None or days < 1 or scale <= 0:
        raise ValueError("as_of must be aware, days at least 1, scale above 0")
    home, systems = home.resolve(), systems_root(os.environ)
    profile, span, streams = load_profile(city, systems), Span(whole_hour(as_of), days), Streams(city, seed)
    simulated = declared(systems)
    root = home / "city"
    if root.exists():
        shutil.rmtree(root)
    (root / "db").mkdir(parents=True)
    truth = Truth()
    tables = draw(profile, span, streams, scale, truth, simulated)
    doors = {feed_id: door for feed_id, door in doors_of(simulated.contracts.values()).items() if feed_id in tables}
    (root / "live").mkdir()
    for feed_id in tables.keys() & set(simulated.registers):
        tables[feed_id].frame.write_parquet(root / "live" / f"{feed_id}.parquet")
    write_templates(root, tables, simulated, span)
    planted = _planted(tables, simulated, profile, span, streams, scale, truth) if defects else {}
    urls = {name: f"sqlite:///{root / 'db' / name}.db" for name in departments_of(doors, "sql")} | (db_urls or {})
    _serve_tables(root, tables, doors, urls)
    _drop_files(root, tables, doors, simulated, planted, truth, span, streams, defects)
    _note_table_rows(tables, doors, planted, truth)
    truth.write(root / "truth.parquet")
    tokens = {name: streams.get(f"token.{name}").bytes(16).hex() for name in departments_of(doors, "http")}
    build = CityBuild(home, city, span.as_of, days, seed, scale, urls, tokens, doors)
    build.save()
    build.write_env()
    return build


def _planted(
    tables: Tables, simulated: Declared, profile: Profile, span: Span, streams: Streams, scale: float, truth: Truth
) -> dict[str, list[Planted]]:
    """Spoil rows of every feed as its system declares; what was planted where."""
    planted = {}
    for feed_id, table in tables.items():
        department = simulated.departments.get(feed_id)
        plan = plantings(department, simulated.contracts[feed_id], profile) if department else []
        planted[feed_id] = plant(table, plan, scale, streams.get(f"defects.{feed_id}"))
    for feed_id in ("weather.observation", "resources.geo_reading"):
        if feed_id in tables:
            plant_wrong_zone(tables[feed_id], truth, span, streams)
    return planted


@dataclass(frozen=True)
class _Drawing:
    """What every maker of tables is given."""

    profile: Profile
    counties: list[County]
    storms: list[sky.Storm]
    span: Span
    streams: Streams
    scale: float
    truth: Truth

    def size(self, name: str) -> int:
        """A count of the city at its scale."""
        return self.profile.count(name, self.scale)


def draw(
    profile: Profile, span: Span, streams: Streams, scale: float, truth: Truth, simulated: Declared | None = None
) -> Tables:
    """All feeds of a city without any defect, by feed id; incidents go to `truth`. A system that is away draws none."""
    simulated = simulated or declared()
    counties = load_counties(profile.code)
    storms = sky.draw_storms(span, counties, streams.get("storms"))
    given = _Drawing(profile, counties, storms, span, streams, scale, truth)
    tables = draw_registers(simulated, profile, counties, span, streams, scale, {})
    for feeds, make in _MAKERS.items():
        if simulated.contracts.keys() >= set(feeds):
            tables |= {table.feed_id: table for table in make(given, tables)}
    return tables


def _weather(given: _Drawing, tables: Tables) -> list[SourceTable]:
    office = weather.build(
        given.profile,
        given.counties,
        given.storms,
        given.span,
        given.streams,
        given.truth,
        given.size("weather_stations"),
    )
    return [office.stations, office.observations, office.warnings]


def _tailings(given: _Drawing, tables: Tables) -> list[SourceTable]:
    sizes = given.size("tailings_ponds"), given.size("points_per_pond")
    dams = tailings.build(given.profile, given.counties, given.storms, given.span, given.streams, given.truth, sizes)
    return [dams.ponds, dams.points, dams.readings]


def _geology(given: _Drawing, tables: Tables) -> list[SourceTable]:
    sizes = geology.GeoSizes(
        given.size("geo_points"),
        given.size("geo_points_basic"),
        given.size("geo_devices_basic"),
        given.size("geo_points_automatic"),
        given.size("geo_devices_automatic"),
    )
    slopes = geology.build(given.profile, given.counties, given.storms, given.span, given.streams, given.truth, sizes)
    return [slopes.points, slopes.devices, slopes.readings]


def _vehicles(given: _Drawing, tables: Tables) -> list[SourceTable]:
    fleet = given.size("vehicles"), given.size("vehicle_firms"), given.size("drivers")
    return [vehicles.build(given.profile, given.counties, given.span, given.streams, fleet)]


# What takes code of its own, by the feeds that it fills; each may use the tables of those before it.
_MAKERS: Mapping[tuple[str, ...], Callable[[_Drawing, Tables], list[SourceTable]]] = {
    ("weather.station", "weather.observation", "weather.warning"): _weather,
    ("emergency.tailings_pond", "emergency.tailings_point", "emergency.tailings_reading"): _tailings,
    ("resources.geo_point", "resources.geo_device", "resources.geo_reading"): _geology,
    ("fire.inspection", "fire.unit"): lambda given, tables: [
        fire.inspections(tables["fire.unit"], given.span, given.streams)
    ],
    ("fire.device", "fire.unit"): lambda given, tables: [
        fire_devices.build(given.profile, tables["fire.unit"], given.span, given.streams)
    ],
    ("housing.attendance", "housing.site"): lambda given, tables: [
        construction.attendance(tables["housing.site"], given.size("workers_per_site"), given.span, given.streams)
    ],
    ("emergency.major_hazard",): lambda given, tables: [
        hazards.build(given.profile, given.counties, given.span, given.streams, given.size("major_hazards"))
    ],
    ("transport.vehicle",): _vehicles,
}


def _serve_tables(root: Path, tables: Tables, doors: Mapping[str, Door], urls: Mapping[str, str]) -> None:
    for feed_id, door in doors.items():
        if door.kind == "http":
            door_http.write(tables[feed_id], root / "http" / f"{feed_id}.parquet", door.explode)
    for department in departments_of(doors, "sql"):
        mine = {
            door.path: tables[feed_id]
            for feed_id, door in doors.items()
            if door.kind == "sql" and door.department == department
        }
        door_sql.write(mine, urls[department])


def _drop_files(
    root: Path,
    tables: Tables,
    doors: Mapping[str, Door],
    simulated: Declared,
    planted: dict[str, list[Planted]],
    truth: Truth,
    span: Span,
    streams: Streams,
    defects: bool,
) -> None:
    for feed_id, door in doors.items():
        if door.kind != "files":
            continue
        folder = root / "drop" / door.department / door.path
        drop = drops.Drop(folder, tables[feed_id], planted.get(feed_id, []), truth, span)
        if (write := drops.WRITERS.get(feed_id)) is not None:
            write(drop, streams.get(f"drop.{feed_id}"), defects)
            continue
        department = simulated.departments[feed_id]
        drops.write_register(
            drop,
            simulated.contracts[feed_id],
            department.file_title or simulated.contracts[feed_id].name_zh,
            department.file_days_ago,
        )


def _note_table_rows(
    tables: Tables, doors: Mapping[str, Door], planted: dict[str, list[Planted]], truth: Truth
) -> None:
    """Planted rows of HTTP and SQL feeds, by their key as sent."""
    for feed_id, door in doors.items():
        if door.kind == "files":
            continue
        table = tables[feed_id]
        ref_of = door_http.source_ref if door.kind == "http" else _sql_ref
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
