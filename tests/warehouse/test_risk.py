"""The whole warehouse on a small city: what is built, what is published, what moves history and what does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import duckdb
import polars as pl
import pytest
import sqlalchemy as sa
import yaml

from access.serving import open_mart
from alerting.engine.episode import Change, EpisodeChange
from alerting.lifecycle.joining import Subject
from alerting.policy.notification_policies import load_notification_policies
from alerting.rules.generations import newest_generation
from alerting.workflow.changes import RULES, Origin, apply
from core.catalogue import load_contract
from core.store import tables
from core.store.landed import live_files
from core.system import load_systems
from floor import DBT_UNIT_TESTS
from orchestration.build import unit_test
from orchestration.project import PROJECT
from orchestration.publish import publish
from orchestration.rules import publish_rules
from told_episodes import Engineer
from warehouse import synthetic
from warehouse.built import DAYS, Warehouse, open_warehouse

INTERFACE = {
    "feed_health": "feed_id department_code last_observed_at last_received_at freshness rows_24h quarantined_24h "
    "batches_held checks_failed checks_raised",
    "risk_index": "as_of_date area_code area_name_zh area_name_en domain index_value colour confidence method_version",
    "risk_contribution": "as_of_date area_code domain factor weight factor_value contribution reason_zh reason_en",
    "risk_object": "object_id domain subdomain object_type name_zh area_code department_code lon lat inherent_colour "
    "residual_colour score",
    "device": "device_id object_id protocol metric_list status last_observed_at",
    "reading_hourly": "device_id metric unit hour mean_value min_value max_value n n_flagged",
    "alert": "alert_id rule_id domain subdomain object_id area_code colour severity_rank state is_exercise opened_at "
    "acknowledged_at resolved_at closed_at peak_value threshold unit standard clause disposing_unit",
    "major_hazard": "unit_id s_value r_value alpha exposed_people grade",
    "vital_sign": "as_of_date sign_code name_zh name_en value unit low high status",
    "rule_quality": "rule_id month system_id colour n_alerts n_true n_false n_missed precision recall "
    "median_minutes_to_alert",
    "alarm_performance": "as_of_date operator_group alarms_per_10_min_mean alarms_per_10_min_max "
    "share_of_time_in_flood n_chattering n_stale",
    "work_order": "order_id alert_id unit_id told_at received_at arrived_at fed_back_at due_at is_overdue",
    "system_status": "system_id domain feeds_expected feeds_fresh objects devices_online_share open_alerts "
    "worst_colour",
    "data_dictionary": "table_name column_name description_zh description_en unit owner sensitivity",
}
FACTS = ("reading", "event", "inspection")
BEFORE_LATE_FILE = "before the late file"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Three days of every feed with every model built; the tests below take it through time, in their order."""
    made = open_warehouse(tmp_path_factory.mktemp("risk"))
    synthetic.land_city(made.home, made.engine, made.contracts, DAYS, n=6)
    land_a_unit_outside(made)
    land_a_graded_hazard(made)
    made.build(full_refresh=True, select=None)
    yield made
    made.engine.dispose()


def land_a_unit_outside(city: Warehouse) -> None:
    """A fire unit whose coordinates lie in no county that we know, and one of another city."""
    contract = city.contracts["fire.unit"]
    frame = synthetic.rows_of(contract, DAYS[0], 8, seed=3).tail(2)
    code = next(column.landed_name for column in contract.landed_columns if column.concept == "area_code")
    codes = pl.Series([None, "430702"], dtype=pl.String)
    frame = frame.with_columns(codes.alias(code), codes.alias("_area_code"), pl.lit(100.0).alias("_lon"))
    synthetic.land_rows(city.home, city.engine, contract, frame, "units-outside")


def land_a_graded_hazard(city: Warehouse) -> None:
    """A major hazard that is registered with grade 1, and of whose substances too little is known to give it one."""
    contract = city.contracts["emergency.major_hazard"]
    names = {column.concept: column.landed_name for column in contract.landed_columns}
    frame = synthetic.rows_of(contract, DAYS[0], 1).with_columns(
        pl.lit("MH1").alias(names["object_id"]), pl.lit("1").alias(names["grade"])
    )
    synthetic.land_rows(city.home, city.engine, contract, frame, "graded-hazard")


