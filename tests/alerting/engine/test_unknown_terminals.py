"""A frame of a terminal in no register, from the desk of its protocol to the alert: it rings under who sent it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import polars as pl
import pytest
import sqlalchemy as sa
from frames import T0, Chain, rules

from alerting.cap.publish import Outlet, publish_notice
from alerting.notify.channels.channel_config import load_channel_config
from alerting.notify.notices import flush
from alerting.policy.notification_policies import load_notification_policies
from alerting.workflow.changes import apply
from alerting.workflow.subjects import Subjects
from core.settings import Home
from core.stages import Batch, Payload
from core.store import database, tables
from core.store.ledger import batch_id_of
from ingest.devices.bad_frames import BadFrames
from ingest.devices.counts import Counts
from ingest.devices.frame_handler import FrameHandler, Peer, Refused
from ingest.devices.gateway import frame_handlers_of
from ingest.devices.known import KnownDevices
from ingest.devices.links import LinkTracker
from ingest.devices.unknown_devices import UnknownDevices
from ingest.land.accept import LandingRequest, LandingZone, accept
from ingest.protocols import gb26875, sl651
from ingest.protocols.jt808 import encode as jt808
from ingest.pull import open_intake
from rule_parts import CITY, CONTRACTS, SEEDS

REGISTERS = {"transport.vehicle": "terminal_id", "fire.device": "device_id", "water.station": "device_id"}
PEER = Peer("tcp", "203.0.113.7")
PHONE, UNIT, STATION = "13800009999", "0A0B0C0D0E0F", "9988776655"


@pytest.fixture
def store(home: Home) -> Iterator[sa.Engine]:
    """Registers have landed, with others in them."""
    engine = database.open_ops(home.ops_url)
    for feed_id, column in REGISTERS.items():
        contract = CONTRACTS[feed_id]
        frame = pl.DataFrame({column: ["1"], "_row": ["0"]}).with_columns(
            pl.lit(T0).dt.convert_time_zone("UTC").alias("_received_at"),
            *(pl.lit(None, pl.String).alias(c.landed_name) for c in contract.landed_columns if c.landed_name != column),
        )
        batch = Batch(batch_id_of(feed_id, "1"), feed_id, frame, (), 1)
        payload = Payload(feed_id, b"", "json", "test", T0)
        accept(LandingZone(home, engine), LandingRequest(contract, batch, payload, "0" * 64, "run"))
    yield engine
    engine.dispose()


@pytest.fixture
def known(home: Home, store: sa.Engine) -> KnownDevices:
    found = KnownDevices(home, store, CONTRACTS)
    found.refresh()
    return found


@pytest.fixture
def handlers(known: KnownDevices) -> dict[str, FrameHandler]:
    strangers = UnknownDevices(CONTRACTS)
    return frame_handlers_of(CONTRACTS, known, LinkTracker(), BadFrames(), strangers, Counts(), lambda: T0)


def sos() -> bytes:
    return jt808.location(jt808.Sender(PHONE), 1, jt808.Position(T0, 111.3, 30.7, alarm_bits=1))


def fire() -> bytes:
    part = gb26875.Part("fire_alarm", 1, "smoke_detector", 3, 7)
    return gb26875.packet(gb26875.Unit(UNIT), 1, T0, 2, [gb26875.part_state(part, ["fire"], T0, "3层走廊")])


def over_limit() -> bytes:
    """A report that a station sends because a limit was passed; which one, only its own settings know."""
    groups = [sl651.Group(T0 - timedelta(minutes=1), {"level_m": 3.2})]
    return sl651.report(sl651.Sender(STATION), 0x33, 1, T0, groups)[0]


@pytest.mark.case("live.D3")
@pytest.mark.parametrize(
    ("protocol", "frame", "sender", "rule_id", "said"),
    [
        ("jt808", sos(), PHONE, "unknown_device_alarm", f"发送方 {PHONE}"),
        ("gb26875", fire(), UNIT, "unknown_device_alarm", f"3层走廊（发送方 {UNIT} 1号主机 3回路 7号部件）"),
        ("sl651", over_limit(), STATION, "unreadable_alarm", STATION),
    ],
    ids=["jt808", "gb26875", "sl651"],
)
def test_an_alarm_of_an_unknown_terminal_rings_under_its_sender(
    home: Home,
    store: sa.Engine,
    known: KnownDevices,
    handlers: dict[str, FrameHandler],
    protocol: str,
    frame: bytes,
    sender: str,
    rule_id: str,
    said: str,
) -> None:
    with pytest.raises(Refused) as refused:
        handlers[protocol].take(frame, PEER)
    assert refused.value.standing == "unknown"
    chain = Chain(open_intake(home, store, "run-1", lambda: T0), known)
    for heard in refused.value.heard:
        assert heard.entry is not None
        assert not heard.replies, "it is told that it may not speak, and nothing else"
        chain.say(heard.raw_feed, heard.device_id, heard.entry.body, 1)
    assert {change.rule_id for change in chain.changes} == {rule_id}
    assert not any(feed.waiting.rows for feed in chain.ticker.feeds.values()), "it lands nowhere"

    handler, book = load_notification_policies(*SEEDS), load_channel_config(*SEEDS)
    apply(store, handler, chain.changes, Subjects(rules(), CITY, handler.routing, "420500"), T0)
    (notice_id,) = flush(store, handler, T0 + timedelta(minutes=5))
    with store.connect() as connection:
        alert = connection.execute(sa.select(tables.alert)).mappings().one()
        title = connection.scalar(sa.select(tables.alert_notice.c.title_zh))
    assert alert["object_id"].startswith("sender:")
    assert said in str(title)
    assert sender in str(title)
    for outlet in (Outlet("cap", True, "a@b.example"), Outlet("cap_partners", False, "a@b.example")):
        assert publish_notice(store, book.cap, outlet, notice_id, "d", T0 + timedelta(minutes=6)) == [], (
            "in no CAP message"
        )


def test_a_heartbeat_of_an_unknown_terminal_goes_nowhere(handlers: dict[str, FrameHandler]) -> None:
    with pytest.raises(Refused) as refused:
        handlers["jt808"].take(jt808.heartbeat(jt808.Sender(PHONE), 1), PEER)
    assert refused.value.heard == ()
