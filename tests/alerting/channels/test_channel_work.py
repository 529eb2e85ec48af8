"""The outbox is emptied whatever receivers and processes do: tried again, resent under the same key, given up aloud."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from way_out import RETRY_POLICY, START, City, Receiver, found_city, receiving, until, working

from alerting.engine.episode import Change
from alerting.metrics import Meters
from alerting.notify.channels import claims, health
from alerting.notify.channels.retry_policy import RetryPolicy
from core.store import tables
from core.store.database import open_ops

SECRET = "hook-secret"
# Where this folder's helpers stand, and those of all tests.
HELPERS = (str(Path(__file__).parent), str(Path(__file__).parents[2]))
CHILD = """
import asyncio, os, sys
sys.path[:0] = sys.argv[2:]
from way_out import RETRY_POLICY, found_city
from alerting.notify.channels.worker import work
from core.store.database import open_ops
from core.settings import open_home
from datetime import datetime
home = open_home(os.environ)
city = found_city(open_ops(home.ops_url), home)
at = datetime.fromisoformat(sys.argv[1])
asyncio.run(work(city.engine, home, city.channel_config, lambda: at, asyncio.Event(), RETRY_POLICY))
"""


def hooked(city: City, url: str) -> None:
    city.set(CITYRISK_WEBHOOK_URL=f"{url}/hook", CITYRISK_WEBHOOK_SECRET=SECRET)


def states(city: City, channel_id: str = "webhook") -> list[str]:
    return [row.state for row in city.deliveries(channel_id)]


async def test_a_failed_delivery_waits_longer_each_time_and_leaves_its_receipt(city: City) -> None:
    receiver = Receiver(answers=[(503, "down"), (503, "down"), (200, "got it")])
    async with receiving(receiver):
        hooked(city, receiver.url)
        city.happen(Change.OPENED)
        async with working(city):
            waits = []
            for n_tried in (1, 2):
                await until(lambda n=n_tried: city.receipt("webhook").get("attempts") == n)
                row = city.only("webhook")
                waits.append(row.next_at - city.at)
                assert row.attempts == n_tried
                assert city.receipt("webhook")["reason"] == "HTTP 503: down"
                city.at = row.next_at
            await until(lambda: states(city) == ["sent"])
        assert timedelta(seconds=1) <= waits[0] < waits[1] <= timedelta(seconds=2.5)
        row = city.only("webhook")
        assert (row.attempts, row.sent_at) == (3, city.at)
        assert city.receipt("webhook") | {"at": ""} == {
            "result": "sent",
            "answer": "HTTP 200",
            "said": "got it",
            "at": "",
        }
        assert {told.headers["idempotency-key"] for told in receiver.got} == {row.delivery_id}


async def test_a_receiver_that_names_a_time_is_not_asked_before(city: City) -> None:
    receiver = Receiver(answers=[(429, "")], headers={"Retry-After": "120"})
    async with receiving(receiver):
        hooked(city, receiver.url)
        city.happen(Change.OPENED)
        async with working(city):
            await until(lambda: states(city) == ["failed"])
        assert city.only("webhook").next_at - city.at >= timedelta(seconds=120)


async def test_what_is_refused_for_good_is_dead_at_once_and_says_why(city: City) -> None:
    receiver = Receiver(answers=[(422, "no such duty desk")])
    async with receiving(receiver):
        hooked(city, receiver.url)
        city.happen(Change.OPENED)
        async with working(city):
            await until(lambda: states(city) == ["dead"])
        assert len(receiver.got) == 1
        assert city.receipt("webhook")["reason"] == "HTTP 422: no such duty desk"


async def test_after_so_many_attempts_it_is_given_up(city: City) -> None:
    receiver = Receiver(answers=[(500, "")])
    async with receiving(receiver):
        hooked(city, receiver.url)
        city.happen(Change.OPENED)
        async with working(city, RetryPolicy(poll=RETRY_POLICY.poll, most_attempts=3)):
            for n_tried in (1, 2):
                await until(lambda n=n_tried: city.receipt("webhook").get("attempts") == n)
                city.at = city.only("webhook").next_at
            await until(lambda: states(city) == ["dead"])
        assert len(receiver.got) == 3
        assert city.receipt("webhook")["reason"].startswith("given up after 3 attempts")


async def test_killed_between_send_and_receipt_it_is_sent_again_under_the_same_key(city: City) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        hooked(city, receiver.url)
        city.happen(Change.OPENED)
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, city.at.isoformat(), *HELPERS],
            env={**os.environ, **city.home.environment},
        )
        receiver.before = lambda: os.kill(child.pid, signal.SIGKILL)
        await until(lambda: child.poll() is not None)
        receiver.before = None
        row = city.only("webhook")
        assert (len(receiver.got), row.state, row.attempts) == (1, "waiting", 1)
        async with working(city):
            city.later(seconds=1)
            await asyncio.sleep(0.1)  # its lease is not over: nobody may send it yet
            assert len(receiver.got) == 1
            city.at = row.next_at
            await until(lambda: states(city) == ["sent"])
        assert [told.headers["idempotency-key"] for told in receiver.got] == [row.delivery_id] * 2


async def test_a_dead_channel_keeps_no_other_waiting(city: City) -> None:
    """The robot and the mail server take connections and never answer; the webhook has its messages all the same."""

    silent = asyncio.Event()
    robot, webhook = Receiver(before=silent.wait), Receiver()
    held: list[asyncio.StreamWriter] = []
    mail = await asyncio.start_server(lambda _r, writer: held.append(writer), "127.0.0.1", 0)
    async with receiving(robot, webhook):
        hooked(city, webhook.url)
        port = mail.sockets[0].getsockname()[1]
        city.set(
            CITYRISK_ROBOT_URL=robot.url,
            CITYRISK_SMTP_URL=f"smtp://127.0.0.1:{port}?tls=none&from=duty@city.example",
        )
        for number in range(8):
            city.happen(Change.OPENED, object_id=f"urban:w{number}")
            city.later(minutes=20)
        async with working(city, RetryPolicy(poll=RETRY_POLICY.poll, timeout=timedelta(seconds=2))):
            await until(lambda: len(robot.got) == 4 and len(held) == 4)
            await until(lambda: states(city) == ["sent"] * 8)
            assert "sent" not in states(city, "robot") + states(city, "email")
            silent.set()
            for writer in held:
                writer.close()
    mail.close()
    await mail.wait_closed()


async def test_the_worst_colour_goes_first(city: City) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        hooked(city, receiver.url)
        for number, colour in enumerate(("blue", "orange", "red", "yellow")):
            city.happen(Change.OPENED, colour, f"urban:w{number}")
        async with working(city, RetryPolicy(poll=RETRY_POLICY.poll, width=1)):
            await until(lambda: states(city) == ["sent"] * 4)
        assert [told.json["colour"] for told in receiver.got] == ["red", "orange", "yellow", "blue"]


async def test_a_channel_sends_no_more_a_minute_than_its_row_allows(city: City) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        hooked(city, receiver.url)
        city.with_row("webhook", per_minute=2)
        for number in range(3):
            city.happen(Change.OPENED, object_id=f"urban:w{number}")
            city.later(minutes=20)
        async with working(city):
            await until(lambda: states(city).count("sent") == 2)
            await asyncio.sleep(0.1)
            assert len(receiver.got) == 2
            city.later(seconds=61)
            await until(lambda: states(city) == ["sent"] * 3)


async def test_two_workers_send_each_delivery_once(city: City) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        hooked(city, receiver.url)
        for number in range(12):
            city.happen(Change.OPENED, object_id=f"urban:w{number}")
            city.later(minutes=20)
        async with working(city), working(city):
            await until(lambda: states(city) == ["sent"] * 12)
        keys = [told.headers["idempotency-key"] for told in receiver.got]
        assert sorted(keys) == sorted(row.delivery_id for row in city.deliveries("webhook"))


@pytest.mark.case("live.held.H12")
async def test_what_waited_while_nobody_worked_goes_once_each_however_often_work_is_begun_again(city: City) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        hooked(city, receiver.url)
        for number in range(36):
            city.happen(Change.OPENED, object_id=f"urban:w{number}")
            city.later(minutes=20)
        for n_sent in (12, 36):
            async with working(city):
                await until(lambda n_sent=n_sent: states(city).count("sent") >= n_sent)
        keys = [told.headers["idempotency-key"] for told in receiver.got]
        assert sorted(keys) == sorted(row.delivery_id for row in city.deliveries("webhook"))
        assert len(keys) == 36


@pytest.mark.servers
def test_of_many_who_claim_at_once_one_gets_it_on_postgresql(postgres_url: str, home) -> None:
    maker = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with maker.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE ops_of_claims"))
    engine = open_ops(sa.make_url(postgres_url).set(database="ops_of_claims").render_as_string(hide_password=False))
    try:
        city = found_city(engine, home)
        city.happen(Change.OPENED)
        taken: list[claims.Claim] = []
        barrier = threading.Barrier(6)

        def take() -> None:
            barrier.wait()
            taken.extend(claims.claim(engine, "webhook", 5, city.at, RETRY_POLICY))

        threads = [threading.Thread(target=take) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [one.attempts for one in taken] == [1]
    finally:
        engine.dispose()
        with maker.connect() as connection:
            connection.execute(sa.text("DROP DATABASE ops_of_claims WITH (FORCE)"))
        maker.dispose()


async def test_a_channel_that_is_not_set_up_says_so_and_its_deliveries_die_aloud(city: City) -> None:
    city.happen(Change.OPENED)
    async with working(city):
        await until(lambda: city.receipt("webhook"))
        assert states(city) == ["waiting"]
        wanted = "CITYRISK_WEBHOOK_URL and CITYRISK_WEBHOOK_SECRET not set"
        assert city.receipt("webhook")["reason"].startswith(wanted)
        found = {
            one.channel_id: one for one in await health.states(city.engine, city.home, city.channel_config, city.at)
        }
        assert (found["webhook"].state, found["webhook"].waiting) == ("not set up", 1)
        assert found["webhook"].reason.startswith(wanted)
        city.later(minutes=61)
        await until(lambda: states(city) == ["dead"])
    assert city.receipt("webhook")["reason"].startswith(wanted)


async def test_a_channel_without_a_row_is_not_forgotten(city: City) -> None:
    city.happen(Change.OPENED)
    with city.engine.begin() as connection:
        d = tables.alert_delivery
        connection.execute(d.update().where(d.c.channel_id == "sms").values(channel_id="pigeon"))
    async with working(city):
        await until(lambda: city.receipt("pigeon"))
    assert city.receipt("pigeon")["reason"] == "no such row in channels.csv"
    found = {
        one.channel_id: one.state for one in await health.states(city.engine, city.home, city.channel_config, city.at)
    }
    assert found["pigeon"] == "not set up"


@pytest.mark.parametrize("is_whole_home", [True, False])
async def test_a_dry_run_sends_nothing_and_writes_down_what_it_would_have(city: City, is_whole_home: bool) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        hooked(city, receiver.url)
        if is_whole_home:
            city.set(CITYRISK_CHANNELS_DRY_RUN="1")
        else:
            city.with_row("webhook", dry_run=True)
        city.happen(Change.OPENED)
        async with working(city):
            await until(lambda: states(city) == ["sent"])
        assert receiver.got == []
        receipt = city.receipt("webhook")
        assert receipt["result"] == "dry run"
        assert receipt["would_send"]["alerts"][0]["colour"] == "red"
        assert SECRET not in city.only("webhook").receipt
        assert city.only("webhook").sent_at is None


async def test_an_exercise_never_goes_to_the_public(city: City) -> None:
    city.set(CITYRISK_CAP_SENDER="duty@city.example")
    city.happen(Change.OPENED, is_exercise=True)
    assert city.deliveries("cap") == [], "no route leads an exercise there"
    with city.engine.begin() as connection:
        d = tables.alert_delivery
        connection.execute(d.update().where(d.c.channel_id == "webhook").values(channel_id="cap", target="feed"))
    async with working(city):
        await until(lambda: states(city, "cap") == ["dead"] and states(city, "cap_partners") == ["sent"])
    assert city.receipt("cap")["reason"] == "an exercise never goes to the public"
    with city.engine.connect() as connection:
        m = tables.cap_message.c
        assert connection.execute(sa.select(m.channel_id, m.status)).all() == [("cap_partners", "Exercise")]


async def test_feed_faults_go_out_on_the_same_channels(city: City) -> None:
    def notify(text: str, kind: str = "late") -> None:
        with city.engine.begin() as connection:
            connection.execute(
                tables.notification.insert().values(
                    feed_id="weather.observation",
                    kind=kind,
                    text_zh=f"【数据迟到】{text}",
                    text_en=f"[late] {text}",
                    raised_at=START,
                    attempts=0,
                )
            )

    def delivered() -> list[bool]:
        with city.engine.connect() as connection:
            query = sa.select(tables.notification.c.delivered_at).order_by(tables.notification.c.id)
            return [one is not None for one in connection.scalars(query)]

    receiver = Receiver(answers=[(503, ""), (200, "")])
    async with receiving(receiver):
        city.set(CITYRISK_NOTIFY_WEBHOOK=receiver.url)
        notify("first")
        async with working(city):
            await until(lambda: states(city, "data_desk") == ["failed"])
            assert delivered() == [False]
            city.later(seconds=2)
            await until(lambda: states(city, "data_desk") == ["sent"])
            city.later(seconds=1)
            await until(lambda: delivered() == [True])
            notify("second")
            city.later(seconds=1)
            await until(lambda: states(city, "data_desk") == ["sent", "sent"])
            city.later(seconds=1)
            await until(lambda: delivered() == [True, True])
        keys = [told.headers["idempotency-key"] for told in receiver.got]
        assert keys == ["fault-1-data_desk", "fault-1-data_desk", "fault-2-data_desk"]
        assert receiver.got[-1].json.items() >= {"id": 2, "kind": "late", "text_en": "[late] second"}.items()


async def test_without_any_channel_for_them_feed_faults_are_in_the_log(
    city: City, caplog: pytest.LogCaptureFixture
) -> None:
    with city.engine.begin() as connection:
        connection.execute(
            tables.notification.insert().values(
                feed_id="", kind="audit", text_zh="审计未过", text_en="audit failed", raised_at=START, attempts=0
            )
        )

    async with working(city):
        await until(lambda: "audit failed" in caplog.text)
    with city.engine.connect() as connection:
        assert connection.scalar(sa.select(tables.notification.c.delivered_at)) == city.at
    assert city.deliveries("data_desk") == []


@pytest.mark.case("security.L5")
def test_news_that_did_not_get_through_is_counted_while_the_alert_concerns_somebody(city: City) -> None:
    def undelivered() -> dict[str, int]:
        with city.engine.connect() as connection:
            return {row.channel_id: row.n for row in connection.execute(claims.undelivered_query(city.at))}

    city.happen(Change.OPENED)
    carried = {row.channel_id for row in city.deliveries_of_all()}
    assert len(carried) > 3
    assert undelivered() == {}  # a minute is no delay
    city.later(minutes=3)
    assert undelivered() == dict.fromkeys(carried, 1)
    delivery = tables.alert_delivery
    with city.engine.begin() as connection:
        connection.execute(sa.update(delivery).where(delivery.c.channel_id != "sms").values(state="sent"))
        connection.execute(sa.update(delivery).where(delivery.c.channel_id == "sms").values(state="dead"))
    assert undelivered() == {"sms": 1}
    meters = Meters(CollectorRegistry())
    assert meters.count_undelivered(city.engine, city.at) == ({"sms": 1}, [])
    assert meters.count_undelivered(city.engine, city.at + timedelta(hours=1))[1] == ["sms"]
    with city.engine.begin() as connection:
        connection.execute(sa.update(tables.alert).values(state="closed"))
    assert undelivered() == {}
