"""A published city made up for tests: every table of schema `mart`, written as one generation or many."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import sqlalchemy as sa

from access import serving
from core.settings import Home
from core.store import database, tables

BEIJING = ZoneInfo("Asia/Shanghai")
DAYS = 30
CITY = ("420500", "宜昌市", "Yichang")
# code, zh, en, level of the index, lon, lat of a point inside
COUNTIES = (
    ("420502", "西陵区", "Xiling", 62.0, 111.29, 30.72),
    ("420503", "伍家岗区", "Wujiagang", 55.0, 111.36, 30.65),
    ("420504", "点军区", "Dianjun", 41.0, 111.20, 30.66),
    ("420505", "猇亭区", "Xiaoting", 71.0, 111.43, 30.53),
    ("420506", "夷陵区", "Yiling", 48.0, 111.30, 30.95),
    ("420525", "远安县", "Yuan'an", 38.0, 111.60, 31.15),
    ("420526", "兴山县", "Xingshan", 44.0, 110.75, 31.30),
    ("420527", "秭归县", "Zigui", 66.0, 110.75, 30.85),
    ("420528", "长阳土家族自治县", "Changyang", 52.0, 110.85, 30.45),
    ("420529", "五峰土家族自治县", "Wufeng", 47.0, 110.60, 30.20),
    ("420581", "宜都市", "Yidu", 58.0, 111.40, 30.30),
    ("420582", "当阳市", "Dangyang", 35.0, 111.80, 30.80),
    ("420583", "枝江市", "Zhijiang", 43.0, 111.75, 30.45),
)
DOMAINS = {"all": 0.0, "lifeline": -8.0, "public_safety": 4.0, "work_safety": 11.0, "natural_hazard": -3.0}
FACTORS = (
    ("hazard_level", 0.5, "危险源强度", "hazard intensity"),
    ("exposed_people", 0.3, "暴露人口", "exposed people"),
    ("overdue_rectification", 0.2, "隐患逾期未改", "overdue rectification"),
)
# feed, zh, en, department zh, department en, domain, entities, minutes since the newest fact
FEEDS = (
    (
        "weather.observation",
        "气象观测",
        "Weather observations",
        "气象局",
        "Weather bureau",
        "natural_hazard",
        "reading",
        5,
    ),
    ("weather.warning", "气象预警信号", "Weather warnings", "气象局", "Weather bureau", "natural_hazard", "event", 30),
    ("fire.unit", "消防重点单位", "Key fire units", "消防救援支队", "Fire and rescue", "public_safety", "object", 90),
    (
        "fire.inspection",
        "消防检查",
        "Fire inspections",
        "消防救援支队",
        "Fire and rescue",
        "public_safety",
        "inspection",
        40,
    ),
    (
        "housing.site",
        "建筑工地",
        "Construction sites",
        "住房和城乡建设局",
        "Housing bureau",
        "work_safety",
        "object",
        300,
    ),
    (
        "housing.attendance",
        "实名制考勤",
        "Gate attendance",
        "住房和城乡建设局",
        "Housing bureau",
        "work_safety",
        "event",
        4000,
    ),
    ("market.elevator", "电梯", "Elevators", "市场监督管理局", "Market regulation", "lifeline", "object", 100),
    ("urban.pipe", "地下管线", "Underground pipes", "城市管理委员会", "City management", "lifeline", "object", 200),
    ("emergency.major_hazard", "重大危险源", "Major hazards", "应急管理局", "Emergency", "work_safety", "object", 50),
    (
        "resources.geo_reading",
        "地灾监测读数",
        "Geological readings",
        "自然资源和规划局",
        "Resources",
        "natural_hazard",
        "reading",
        12,
    ),
)
SUBDOMAINS = {"fire.unit": "fire", "market.elevator": "elevator", "emergency.major_hazard": "major_hazard"}
LATE_AFTER_S, SILENT_AFTER_S = 6 * 3600, 48 * 3600

_TABLES = """
create schema mart;
create table mart.feed (feed_id text, department_code text, department_zh text, department_en text, name_zh text,
  name_en text, domain text, subdomain text, owner text, steward text, cadence_s bigint, late_after_s bigint,
  silent_after_s bigint, retention_d bigint, version text, entities text);
create table mart.feed_health (feed_id text, department_code text, last_observed_at timestamptz,
  last_received_at timestamptz, freshness text, rows_24h bigint, quarantined_24h bigint, batches_held bigint,
  checks_failed bigint, checks_raised bigint, last_contact_at timestamptz);
create table mart.area (area_code text, parent_code text, level text, name_zh text, name_en text);
create table mart.risk_index (as_of_date date, area_code text, area_name_zh text, area_name_en text, domain text,
  index_value double, colour text, confidence text, method_version text);
