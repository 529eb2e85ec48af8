"""CAP out: valid by the official schema and by our own look, in both languages, each message naming those before it."""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from lxml import etree
from way_out import START, City, until, working

from alerting.cap.build import NAMESPACE, Head, build
from alerting.cap.check import faults_of
from alerting.cap.feed import feed_folder, write_feed
from alerting.cap.publish import BadMessage, Outlet, TakenMeanwhile, publish_notice, sweep
from alerting.cap.read import read
from alerting.cap.tables import CapTables
from alerting.engine.episode import Change
from alerting.lifecycle.alert import Alert
from alerting.lifecycle.steps import Verb
from alerting.workflow import commands
from core.running import read_running
from core.store import tables

CAP = f"{{{NAMESPACE}}}"
PUBLIC = Outlet("cap", True, "duty@city.example")
PARTNERS = Outlet("cap_partners", False, "duty@city.example")


@pytest.fixture(scope="module")
def schema(shared_dir: Path) -> etree.XMLSchema:
    """The official schema of CAP 1.2."""
    return etree.XMLSchema(etree.parse(shared_dir / "protocols" / "cap" / "CAP-v1.2.xsd"))


@pytest.fixture(autouse=True)
def released(city: City) -> None:
    """What this module looks at is the message: two people let every alert out."""
    city.is_released = True


def messages(city: City, outlet: Outlet = PUBLIC) -> list[Any]:
    m = tables.cap_message.c
    query = sa.select(tables.cap_message).where(m.channel_id == outlet.channel_id).order_by(m.alert_id, m.number)
    with city.engine.connect() as connection:
        return list(connection.execute(query))


def newest_notice(city: City) -> str:
    n = tables.alert_notice.c
    with city.engine.connect() as connection:
        return str(connection.scalar(sa.select(n.notice_id).order_by(n.created_at.desc()).limit(1)))


def publish(city: City, delivery_id: str, outlet: Outlet = PUBLIC) -> list[str]:
    return publish_notice(city.engine, city.channel_config.cap, outlet, newest_notice(city), delivery_id, city.at)


def warned_and_lifted(city: City, outlet: Outlet = PUBLIC, *, is_exercise: bool = False) -> list[Any]:
    """Yellow, then red, then over."""
    for number, (change, colour) in enumerate(
        [(Change.OPENED, "yellow"), (Change.UPGRADED, "red"), (Change.CLEARED, "red")]
    ):
        city.happen(change, colour, is_exercise=is_exercise)
        publish(city, f"d{number}", outlet)
    return messages(city, outlet)


def text(root: etree._Element, name: str) -> str:
    return root.findtext(f"{CAP}{name}") or ""


# ── what it says ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_warning_is_updated_and_lifted_and_each_names_all_before_it(city: City) -> None:
    told = warned_and_lifted(city)
    assert [(row.msg_type, row.colour, row.status) for row in told] == [
        ("Alert", "yellow", "Actual"),
        ("Update", "red", "Actual"),
        ("Cancel", "red", "Actual"),
    ]
    for number, row in enumerate(told):
        record = read(row.body.encode())
        assert (record.identifier, record.msg_type, record.sender) == (row.identifier, row.msg_type, PUBLIC.sender)
        assert record.sent_at == row.sent_at
        before = [(one.sender, one.identifier, one.sent_at) for one in told[:number]]
        assert [(one.sender, one.identifier, one.sent_at) for one in record.references] == before
    assert len({row.identifier for row in told}) == 3