def ask(city: Warehouse, sql: str) -> list[tuple]:
    """Rows of a query on the built mart file."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{city.home.mart}' as published (read_only)")
        connection.execute("use published.mart")
        return connection.execute(sql).fetchall()


def history(city: Warehouse, last: date, areas: str = "true") -> list[tuple]:
    """Everything that the index of the days up to `last` says, confidence apart."""
    return ask(city, history_sql(last, areas))


def history_sql(last: date, areas: str = "true") -> str:
    return f"""
        select i.as_of_date, i.area_code, i.domain, i.index_value, i.colour, c.factor, c.weight, c.factor_value,
               c.reason_zh, c.reason_en
        from risk_index as i join risk_contribution as c using (as_of_date, area_code, domain)
        where as_of_date <= '{last}' and {areas} order by all
        """


def land_facts(city: Warehouse, day: date, batch: str, seed: int = 0) -> None:
    for contract in city.contracts.values():
        if not contract.is_register:
            city.land(contract.id, day, 6, f"{batch}-{contract.slug}", seed)


@pytest.mark.slow
@pytest.mark.case("engineer.2")
def test_worked_numbers_of_the_standards_hold(city: Warehouse, record_property: Callable[[str, object], None]) -> None:
    tested = unit_test(city.home)
    assert tested.success, tested.message
    declared = [
        one["name"]
        for path in (PROJECT / "models").glob("**/_unit_tests.yml")
        for one in yaml.safe_load(path.read_text("utf-8"))["unit_tests"]
    ]
    assert sorted(node.name.rsplit(".", 1)[-1] for node in tested.nodes) == sorted(declared)
    record_property(DBT_UNIT_TESTS, len(tested.nodes))


@pytest.mark.slow
def test_every_published_table_has_its_columns(city: Warehouse) -> None:
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in ask(
        city, "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'mart'"
    ):
        found.setdefault(table, {})[column] = kind
    for table, columns in INTERFACE.items():
        assert set(columns.split()) <= found[table].keys(), table
        for column, kind in found[table].items():
            if column.endswith("_at") or column == "hour":
                assert kind == "TIMESTAMP WITH TIME ZONE", (table, column)
            if column == "as_of_date":
                assert kind == "DATE", table
    assert found["alert"]["severity_rank"] == "INTEGER"


@pytest.mark.slow
def test_every_system_says_how_it_stands(city: Warehouse) -> None:
    """By the feeds, registers and devices of its folder, counted here by another way."""
    told = ask(city, "select * exclude (name_zh, name_en, department_code) from system_status order by system_id")
    assert [row[0] for row in told] == sorted(load_systems())
    fresh = {feed_id for (feed_id,) in ask(city, "select feed_id from feed_health where freshness = 'fresh'")}
    for system_id, domain, expected, n_fresh, objects, online, n_open, worst, subdomain in told:
        system = load_systems()[str(system_id)]
        feeds = [load_contract(path).id for path in system.contract_paths]
        named = ", ".join(f"'{feed_id}'" for feed_id in feeds)
        assert (domain, subdomain, expected) == (system.domain, system.subdomain, len(feeds))
        assert n_fresh == len(fresh & set(feeds))
        assert [(objects,)] == city.ask(f"select count(*) from core.risk_object where feed_id in ({named})")
        n_devices = city.ask(f"select count(*) from core.device where is_registered and feed_id in ({named})")
        assert (online is None) is (n_devices == [(0,)]), system_id
        assert (n_open, worst) == (0, None)
    assert sum(row[4] for row in told) > 40


@pytest.mark.slow
@pytest.mark.case("engineer.9")
def test_the_published_dictionary_lists_what_is_published_in_both_languages(city: Warehouse) -> None:
    told = "select table_name, column_name, description_zh, description_en, sensitivity from"
    published = ask(city, f"{told} data_dictionary")
    inside = city.ask(f"{told} core.internal_dictionary")
    columns = ask(city, "select 'mart.' || table_name, column_name from duckdb_columns() where schema_name = 'mart'")
    assert {row[:2] for row in published} == set(columns)
    columns = city.ask(
        "select table_schema || '.' || table_name, column_name from information_schema.columns "
        "where table_schema in ('core', 'risk')"
    )
    assert {row[:2] for row in inside} >= set(columns)
    assert not {row[0] for row in inside} & {row[0] for row in published}
    written = [row for row in inside if row[:2] in set(columns)]  # of feeds, contracts answer for the words
    for *name, zh, en, sensitivity in (*published, *written):
        assert any("一" <= sign <= "鿿" for sign in str(zh)), name
        assert en, name
        assert sensitivity in ("public", "internal", "important", "personal", "sensitive"), name


@pytest.mark.slow
def test_contributions_explain_the_index(city: Warehouse) -> None:
    summed = ask(
        city,
        """
        select any_value(i.index_value), sum(c.contribution), sum(c.weight), min(c.factor_value), max(c.factor_value)
        from risk_index as i join risk_contribution as c using (as_of_date, area_code, domain)
        group by as_of_date, area_code, domain
        """,
    )
    assert len(summed) == 4 * 14 * 5  # days with the one of the build, city and counties, domains with all
    for index, total, weights, low, high in summed:
        assert math.isclose(total, math.log(index / 100), abs_tol=1e-9)
        assert math.isclose(weights, 1, abs_tol=1e-9)
        assert 0.01 <= low <= high <= 1
        assert 0 <= index <= 100


@pytest.mark.slow
def test_residual_is_never_worse_than_inherent(city: Warehouse) -> None:
    rank = {"blue": 1, "yellow": 2, "orange": 3, "red": 4}
    scored = "from risk_object where unscored_reason is null"
    rows = ask(city, f"select inherent_colour, residual_colour, inherent_score, score {scored}")
    for inherent, residual, inherent_score, score in rows:
        assert rank[residual] <= rank[inherent]
        assert score <= inherent_score
    assert len({residual for _, residual, _, _ in rows}) > 1


@pytest.mark.slow
@pytest.mark.case("pages.12")
def test_a_major_hazard_of_grade_1_is_never_mild(city: Warehouse) -> None:
    told = "inherent_colour, residual_colour in ('red', 'orange'), floor_reason_zh, floor_reason_en"
    worst = ask(city, f"select distinct {told} from risk_object where object_id = 'emergency:MH1'")
    assert worst == [("red", True, "一级重大危险源", "major hazard of grade 1")]


@pytest.mark.slow
@pytest.mark.case("engineer.10")
def test_every_object_is_published_with_its_colours_or_a_reason(city: Warehouse) -> None:
    weighed = "subdomain in (select factor from seed.risk_factor_weights where level = 'subdomain')"
    counted = city.ask(f"select count(*), count(*) filter ({weighed}) from core.risk_object")
    asked = "select count(*), count(residual_colour) from risk_object"
    assert ask(city, asked) == counted
    assert {row[0] for row in ask(city, "select object_id from risk_object")} == registered(city)
    unscored = ask(
        city,
        "select distinct subdomain, unscored_reason, residual_colour, score, unscored_reason_zh <> '', "
        "unscored_reason_en <> '' from risk_object where unscored_reason is not null",
    )
    assert {row[0] for row in unscored} >= {"utility_tunnel", "key_vehicle", "pollution", "flood"}
    assert {row[1:] for row in unscored} == {("kind_not_weighed", None, None, True, True)}
    outside = "select area_code, area_reason, residual_colour is not null from risk_object where lon = 100 order by 1"
    assert ask(city, outside) == [("430702", "outside_city", True), (None, "outside_known_areas", True)]


def registered(city: Warehouse) -> set[str]:
    """Ids of everything that any register of objects ever landed."""
    found: set[str] = set()
    for contract in city.contracts.values():
        column = contract.by_concept("object_id")
        if contract.is_register and "object" in contract.entities and column is not None:
            for path in live_files(city.engine, city.home, contract.id):
                ids = pl.read_parquet(path, columns=[column.landed_name]).to_series()
                found |= {f"{contract.department_code}:{one}" for one in ids}
    return found


@pytest.mark.slow
@pytest.mark.case("pages.18")
def test_an_open_alert_counts_today_and_never_in_the_days_before(city: Warehouse) -> None:
    burning, out, drill = "fire:O000001", "fire:O000002", "fire:O000003"
    today = city.now.date()
    past, calm = history(city, today - timedelta(days=1)), fire_hazard(city)
    fire = Engineer("fire_alarm")
    opened = [fire(Change.OPENED, at, "red") for at in (burning, out)]
    tell(city, [*opened, fire(Change.CLEARED, out, "red", 5)])
    tell(city, [fire(Change.OPENED, drill, "red")], Origin(is_exercise=True))
    city.build(select=None)
    scored = ask(
        city,
        "select object_id, alert_colour, current_score >= 65, hazard_zh from risk_object "
        f"where object_id in ('{burning}', '{out}', '{drill}') order by 1",
    )
    assert scored[0] == (burning, "red", True, "预警")
    assert {row[1] for row in scored[1:]} == {None}
    alarmed = fire_hazard(city)
    assert alarmed[0] > calm[0]
    assert "预警 红色预警未解除" in str(alarmed[1])
    assert "alert red alert open" in str(alarmed[2])
    assert history(city, today - timedelta(days=1)) == past
    tell(city, [fire(Change.CLEARED, burning, "red", 9)])  # for the tests below


def fire_hazard(city: Warehouse) -> tuple:
    """Value and reasons of the city's fire hazard on the newest day."""
    return ask(
        city,
        "select factor_value, reason_zh, reason_en from risk_contribution where area_code = '420500' "
        "and domain = 'public_safety' and factor = 'fire.hazard' order by as_of_date desc limit 1",
    )[0]


