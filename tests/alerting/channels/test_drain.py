"""Where no channel worker lives, a batch lets out what waits: each delivery once, by the workers' own rules."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from way_out import RETRY_POLICY, START, City, Receiver, receiving, until, working

from alerting.engine.episode import Change
from alerting.notify.channels.worker import drain
from core.runtime.notice_lock import has_live_worker
from core.store import tables


def find_trouble(city: City, text: str) -> None:
    """A trouble of a feed, as `quality` writes it down."""
    texts = {"text_zh": f"【数据迟到】{text}", "text_en": f"[late] {text}"}
    with city.engine.begin() as connection:
        row = {"feed_id": "weather.observation", "kind": "late", "raised_at": START, "attempts": 0}
        connection.execute(tables.notification.insert().values(**row, **texts))


def delivered(city: City) -> list[bool]:
    with city.engine.connect() as connection:
        query = sa.select(tables.notification.c.delivered_at).order_by(tables.notification.c.id)
        return [one is not None for one in connection.scalars(query)]


async def a_run(city: City) -> int:
    return await drain(city.engine, city.home, city.channel_config, city.now, RETRY_POLICY)


async def test_each_trouble_is_told_once_and_what_fails_waits_for_the_next_run(city: City) -> None:
    receiver = Receiver(answers=[(503, ""), (200, "")])
    async with receiving(receiver):
        city.set(CITYRISK_NOTIFY_WEBHOOK=receiver.url)
        find_trouble(city, "first")
        assert await a_run(city) == 1
        assert (len(receiver.got), delivered(city)) == (1, [False]), "a dead receiver is asked once a run"
        city.later(minutes=10)
        assert await a_run(city) == 1
        assert delivered(city) == [True]
        find_trouble(city, "second")
        assert await a_run(city) == 1
        assert await a_run(city) == 0
        assert delivered(city) == [True, True]
        keys = [told.headers["idempotency-key"] for told in receiver.got]
        assert keys == ["fault-1-data_desk", "fault-1-data_desk", "fault-2-data_desk"]
        assert receiver.got[-1].json["text_en"] == "[late] second"


async def test_alerts_that_wait_go_out_too(city: City) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        city.set(CITYRISK_WEBHOOK_URL=f"{receiver.url}/hook", CITYRISK_WEBHOOK_SECRET="s")
        city.happen(Change.OPENED)
        assert await a_run(city) >= 1
        assert [row.state for row in city.deliveries("webhook")] == ["sent"]


async def test_a_trouble_that_a_receiver_refused_is_told_when_it_was_mended(city: City) -> None:
    receiver = Receiver(answers=[(400, ""), (200, "")])
    async with receiving(receiver):
        city.set(CITYRISK_NOTIFY_WEBHOOK=receiver.url)
        find_trouble(city, "first")
        assert await a_run(city) == 1
        city.later(hours=2)
        assert await a_run(city) == 0
        assert delivered(city) == [False]
        city.later(hours=23)
        assert await a_run(city) == 1
        assert delivered(city) == [True]


async def test_a_shell_without_addresses_gives_no_alert_up(city: City) -> None:
    city.happen(Change.OPENED)
    city.later(hours=3)
    await a_run(city)
    states = {row.state for row in city.deliveries("webhook")}
    assert states
    assert "dead" not in states


async def test_a_living_worker_tells_alone(city: City) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        city.set(CITYRISK_NOTIFY_WEBHOOK=receiver.url)
        async with working(city):
            await until(lambda: has_live_worker(city.home))
            find_trouble(city, "first")
            assert await a_run(city) == 0
            city.later(seconds=2)
            await until(lambda: len(receiver.got) == 1)
        assert await a_run(city) == 0
        assert len(receiver.got) == 1


@pytest.mark.parametrize("dry", ["", "1"])
async def test_without_an_address_or_in_a_dry_run_only_the_log_is_told(
    city: City, dry: str, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        if dry:
            city.set(CITYRISK_NOTIFY_WEBHOOK=receiver.url, CITYRISK_CHANNELS_DRY_RUN=dry)
        find_trouble(city, "first")
        await a_run(city)
        await a_run(city)
        assert receiver.got == []
    assert [r.message for r in caplog.records if r.message.startswith("[late]")] == ["[late] first"]