def test_both_languages_say_the_eight_legal_facts(city: City) -> None:
    city.happen(Change.OPENED, "orange")
    publish(city, "d")
    (row,) = messages(city)
    record, alert = read(row.body.encode()), city.alert()
    assert [info.language for info in record.infos] == ["zh-CN", "en-US"]
    for info, suffix in zip(record.infos, ("zh", "en"), strict=True):
        assert info.event == alert._mapping[f"category_{suffix}"]
        assert info.onset_at == alert.starts_at
        assert info.areas[0].description == alert._mapping[f"possible_area_{suffix}"]
        assert info.description == alert._mapping[f"matters_{suffix}"]
        assert info.instruction == alert._mapping[f"measures_{suffix}"]
        assert info.sender_name == alert._mapping[f"issuer_{suffix}"]
        assert (info.severity, info.urgency, info.certainty) == ("Severe", "Immediate", "Observed")
        assert info.categories == ("Fire", "Safety")
        assert info.event_codes == (("cityrisk:event", "lifeline.gas"),)
        assert info.expires_at == row.expires_at == row.sent_at + timedelta(hours=24)
        facts = dict(info.parameters)
        legal = {"category", "level", "starts_at", "possible_area", "matters", "measures", "issuer", "issued_at"}
        assert all(facts[f"cityrisk:{name}"] for name in legal)
        assert (facts["cityrisk:level"], facts["cityrisk:colour"]) == ("2", "orange")
        assert facts["cityrisk:value"] == "23 %LEL"
        assert info.areas[0].circles == ((30.7, 111.29, 0.5),)
        assert dict(info.areas[0].geocodes)["CPEAS Geographic Code"] == "420502001000"
    assert "解除" not in record.infos[0].headline
    assert re.fullmatch(r".+发布.+橙色预警：西陵燃气井<w1>&1", record.infos[0].headline)


def test_a_lift_is_an_all_clear(city: City) -> None:
    record = read(warned_and_lifted(city)[-1].body.encode())
    assert {info.urgency for info in record.infos} == {"Past"}
    assert b"AllClear" in messages(city)[-1].body.encode()
    assert "解除" in record.infos[0].headline
    assert "lifted" in record.infos[1].headline


def test_an_exercise_says_so_and_stays_with_the_partners(city: City) -> None:
    told = warned_and_lifted(city, PARTNERS, is_exercise=True)
    assert [row.status for row in told] == ["Exercise"] * 3
    for row in told:
        root = etree.fromstring(row.body.encode())
        assert (text(root, "status"), text(root, "scope")) == ("Exercise", "Restricted")
        assert "演练" in text(root, "note")
        record = read(row.body.encode())
        assert record.infos[0].headline.startswith("【演练】")
        assert record.infos[1].headline.startswith("[EXERCISE] ")
    city.happen(Change.OPENED, "red", "urban:w2", is_exercise=True)
    assert publish(city, "public") == []
    assert messages(city) == []


@pytest.mark.shared
@pytest.mark.parametrize("outlet", [PUBLIC, PARTNERS])
def test_every_message_is_valid_by_the_official_schema(city: City, schema: etree.XMLSchema, outlet: Outlet) -> None:
    told = warned_and_lifted(city, outlet)
    city.happen(Change.OPENED, "blue", "urban:w2", is_exercise=not outlet.is_public)
    publish(city, "more", outlet)
    told = messages(city, outlet)
    assert {row.msg_type for row in told} == {"Alert", "Update", "Cancel"}
    assert len(told) == 4
    for row in told:
        schema.assertValid(etree.fromstring(row.body.encode()))
        assert faults_of(row.body.encode()) == []


@pytest.mark.shared
def test_our_own_look_agrees_with_the_schema_on_broken_messages(city: City, schema: etree.XMLSchema) -> None:
    sent = "<sent>2026-06-01T08:10:00+08:00</sent>"
    warned_and_lifted(city)
    whole = messages(city)[1].body
    broken = {
        sent: sent[:-7].replace("+08:0", "Z") + "</sent>",
        "<status>Actual</status>": "<status>Real</status>",
        "<severity>Extreme</severity>": "<severity>Red</severity>",
        "<scope>Public</scope>": "",
        "<msgType>Update</msgType>": "<msgType>Update</msgType><msgType>Update</msgType>",
        "<category>Fire</category>": "<category>Gas</category>",
        "<areaDesc>": "<colour>red</colour><areaDesc>",
    }
    first = re.search(r"<sent>.*?</sent>", whole)
    assert first is not None
    for good, bad in broken.items():
        found = first[0] if good == sent else good
        assert found in whole, found
        changed = whole.replace(found, "<sent>2026-06-01T00:20:00Z</sent>" if good == sent else bad, 1).encode()
        assert not schema.validate(etree.fromstring(changed)), bad
        assert faults_of(changed), bad