create table mart.risk_contribution (as_of_date date, area_code text, domain text, factor text, weight double,
  factor_value double, contribution double, reason_zh text, reason_en text, change_zh text, change_en text);
create table mart.risk_object (object_id text, domain text, subdomain text, object_type text, name_zh text,
  area_code text, department_code text, lon double, lat double, inherent_colour text, residual_colour text,
  score double, unscored_reason text, unscored_reason_zh text, unscored_reason_en text, area_reason text,
  area_reason_zh text, area_reason_en text);
create table mart.device (device_id text, object_id text, protocol text, metric_list text, status text,
  last_observed_at timestamptz, name_zh text, domain text, subdomain text, feed_id text, area_code text, lon double,
  lat double);
create table mart.reading_hourly (device_id text, metric text, unit text, hour timestamptz, mean_value double,
  min_value double, max_value double, n bigint, n_flagged bigint, n_fault bigint, feed_id text, landed_on date);
create table mart.alert (alert_id text, rule_id text, domain text, subdomain text, object_id text, area_code text,
  colour text, severity_rank integer, state text, is_exercise boolean, opened_at timestamptz,
  acknowledged_at timestamptz, resolved_at timestamptz, closed_at timestamptz, peak_value double, threshold double,
  unit text, standard text, clause text, disposing_unit text);
create table mart.major_hazard (unit_id text, s_value double, r_value double, alpha double, exposed_people bigint,
  grade integer);
create table mart.vital_sign (as_of_date date, sign_code text, name_zh text, name_en text, value double, unit text,
  low double, high double, status text);
create table mart.rule_quality (rule_id text, month date, system_id text, colour text, n_alerts bigint, n_true bigint,
  n_false bigint, n_missed bigint, precision double, recall double, median_minutes_to_alert double);
create table mart.alarm_performance (as_of_date date, operator_group text, alarms_per_10_min_mean double,
  alarms_per_10_min_max double, share_of_time_in_flood double, n_chattering bigint, n_stale bigint);
create table mart.work_order (order_id text, alert_id text, unit_id text, told_at timestamptz, received_at timestamptz,
  arrived_at timestamptz, fed_back_at timestamptz, due_at timestamptz, is_overdue boolean);
create table mart.system_status (system_id text, domain text, feeds_expected bigint, feeds_fresh bigint, objects bigint,
  devices_online_share double, open_alerts bigint, worst_colour text, subdomain text, name_zh text, name_en text,
  department_code text);
create table mart.data_dictionary (table_name text, column_name text, description_zh text, description_en text,
  unit text, owner text, sensitivity text);