def tell(city: Warehouse, changes: list[EpisodeChange], origin: Origin = RULES) -> None:
    """What became of fires, as the life cycle writes it."""
    publish_rules(city.home, city.now)
    policies = load_notification_policies(newest_generation(city.home.root))

    def unit(change: EpisodeChange) -> Subject:
        place = ("420502", 111.2, 30.6)
        return Subject("public_safety", "fire", "fire_unit", change.object_id, *place, "火警", "Fire alarm")

    apply(city.engine, policies, changes, unit, city.now, None, origin)


@pytest.mark.slow
def test_with_nothing_new_only_what_looks_at_the_clock_is_built(city: Warehouse) -> None:
    nodes = {node.name for node in city.build(select=None).nodes}
    assert "model.cityrisk.feed_health" in nodes
    assert not any(name.startswith("seed.") for name in nodes)
    assert not {"model.cityrisk.reading", "model.cityrisk.all_reading", "model.cityrisk.risk_object"} & nodes


@pytest.mark.slow
def test_history_does_not_move_when_newer_data_arrive(city: Warehouse) -> None:
    before = history(city, DAYS[-1])
    assert before
    land_facts(city, DAYS[-1] + timedelta(days=1), "newer", seed=5)
    city.build(select=None)
    assert history(city, DAYS[-1]) == before