def test_what_no_schema_states_is_looked_at_too(city: City) -> None:
    warned_and_lifted(city)
    whole = messages(city)[1].body
    for pattern, bad, fault in [
        (r"<references>.*?</references>", "", "refers to no earlier message"),
        (r"<references>.*?</references>", "<references>41000041600000_2020</references>", "is not sender,identifier"),
        (r"<identifier>", "<identifier>a b", "holds a blank"),
        (r"<circle>.*?</circle>", "<circle>111.29,30.7 0.5</circle>", "no point, latitude first"),
        (r"<circle>.*?</circle>", "<polygon>30,111 31,111 31,112</polygon>", "no closed ring"),
        (r"<expires>.*?</expires>", "<expires>2026-05-01T00:00:00+08:00</expires>", "is not after sent"),
        (r"<headline>.*?</headline>", "<headline/>", "headline is empty"),
    ]:
        assert any(fault in found for found in faults_of(re.sub(pattern, bad, whole, count=1).encode())), fault


def test_a_test_message_and_names_with_control_characters(city: City) -> None:
    city.happen(Change.OPENED)
    alert = replace(Alert(**city.alert()._mapping), object_name_zh="井\x00\x0b1", origin="person", lon=None)
    body = build(alert, Head("t-1", "duty@city.example", START, "Test", "Alert", False), city.channel_config.cap)
    assert faults_of(body) == []
    info = read(body).infos[0]
    assert info.headline.startswith("【测试】")
    assert info.headline.endswith("井  1")
    assert (info.certainty, info.areas[0].circles) == ("Likely", ())


@pytest.mark.case("live.F1", "live.F2", "live.F3", "security.L3")
@pytest.mark.parametrize(
    ("pattern", "bad", "fault"),
    [
        (r"<onset>.*?</onset>", "<onset>2027-06-01T00:00:00+08:00</onset>", "is not before expires"),
        (r"<onset>.*?</onset>", "<onset>1970-01-01T08:00:00+08:00</onset>", "a clock that was never set"),
        (r"<onset>.*?</onset>", "<onset>2026-13-01T00:00:00+08:00</onset>", "expected a time"),
        (r"<circle>.*?</circle>", "<polygon>30,111 31,112 30,112 31,111 30,111</polygon>", "crosses or touches itself"),
        (r"<circle>.*?</circle>", "<polygon>30,111 31,112 32,113 30,111</polygon>", "holds no area"),
        (r"<circle>.*?</circle>", "<circle>30.7,111.3 inf</circle>", "with a radius in km"),
        (r"<circle>.*?</circle>", "<circle>30.7,111.3 99999</circle>", "with a radius in km"),
        (r"<references>([^,]*),([^,]*),", r"<references>\2,\1,", "sender and identifier swapped"),
        (r"<references>([^,]*),([^,]*),[^<]*", r"<references>\1,\2,2026-07-01T00:00:00+08:00", "was sent"),
        (r"<identifier>.*?</identifier>(.*<references>[^,]*,)([^,]*)", r"<identifier>\2</identifier>\1\2", "itself"),
    ],
)
def test_what_nobody_can_mean_is_a_fault(city: City, pattern: str, bad: str, fault: str) -> None:
    warned_and_lifted(city)
    whole = messages(city)[1].body
    assert faults_of(whole.encode(), city.at) == []
    changed = re.sub(pattern, bad, whole, count=1, flags=re.DOTALL)
    assert changed != whole
    assert any(fault in found for found in faults_of(changed.encode(), city.at)), faults_of(changed.encode())


@pytest.mark.case("live.F2")
def test_a_message_of_the_future_is_a_fault(city: City) -> None:
    warned_and_lifted(city)
    assert any("in the future" in one for one in faults_of(messages(city)[0].body.encode(), START - timedelta(days=1)))


