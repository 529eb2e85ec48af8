"""Where in the building: from the bytes of a fire panel to the alert, the notice and the CAP message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
import yaml
from frames import T0, Chain, rules
from lxml import etree

from alert_parts import a_member
from alerting.cap.build import NAMESPACE, Head, build
from alerting.engine import Engine
from alerting.lifecycle.alert import Alert
from alerting.notify.channels.channel_config import load_channel_config
from alerting.notify.channels.message import facts_of
from alerting.notify.notices import flush
from alerting.policy.notification_policies import NotificationPolicies, load_notification_policies
from alerting.spots import SHOWN, spot_of, together, worded
from alerting.workflow.changes import _spots, apply
from alerting.workflow.subjects import Subjects
from core.catalogue import contract_path
from core.contract import ContractError, parse_contract
from core.settings import Home
from core.store import database, tables
from ingest.protocols import gb26875
from ingest.protocols.gb26875 import Part
from ingest.pull import open_intake
from rule_parts import CITY, SEEDS

STATE, UNIT = "fire.device_state", "010203040506"
TEXT_AT = slice(9, 40)  # the 31 bytes of a part's place in an object of type 2
CORRIDOR = "三层东侧走廊北端消防电梯旁报警器"  # 31 bytes and one more: the last character is cut


@pytest.fixture
def store(home: Home) -> Iterator[sa.Engine]:
    engine = database.open_ops(home.ops_url)
    yield engine
    engine.dispose()


@pytest.fixture
def chain(home: Home, store: sa.Engine) -> Chain:
    return Chain(open_intake(home, store, "run-1", lambda: T0))


@pytest.fixture(scope="module")
def policies() -> NotificationPolicies:
    return load_notification_policies(*SEEDS)


def frame(number: int, part: Part, text: bytes, at: datetime = T0) -> bytes:
    """A packet with one object: a part on fire that says where it is."""
    fire = bytearray(gb26875.part_state(part, ["fire"], at))
    fire[TEXT_AT] = text.ljust(31, b"\0")
    return gb26875.packet(gb26875.Unit(UNIT), number, at, 2, [bytes(fire)])


def alerts_of(store: sa.Engine) -> dict[str, Any]:
    with store.connect() as connection:
        return {row["rule_id"]: row for row in connection.execute(sa.select(tables.alert)).mappings()}


def tell(chain: Chain, store: sa.Engine, policies: NotificationPolicies) -> None:
    subject_of = Subjects(rules(), CITY, policies.routing, "420500")
    apply(store, policies, chain.changes, subject_of, T0)
    chain.changes = []


@pytest.mark.case("live.C5", "live.C4")
def test_the_place_in_the_building_stands_in_alert_notice_and_cap(
    chain: Chain, store: sa.Engine, policies: NotificationPolicies
) -> None:
    cut = CORRIDOR.encode("gb18030")[:31]
    assert len(CORRIDOR.encode("gb18030")) > 31
    chain.say(STATE, UNIT, frame(1, Part("fire_alarm", 2, "smoke_detector", 3, 7), cut), 0)
    tell(chain, store, policies)
    readable = cut.decode("gb18030", "ignore")
    where_zh, where_en = f"{readable}（2号主机 3回路 7号部件）", f"{readable} (panel 2, loop 3, part 7)"
    alert = alerts_of(store)["fire_alarm"]
    assert (alert["spot_zh"], alert["spot_en"]) == (where_zh, where_en)
    assert alert["matters_zh"].endswith(f"，位置：{where_zh}")
    assert alert["matters_en"].endswith(f", at {where_en}")

    flush(store, policies, T0.replace(hour=5))
    with store.connect() as connection:
        notice = connection.execute(sa.select(tables.alert_notice)).mappings().one()
    assert where_zh in notice["title_zh"]
    (shown,) = orjson.loads(notice["body"])["alerts"]
    assert ("具体位置", where_zh) in facts_of(shown, "zh")
    assert ("Place inside", where_en) in facts_of(shown, "en")

    head = Head("id", "duty@city.example", T0, "Actual", "Alert", True)
    infos = etree.fromstring(build(Alert(**alert), head, load_channel_config(*SEEDS).cap)).iter(f"{{{NAMESPACE}}}info")
    for info, where in zip(infos, (where_zh, where_en), strict=True):
        texts = {name: info.findtext(f".//{{{NAMESPACE}}}{name}") for name in ("areaDesc", "description")}
        assert all(where in (text or "") for text in texts.values()), texts
        found = {pair[0].text: pair[1].text for pair in info.iter(f"{{{NAMESPACE}}}parameter")}
        assert found["cityrisk:spot"] == where


@pytest.mark.case("live.C5")
def test_a_second_part_adds_its_place_and_stands_in_the_confirmed_fire(
    chain: Chain, store: sa.Engine, policies: NotificationPolicies
) -> None:
    chain.say(STATE, UNIT, frame(1, Part("fire_alarm", 2, "smoke_detector", 3, 7), "东厅".encode("gb18030")), 0)
    tell(chain, store, policies)
    chain.engine = Engine.restore(chain.engine.snapshot(), rules(), CITY)  # a restart forgets no place
    chain.say(STATE, UNIT, frame(2, Part("fire_alarm", 2, "smoke_detector", 3, 8), b""), 5)
    chain.wait(6)
    tell(chain, store, policies)
    both = "东厅（2号主机 3回路 7号部件）、2号主机 3回路 8号部件"
    assert {rule: row["spot_zh"] for rule, row in alerts_of(store).items()} == {
        "fire_alarm": both,
        "fire_confirmed": both,
    }
    assert both in alerts_of(store)["fire_alarm"]["matters_zh"]


@pytest.mark.case("live.held.H8")
def test_a_fire_that_is_sent_three_times_is_one_alert(
    chain: Chain, store: sa.Engine, policies: NotificationPolicies
) -> None:
    part = Part("fire_alarm", 2, "smoke_detector", 3, 7)
    for number, second in enumerate((0, 3, 40), 1):
        chain.say(STATE, UNIT, frame(number, part, b"", T0 + timedelta(seconds=second)), second)
    tell(chain, store, policies)
    assert {rule: (row["state"], row["n_reports"]) for rule, row in alerts_of(store).items()} == {
        "fire_alarm": ("open", 1),
    }


def test_what_a_device_writes_is_bounded_and_many_places_are_counted(policies: NotificationPolicies) -> None:
    assert spot_of([("text", " a \n b "), ("loop", None), ("part", 0)]) == (("text", "a b"), ("part", "0"))
    assert len(spot_of([("text", "x" * 500)])[0][1]) == 80
    assert worded(spot_of([("loop", 4)]), policies.wording) == ("4回路", "loop 4")
    assert worded(spot_of([("riser", 4)]), policies.wording) == ("riser 4", "riser 4"), "a role without words"
    zh, en = together((f"{n}层", f"floor {n}") for n in range(SHOWN + 3))
    assert zh.endswith(f"{SHOWN - 1}层等{SHOWN + 3}处")
    assert en.endswith("and 3 more")


def test_a_contract_that_names_no_column_of_its_own_is_refused() -> None:
    path = contract_path("fire.device_state")
    document = yaml.safe_load(path.read_text(encoding="utf-8").replace("text: place_zh", "text: nowhere"))
    with pytest.raises(ContractError, match="placeColumns text: 'nowhere'"):
        parse_contract(document, path.name)


def test_what_has_cleared_is_no_place_of_an_alert_that_holds() -> None:
    lobby, hall = (a_member(spot_zh=zh, spot_en=zh, started_at=T0) for zh in ("大堂", "东厅"))
    gone = replace(hall, state="cleared")
    assert _spots(gone, [lobby]) == {"spot_zh": "大堂", "spot_en": "大堂"}
    assert _spots(gone, []) == {}
