from __future__ import annotations

from datetime import timedelta

import duckdb
import pytest
import sqlalchemy as sa

from access import feeds, finding_words, live
from access.serving import open_mart
from core.catalogue import load_contract
from core.settings import Home
from core.store import database, tables
from core.system import systems_root
from published import FEEDS, LATE_AFTER_S, SILENT_AFTER_S, publish_city, remember_runs, utc
from quality.troubles import find_troubles
from refused_feed import refuse_newest

NOW = utc(2026, 11, 20, 8)
SILENT = "housing.attendance"


def test_published_facts_without_an_ops_store(home: Home) -> None:
    publish_city(home, NOW)
    with live.ops_reader(home) as ops_store, open_mart(home) as mart:
        assert ops_store is None
        facts = feeds.feed_facts(mart, ops_store, NOW)
    assert len(facts) == len(FEEDS)
    assert facts[0].feed_id == SILENT
    assert facts[0].freshness == "silent"
    assert facts[0].since == NOW - timedelta(minutes=4000) + timedelta(seconds=SILENT_AFTER_S)
    assert all(fact.rows_24h == 1200 and fact.last_result is None for fact in facts)


def test_feeds_age_after_the_publication(home: Home) -> None:
    publish_city(home, NOW)
    with open_mart(home) as mart:
        later = feeds.feed_facts(mart, None, NOW + timedelta(hours=7))
    assert {fact.feed_id: fact.freshness for fact in later}["weather.observation"] == "late"
    assert all(fact.freshness != "fresh" for fact in later)


def test_what_happened_since_comes_from_the_ops_store(home: Home) -> None:
    publish_city(home, NOW)
    remember_runs(home, NOW)
    engine = database.open_ops(home.ops_url)
    with engine.begin() as connection:
        connection.execute(
            sa.update(tables.batch)
            .where(tables.batch.c.feed_id == "fire.unit")
            .values(received_at=NOW + timedelta(minutes=9), rows_landed=7)
        )
    engine.dispose()
    with live.ops_reader(home) as ops_store, open_mart(home) as mart:
        facts = {fact.feed_id: fact for fact in feeds.feed_facts(mart, ops_store, NOW + timedelta(minutes=10))}
    silent = facts[SILENT]
    assert (silent.batches_held, silent.checks_failed, silent.checks_raised) == (1, 1, 1)
    assert (silent.last_result, silent.n_open_notifications) == ("unreachable", 1)
    assert silent.rows_24h == 0  # its batch is older than a day
    assert facts["fire.unit"].last_received_at == NOW + timedelta(minutes=9)
    assert facts["fire.unit"].rows_24h == 7


def test_a_register_is_as_fresh_as_its_last_answer(home: Home) -> None:
    """Nothing new from a register is an answer; a feed of facts without new facts grows silent all the same."""
    publish_city(home, NOW)
    later = NOW + timedelta(days=3)
    remember_runs(home, later)
    with live.ops_reader(home) as ops_store, open_mart(home) as mart:
        facts = {fact.feed_id: fact.freshness for fact in feeds.feed_facts(mart, ops_store, later)}
    assert facts["fire.unit"] == "fresh"
    assert facts["fire.inspection"] == "silent"


@pytest.mark.case("pages.23")
def test_what_may_be_quiet_or_was_not_heard_yet_is_not_interrupted(home: Home) -> None:
    path = publish_city(home, NOW)
    path.chmod(0o644)
    with duckdb.connect(str(path)) as mart:
        mart.execute("alter table mart.feed add column raw_feed text")
        mart.execute("alter table mart.feed add column may_be_quiet boolean default false")
        mart.execute("alter table mart.feed_health add column opened_at timestamptz")
        mart.execute(f"update mart.feed set may_be_quiet = true, raw_feed = 'gates' where feed_id = '{SILENT}'")
        mart.execute("update mart.feed_health set last_contact_at = null where feed_id = ?", [SILENT])
        mart.execute(
            "update mart.feed_health set last_observed_at = null, opened_at = ? where feed_id = 'weather.observation'",
            [NOW],
        )
    engine = database.open_ops(home.ops_url)
    with engine.begin() as connection:
        heard = {"raw_feed": "gates", "device_id": "g1", "carrier": "tcp", "standing": "known", "address": ""}
        heard |= {"is_connected": True, "frames": 1, "bad_frames": 0, "refused": 0, "deviations": ""}
        at = {"first_heard_at": NOW, "last_frame_at": NOW + timedelta(hours=1)}
        connection.execute(sa.insert(tables.device_link).values(**heard, **at))
    engine.dispose()
    states = []
    for later in (timedelta(hours=2), timedelta(seconds=SILENT_AFTER_S + 7200)):
        with live.ops_reader(home) as ops_store, open_mart(home) as mart:
            found = {one.feed_id: one.state for one in feeds.feed_facts(mart, ops_store, NOW + later)}
        states.append((found[SILENT], found["weather.observation"]))
    assert states == [("quiet", "not_heard_yet"), ("silent", "silent")]