@pytest.mark.slow
def test_a_late_file_moves_its_day_and_not_the_days_before(city: Warehouse) -> None:
    before = history(city, DAYS[-1])
    publish(city.home, city.engine, BEFORE_LATE_FILE, [], city.now)
    contract = city.contracts["emergency.tailings_reading"]
    city.land(contract.id, DAYS[1], 6, "late-file", seed=99)
    nodes = {node.name for node in city.build(select=None).nodes}
    assert {"model.cityrisk.reading", "model.cityrisk.reading_hourly"} <= nodes, "one new file builds everything again"
    after = history(city, DAYS[-1])
    assert [row for row in after if row[0] < DAYS[1]] == [row for row in before if row[0] < DAYS[1]]
    moved = {row[5].split(".")[0] for row in set(after) - set(before) if row[7] is not None and row[2] != "all"}
    assert "tailings" in moved
    assert "fire" not in moved


@pytest.mark.slow
def test_quiet_feeds_lower_confidence_and_not_risk(city: Warehouse) -> None:
    last = DAYS[-1] + timedelta(days=1)
    quiet_on = last + timedelta(days=20)
    city.now += timedelta(days=20)
    city.build(select=None)
    factors = {}
    for day in (last, quiet_on):
        factors[day] = ask(
            city,
            f"select area_code, domain, factor, weight, factor_value from risk_contribution "
            f"where as_of_date = '{day}' and factor <> 'weather.hazard' order by all",
        )
    assert factors[last]
    assert factors[quiet_on] == factors[last]  # a warning that ends is news, not silence: weather.hazard apart
    confidence = dict(
        ask(
            city,
            f"select as_of_date, confidence from risk_index where domain = 'all' and area_code = '420500' "
            f"and as_of_date in ('{last}', '{quiet_on}')",
        )
    )
    assert confidence[quiet_on] == "D"
    assert confidence[last] < "D"
    assert {row[0] for row in ask(city, "select distinct freshness from feed_health")} == {"silent", "late", "fresh"}