@pytest.mark.case("live.F1", "live.F2")
@pytest.mark.parametrize("starts_at", [START.replace(year=2027), START.replace(year=1970)])
def test_an_alert_that_began_in_another_year_is_refused_and_rings_and_holds_up_no_other(
    city: City, starts_at: datetime
) -> None:
    city.happen(Change.OPENED, "red")
    with city.engine.begin() as connection:
        connection.execute(sa.update(tables.alert).values(starts_at=starts_at))
    publish_all(city)
    assert messages(city) == []
    with city.engine.connect() as connection:
        (rung,) = connection.execute(sa.select(tables.notification)).all()
    assert (rung.feed_id, rung.kind, rung.delivered_at) == ("cap:cap", "refused", None)
    assert "is no CAP 1.2: onset" in rung.text_en
    city.happen(Change.OPENED, "red", "urban:w2")
    queue = tables.notification_queue
    with city.engine.begin() as connection:  # the good one in the bad one's notice
        connection.execute(sa.update(queue).values(notice_id=newest_notice(city)))
    publish_all(city)
    assert len(messages(city)) == 1
    with city.engine.connect() as connection:
        assert len(connection.execute(sa.select(tables.notification)).all()) == 1  # rung once


def publish_all(city: City) -> None:
    with pytest.raises(BadMessage, match=r"is no CAP 1\.2: onset"):
        publish(city, f"d{city.at}")


def test_the_longest_rule_prefix_names_the_event(city: City) -> None:
    cap: CapTables = city.channel_config.cap
    assert cap.event("natural_hazard", "weather", "weather_rainstorm_rain_accum_red").event_code == "11B03"
    assert cap.event("natural_hazard", "weather", "weather_other").event_code == "natural_hazard.weather"
    assert cap.event("lifeline", "unheard_of", "x").event_code == "lifeline.any"
    assert cap.event("never", "never", "x").categories == ("Other",)


# ── which message is due ──────────────────────────────────────────────────────────────────────────────────────────────
def test_the_same_delivery_again_says_nothing_twice(city: City) -> None:
    city.happen(Change.OPENED)
    first = publish(city, "d")
    city.later(seconds=30)
    assert publish(city, "d") == first
    assert publish(city, "e") == [], "another delivery finds everything said"
    assert len(messages(city)) == 1


def test_what_begins_again_after_a_lift_is_a_new_chain(city: City) -> None:
    warned_and_lifted(city)
    city.happen(Change.OPENED, "orange")
    publish(city, "again")
    told = messages(city)
    assert [(row.msg_type, row.chain) for row in told[-2:]] == [("Cancel", 1), ("Alert", 2)]
    assert read(told[-1].body.encode()).references == ()
    city.happen(Change.UPGRADED, "red")
    publish(city, "worse")
    assert [one.identifier for one in read(messages(city)[-1].body.encode()).references] == [told[-1].identifier]


def test_a_late_delivery_says_what_holds_now(city: City) -> None:
    city.happen(Change.OPENED, "yellow")
    opened = newest_notice(city)
    city.happen(Change.CLEARED, "yellow")
    assert publish_notice(city.engine, city.channel_config.cap, PUBLIC, opened, "d", city.at) == [], (
        "it is over before anybody was warned"
    )
    assert messages(city) == []


def test_an_end_without_a_notice_is_lifted_and_what_runs_out_is_renewed(city: City) -> None:
    city.happen(Change.OPENED, "red")
    publish(city, "d")
    city.later(hours=17)
    sweep(city.engine, city.channel_config.cap, PUBLIC, city.at)
    assert len(messages(city)) == 1, "a quarter of its validity is still left"
    city.later(hours=2)
    sweep(city.engine, city.channel_config.cap, PUBLIC, city.at)
    sweep(city.engine, city.channel_config.cap, PUBLIC, city.at)
    assert [row.msg_type for row in messages(city)] == ["Alert", "Update"]
    assert messages(city)[-1].expires_at == city.at + timedelta(hours=24)
    alert_id = city.alert().alert_id
    for verb in (Verb.ACKNOWLEDGED, Verb.DISPATCHED, Verb.RESOLVED):
        commands.act(city.engine, city.policies, alert_id, verb, "li", "found and mended", city.at)
    sweep(city.engine, city.channel_config.cap, PUBLIC, city.at)
    sweep(city.engine, city.channel_config.cap, PUBLIC, city.at)
    assert [row.msg_type for row in messages(city)] == ["Alert", "Update", "Cancel"]