@pytest.mark.case("pages.22")
def test_a_feed_whose_newest_file_was_refused_is_red_and_names_the_last_good_one(home: Home) -> None:
    """Nothing new landed for weeks, and yet the department is not silent: what it sends is refused."""
    publish_city(home, NOW)
    feed_id, good_at, now = "fire.unit", NOW - timedelta(days=18), NOW + timedelta(days=9)
    refuse_newest(home, feed_id, good_at, now - timedelta(hours=1))
    engine = database.open_ops(home.ops_url)
    contract = load_contract(systems_root({}) / "public_safety" / "fire_unit" / "feeds" / "unit.odcs.yaml")
    with engine.connect() as connection:
        troubles = find_troubles(connection, {feed_id: contract}, now)
    engine.dispose()
    with live.ops_reader(home) as ops_store, open_mart(home) as mart:
        fact = next(one for one in feeds.feed_facts(mart, ops_store, now) if one.feed_id == feed_id)
    assert (fact.freshness, fact.state) == ("silent", "refused")
    assert fact.refusal is not None
    assert fact.refusal.last_good_at == good_at
    zh, en = finding_words.sentence(fact.refusal.why)
    assert zh == "600 × 坐标系与声明不符: 600 个已知对象中有 600 个移动了 603 m"
    assert en.startswith("600 × the coordinates are in another datum than declared")
    assert "报送全部被拒收" in troubles[feed_id, "broken"][0]


def test_details_of_a_feed(home: Home) -> None:
    remember_runs(home, NOW)
    with live.ops_reader(home) as ops_store:
        assert ops_store is not None
        assert feeds.verdicts(ops_store, SILENT)["verdict"].to_list() == ["raised", "failed", "passed"]
        assert feeds.verdicts(ops_store, "fire.unit").is_empty()
        assert feeds.quarantine_samples(ops_store, SILENT)["found"].to_list() == ["9***"]
        counts = feeds.quarantine_counts(ops_store, SILENT, NOW - timedelta(days=7))
        assert counts.select("reason", "outcome", "n_rows").rows() == [("out_of_range", "quarantined", 3)]
        assert feeds.quarantine_counts(ops_store, SILENT, NOW).is_empty()
        assert feeds.open_notifications(ops_store)["feed_id"].to_list() == [SILENT]
        assert feeds.open_notifications(ops_store, "fire.unit").is_empty()


def test_the_ops_store_cannot_be_changed_through_access(home: Home) -> None:
    remember_runs(home, NOW)
    with live.ops_reader(home) as ops_store:
        assert ops_store is not None
        with pytest.raises(sa.exc.OperationalError, match="readonly"):
            ops_store.execute(sa.delete(tables.notification))


@pytest.mark.parametrize(
    ("age_s", "state"),
    [(0, "fresh"), (LATE_AFTER_S, "fresh"), (LATE_AFTER_S + 1, "late"), (SILENT_AFTER_S + 1, "silent")],
)
def test_freshness_by_age(age_s: int, state: str) -> None:
    last = NOW - timedelta(seconds=age_s)
    found, since = feeds.freshness_at(last, LATE_AFTER_S, SILENT_AFTER_S, NOW)
    assert found == state
    assert (since is None) is (state == "fresh")


def test_a_feed_that_never_spoke_is_silent_since_ever() -> None:
    assert feeds.freshness_at(None, LATE_AFTER_S, SILENT_AFTER_S, NOW) == ("silent", None)