@pytest.mark.slow
def test_a_rebuild_gives_the_same_history(city: Warehouse) -> None:
    before = history(city, city.now.date())
    city.build(full_refresh=True, select=None)
    after = history(city, city.now.date())
    days = "select landed_on, count(*) from core.device_day group by landed_on order by landed_on"
    computed = city.ask("select as_of_date from risk.risk_day order by as_of_date")
    told = f"days with readings {city.ask(days)}, computed {computed}"
    assert {row[0] for row in after} == {row[0] for row in before}, told
    assert_alike(after, before)


def assert_alike(found: list[tuple], expected: list[tuple]) -> None:
    """The same history, but for the last bit of a number."""
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    for new, old in zip(found, expected, strict=True):
        assert new[4:] == old[4:] or math.isclose(new[7], old[7], rel_tol=1e-12)


@pytest.mark.slow
def test_a_rebuild_of_what_was_known_gives_what_was_published(city: Warehouse) -> None:
    """A file came late and moved its day; readers of before had other numbers, and a rebuild without it has those."""
    with city.engine.connect() as connection:
        g = tables.generation.c
        known_at = connection.scalar(sa.select(g.published_at).where(g.run_id == BEFORE_LATE_FILE))
    assert known_at is not None
    with open_mart(city.home, known_at=known_at) as shown:
        shown.connection.execute("set schema 'mart'")
        published = shown.connection.execute(history_sql(DAYS[-1])).fetchall()
    assert published
    assert published != history(city, DAYS[-1])
    city.set_batch("late-file", "held")
    city.build(full_refresh=True, select=None)
    assert_alike(history(city, DAYS[-1]), published)
    city.set_batch("late-file", "admitted")


@pytest.mark.slow
def test_held_and_broken_things_show_in_feed_health(city: Warehouse) -> None:
    with city.engine.begin() as connection:
        for number, verdict in enumerate(("passed", "failed", "raised")):
            connection.execute(
                tables.check_verdict.insert().values(
                    run_id="r",
                    feed_id="fire.unit",
                    check_id=f"c{number}",
                    kind="k",
                    severity="warning",
                    verdict=verdict,
                    observed=None,
                    expected="e",
                    message_zh="说明",
                    message_en="m",
                    rows_checked=1,
                    at=city.now,
                )
            )
    city.land("fire.unit", DAYS[0], 3, "held-batch", seed=3, received_at=city.now)
    city.set_batch("held-batch", "held")
    city.build(select=None)
    health = ask(
        city,
        "select batches_held, checks_failed, checks_raised, rows_24h from feed_health where feed_id = 'fire.unit'",
    )
    assert health == [(1, 1, 1, 3)]
    assert ask(city, "select count(*) from check_verdict where feed_id = 'fire.unit'") == [(3,)]