def test_a_worker_that_came_second_looks_again(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    city.happen(Change.OPENED)
    from alerting.cap import publish as module

    real = module.next_head

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(module, "next_head", real)
        publish(city, "first")
        return real(*args, **kwargs)

    monkeypatch.setattr(module, "next_head", overtaken)
    with pytest.raises(TakenMeanwhile):
        publish(city, "second")
    assert publish(city, "second") == []
    assert [row.delivery_id for row in messages(city)] == ["first"]


# ── the feed ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_channel_publishes_files_that_the_door_serves(city: City) -> None:
    async def whole() -> None:
        city.set(CITYRISK_CAP_SENDER="duty@city.example", CITYRISK_CAP_TOKEN="partner")
        city.happen(Change.OPENED, "yellow")
        async with working(city):
            await until(lambda: [row.state for row in city.deliveries("cap")] == ["sent"])
            city.happen(Change.UPGRADED, "red")
            await until(lambda: [row.state for row in city.deliveries("cap")] == ["sent", "sent"])
            write_feed(city.engine, city.home, "cap_partners", "partners", city.at)
            running = read_running(city.home, "cap")
            assert running is not None
            url = f"http://127.0.0.1:{running.ports['http']}"
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                await look_through(client)

    async def look_through(client: httpx.AsyncClient) -> None:
        index = (await client.get("/cap/cap/index.json")).json()
        assert [entry["msg_type"] for entry in index["messages"]] == ["Update", "Alert"]
        atom = await client.get("/cap/cap/atom.xml")
        assert atom.headers["content-type"].startswith("application/atom+xml")
        links = [entry.find("{*}link").get("href") for entry in etree.fromstring(atom.content).findall("{*}entry")]
        assert links == [entry["url"] for entry in index["messages"]]
        message = await client.get(f"/cap/cap/{index['messages'][0]['url']}")
        assert message.headers["content-type"] == "application/cap+xml"
        assert read(message.content).identifier == index["messages"][0]["identifier"]
        assert "immutable" in message.headers["cache-control"]
        asked = [
            ("/cap/cap_partners/index.json", ""),
            ("/cap/cap_partners/index.json", "Bearer guess"),
            ("/cap/cap_partners/index.json", "Bearer partner"),
            ("/cap/robot/index.json", ""),
            ("/cap/cap/..%2f..%2fops.db", ""),
            ("/cap/cap/.lock", ""),
            ("/cap/cap/none.xml", ""),
        ]
        statuses = [(await client.get(path, headers={"Authorization": token})).status_code for path, token in asked]
        assert statuses == [401, 401, 200, 404, 404, 404, 404]
        assert (await client.post("/cap/cap/index.json")).status_code == 405

    asyncio.run(whole())


async def test_a_taken_port_keeps_the_door_shut_and_the_workers_going(city: City) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        city.set(CITYRISK_CAP_SENDER="duty@city.example", CITYRISK_CAP_PORT=str(taken.getsockname()[1]))
        city.happen(Change.OPENED)
        async with working(city):
            await until(lambda: city.only("cap").state == "sent")


async def test_a_crash_between_store_and_files_leaves_nothing_out(city: City) -> None:
    city.set(CITYRISK_CAP_SENDER="duty@city.example")
    city.happen(Change.OPENED)
    (identifier,) = publish(city, city.only("cap").delivery_id)
    assert not feed_folder(city.home, "cap").exists()

    async with working(city):
        await until(lambda: city.only("cap").state == "sent")
    assert (feed_folder(city.home, "cap") / f"{identifier}.xml").is_file()
    assert city.receipt("cap")["identifiers"] == [identifier]
    assert len(messages(city)) == 1


def test_old_messages_leave_the_feed(city: City) -> None:
    warned_and_lifted(city)
    assert write_feed(city.engine, city.home, "cap", "feed", city.at) == 3
    assert len(list(feed_folder(city.home, "cap").glob("*.xml"))) == 4
    assert write_feed(city.engine, city.home, "cap", "feed", city.at + timedelta(days=31)) == 0
    assert [path.name for path in feed_folder(city.home, "cap").glob("*.xml")] == ["atom.xml"]