"""


def publish_city(home: Home, now: datetime, shift: float = 0.0) -> Path:
    """Publish one made-up generation at `now`; `shift` moves every index, so that generations can be told apart."""
    home.serving.mkdir(parents=True, exist_ok=True)
    generation = home.serving / f"{now:%Y%m%dT%H%M%S%f}.duckdb"
    building = generation.with_suffix(".building")
    with duckdb.connect(str(building)) as mart:
        mart.execute(_TABLES)
        _fill(mart, "feed", _feeds())
        _fill(mart, "feed_health", _health(now))
        _fill(mart, "area", _areas())
        index = _index(now.astimezone(BEIJING).date(), shift)
        _fill(mart, "risk_index", index)
        _fill(mart, "risk_contribution", _contributions(index))
        _fill(mart, "risk_object", _objects())
        _fill(mart, "device", _devices(now))
        _fill(mart, "major_hazard", [("emergency:W0001", 1.8, 62.5, 1.5, 120, 2)])
    building.rename(generation)
    return generation


def remember_runs(home: Home, now: datetime) -> None:
    """An ops store with a batch, verdicts of all three kinds, findings, a failed fetch and a notification."""
    engine = database.open_ops(home.ops_url)
    later = now - timedelta(minutes=2)
    with engine.begin() as connection:
        for feed in FEEDS:
            connection.execute(sa.insert(tables.batch), _batch(feed[0], now - timedelta(minutes=feed[-1])))
            connection.execute(sa.insert(tables.fetch_outcome), _outcome(feed[0], later))
        verdicts = [
            ("volume", "passed", 1200.0, "条数在预期之内", "the number of rows is as expected"),
            (
                "attendance_sum",
                "failed",
                0.42,
                "考勤合计与工地在册人数不符",
                "attendance does not add up to the register",
            ),
            (
                "drift_score",
                "raised",
                None,
                "检查本身出错，按未通过处理",
                "the check itself crashed; treated as failed",
            ),
        ]
        for check_id, verdict, observed, zh, en in verdicts:
            connection.execute(
                sa.insert(tables.check_verdict),
                {
                    "run_id": "run-2",
                    "feed_id": "housing.attendance",
                    "check_id": check_id,
                    "kind": check_id,
                    "severity": "error",
                    "verdict": verdict,
                    "observed": observed,
                    "expected": "1000 to 5000",
                    "message_zh": zh,
                    "message_en": en,
                    "rows_checked": 1200,
                    "at": later,
                },
            )
        connection.execute(
            sa.insert(tables.quarantine),
            {
                "feed_id": "housing.attendance",
                "batch_id": "b-housing.attendance",
                "reason": "out_of_range",
                "grain": "row",
                "outcome": "quarantined",
                "source_ref": "t_kq id>1180",
                "locator": "1187",
                "column_name": "body_temperature_c",
                "found": "9***",
                "expected": "30 to 45",
                "n_rows": 3,
                "archive_sha256": "0" * 64,
                "contract_version": "1.0.0",
                "at": later,
            },
        )
        connection.execute(
            sa.insert(tables.notification),
            {
                "feed_id": "housing.attendance",
                "kind": "silent",
                "text_zh": "实名制考勤自前日起没有数据，请联系住建局",
                "text_en": "Gate attendance has been silent; call the housing bureau",
                "raised_at": later,
                "attempts": 1,
            },
        )
    engine.dispose()


def _fill(mart: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[object]]) -> None:
    frame = pl.DataFrame(rows, orient="row", infer_schema_length=None)
    mart.register("incoming", frame.to_arrow())
    mart.execute(f"insert into mart.{table} select * from incoming")
    mart.unregister("incoming")


def _feeds() -> list[tuple[object, ...]]:
    return [
        (
            feed_id,
            feed_id.split(".")[0],
            dept_zh,
            dept_en,
            zh,
            en,
            domain,
            SUBDOMAINS.get(feed_id, "other"),
            "duty",
            "data-office",
            3600,
            LATE_AFTER_S,
            SILENT_AFTER_S,
            365,
            "1.0.0",
            entities,
        )
        for feed_id, zh, en, dept_zh, dept_en, domain, entities, _ in FEEDS
    ]


def _health(now: datetime) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for feed_id, *_, entities, minutes in FEEDS:
        at = now - timedelta(minutes=minutes)
        state = "silent" if minutes * 60 > SILENT_AFTER_S else "fresh"
        is_register = entities == "object"
        rows.append((feed_id, feed_id.split(".")[0], None if is_register else at, at, state, 1200, 3, 0, 0, 0, at))
    return rows


def _areas() -> list[tuple[object, ...]]:
    counties = [(code, CITY[0], "county", zh, en) for code, zh, en, *_ in COUNTIES]
    return [(CITY[0], None, "city", CITY[1], CITY[2]), *counties]


def _colour(value: float) -> str | None:
    limits = ((70.0, "red"), (55.0, "orange"), (45.0, "yellow"), (30.0, "blue"))
    return next((name for limit, name in limits if value >= limit), None)


def _index(today: date, shift: float) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for code, zh, en, level in [(*CITY, 52.0), *(county[:4] for county in COUNTIES)]:
        for domain, offset in DOMAINS.items():
            for ago in range(DAYS):
                wave = 3.5 * math.sin(ago / 4.0 + offset) + 1.5 * math.sin(ago * 1.7 + level)
                value = round(level + offset + wave + shift, 3)
                confidence = "C" if domain == "work_safety" else "A"
                rows.append(
                    (today - timedelta(days=ago), code, zh, en, domain, value, _colour(value), confidence, "1.0")
                )
    return rows


def _contributions(index: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for day, code, _zh, _en, domain, value, *_ in index:
        assert isinstance(value, float)
        assert isinstance(day, date)
        log = math.log(value / 100)
        tilt = 0.05 * math.sin(day.toordinal())
        shares = (0.4 + tilt, 0.35 - tilt / 2, 0.25 - tilt / 2)
        for (factor, weight, zh, en), share in zip(FACTORS, shares, strict=True):
            contribution = log * share
            reason_zh, reason_en = f"{zh}高于上周", f"{en} above last week"
            moved = (f"{zh}：阵风 昨 19.4 m/s → 今 9 m/s", f"{en}: gust yesterday 19.4 m/s → today 9 m/s")
            said = (reason_zh, reason_en, *moved)
            rows.append((day, code, domain, factor, weight, math.exp(contribution / weight), contribution, *said))
    return rows


NO_REASONS = (None,) * 6


def _objects() -> list[tuple[object, ...]]:
    kinds = (
        ("fire", "public_safety", "fire", "fire_unit", "消防重点单位"),
        ("resources", "natural_hazard", "geological", "geo_hazard_point", "地灾隐患点"),
        ("emergency", "work_safety", "major_hazard", "major_hazard", "重大危险源"),
        ("market", "lifeline", "elevator", "elevator", "电梯"),
    )
    colours = ("red", "orange", "yellow", "blue", None)
    rows: list[tuple[object, ...]] = []
    for n in range(260):
        code, zh, _en, _level, lon, lat = COUNTIES[n % len(COUNTIES)]
        department, domain, subdomain, kind, label = kinds[n % len(kinds)]
        colour = colours[(n * 7) % 17 % 5]
        place = (lon + 0.05 * math.sin(n * 1.3), lat + 0.05 * math.cos(n * 2.1))
        rows.append(
            (
                f"{department}:X{n:04}",
                domain,
                subdomain,
                kind,
                f"{zh}{label}{n}",
                code,
                department,
                *place,
                "orange",
                colour,
                90.0 - n / 4,
                *NO_REASONS,
            )
        )
    rows.append(
        (
            "emergency:W0001",
            "work_safety",
            "major_hazard",
            "major_hazard",
            "猇亭一号罐区",
            "420505",
            "emergency",
            111.42,
            30.53,
            "red",
            "red",
            97.5,
            *NO_REASONS,
        )
    )
    rows.append(
        (
            "urban:G0001",
            "lifeline",
            "gas",
            "gas_user",
            "城东燃气用户",
            None,
            "urban",
            111.9,
            30.1,
            *(None,) * 3,
            "kind_not_weighed",
            "此类对象没有权重",
            "No weight for its kind",
            "outside_known_areas",
            "不在任何已知区县",
            "In no known county",
        )
    )
    return rows


def _devices(now: datetime) -> list[tuple[object, ...]]:
    where = ("work_safety", "major_hazard", "emergency.major_hazard", "420505", 111.42, 30.53)
    return [
        (
            "emergency:D1",
            "emergency:W0001",
            "hj212",
            "pressure_kpa",
            "online",
            now - timedelta(minutes=3),
            None,
            *where,
        ),
        ("emergency:D2", "emergency:W0001", "hj212", "level_m", "silent", now - timedelta(days=3), None, *where),
    ]


def _batch(feed_id: str, at: datetime) -> dict[str, object]:
    held = feed_id == "housing.attendance"
    return {
        "batch_id": f"b-{feed_id}",
        "feed_id": feed_id,
        "contract_version": "1.0.0",
        "source_ref": "made up",
        "media": "json",
        "archive_sha256": "0" * 64,
        "received_at": at,
        "rows_in": 1203,
        "rows_landed": 1200,
        "rows_quarantined": 3,
        "rows_ignored": 0,
        "state": "held" if held else "admitted",
        "run_id": "run-2",
    }


def _outcome(feed_id: str, at: datetime) -> dict[str, object]:
    lost = feed_id == "housing.attendance"
    return {
        "feed_id": feed_id,
        "run_id": "run-2",
        "started_at": at,
        "ended_at": at + timedelta(seconds=1),
        "result": "unreachable" if lost else "landed",
        "payloads": 0 if lost else 1,
        "rows_landed": 0 if lost else 1200,
        "rows_quarantined": 0,
        "detail": "mysql: connect timed out after 10 s" if lost else "",
    }


def utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    """A UTC instant."""
    return datetime(year, month, day, hour, tzinfo=UTC)


@dataclass
class Readings:
    """What readers met while others published: how often each read, which generations, which errors."""

    counts: list[int]
    generations: set[str] = field(default_factory=set)
    errors: list[Exception] = field(default_factory=list)


@contextmanager
def reading(home: Home, n_readers: int, pause_s: float = 0.01) -> Iterator[Readings]:
    """Readers that open the newest generation again and again, each time checking that the view is whole and new."""
    met = Readings([0] * n_readers)
    over = threading.Event()

    def read(number: int) -> None:
        try:
            while not over.wait(pause_s):
                before = serving.newest(home)
                with serving.open_mart(home) as mart:
                    row = mart.row("select count(*) as n from mart.risk_index")
                assert row == {"n": (len(COUNTIES) + 1) * len(DOMAINS) * DAYS}, "a half-built view"
                assert before is not None
                assert mart.generation.name >= before.name, "an open must never see an older generation"
                met.generations.add(mart.generation.name)
                met.counts[number] += 1
        except Exception as error:  # noqa: BLE001 whatever any reader met is told to the test
            met.errors.append(error)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(n_readers)]
    for thread in threads:
        thread.start()
    try:
        yield met
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=30)
