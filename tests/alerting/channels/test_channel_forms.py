"""Each form of a message as its receiver gets it: webhook, robot, SMS gateway."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from way_out import START, City, Received, Receiver, receiving, until, working

from alerting.engine.episode import Change
from alerting.lifecycle.alert import Delivery
from alerting.notify.channels.form import NotTaken, Refused
from alerting.notify.channels.message import Message, message_of
from alerting.notify.channels.registry import open_channel
from alerting.notify.channels.retry_policy import RetryPolicy
from alerting.notify.channels.robot import MOST_BYTES, markdown
from alerting.notify.channels.sms import parts_of

DONE = '{"errcode":0,"errmsg":"ok"}'
Send = Callable[[City, Receiver], Awaitable[Received]]


def message(city: City, channel_id: str, index: int = 0) -> Message:
    return message_of(Delivery(**city.deliveries(channel_id)[index]._mapping))


async def sent(city: City, channel_id: str, receiver: Receiver) -> list[Received]:
    """What one worker's pass sends on a channel."""
    async with working(city):
        await until(lambda: {row.state for row in city.deliveries(channel_id)} == {"sent"})
    return receiver.got


# ── webhook ───────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_webhook_is_signed_and_holds_the_whole_notice(city: City) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        city.set(CITYRISK_WEBHOOK_URL=f"{receiver.url}/hook", CITYRISK_WEBHOOK_SECRET="s3cret")
        city.happen(Change.OPENED)
        (got,) = await sent(city, "webhook", receiver)
    row = city.only("webhook")
    timestamp = got.headers["x-cityrisk-timestamp"]
    proof = hmac.new(b"s3cret", timestamp.encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-cityrisk-signature"] == f"v1={proof}"
    assert int(timestamp) == int(city.at.timestamp())
    assert (got.method, got.path, got.headers["idempotency-key"]) == ("POST", "/hook", row.delivery_id)
    wanted = {"delivery_id": row.delivery_id, "delivery_kind": "opened", "target": "duty_desk", "colour": "red"}
    assert got.json.items() >= wanted.items()
    assert got.json["is_exercise"] is False
    (alert,) = got.json["alerts"]
    for fact in ("category", "possible_area", "matters", "measures", "issuer"):
        assert alert[f"{fact}_zh"]
        assert alert[f"{fact}_en"]
    assert (alert["level"], alert["starts_at"][:10], alert["issued_at"][:10]) == (1, "2026-06-01", "2026-06-01")


async def test_a_redirect_is_not_followed_with_our_signature(city: City) -> None:
    elsewhere = Receiver()
    async with receiving(elsewhere):
        receiver = Receiver(answers=[(307, "")], headers={"Location": f"{elsewhere.url}/steal"})
        async with receiving(receiver):
            city.set(CITYRISK_WEBHOOK_URL=receiver.url, CITYRISK_WEBHOOK_SECRET="s3cret")
            city.happen(Change.OPENED)
            channel = opened(city, "webhook")
            with pytest.raises(Refused, match="HTTP 307"):
                await channel.send(message(city, "webhook"), START)
            await channel.aclose()
    assert elsewhere.got == []


def opened(city: City, channel_id: str) -> Any:
    return open_channel(
        city.channel_config.channels[channel_id], city.channel_config, city.engine, city.home, RetryPolicy()
    )


# ── robot ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_robot_gets_markdown_that_names_cannot_break(city: City) -> None:
    receiver = Receiver(answers=[(200, DONE)])
    async with receiving(receiver):
        city.set(CITYRISK_ROBOT_URL=f"{receiver.url}/send?key=k")
        city.happen(Change.OPENED)
        (got,) = await sent(city, "robot", receiver)
    assert got.json["msgtype"] == "markdown"
    content = got.json["markdown"]["content"]
    assert content.startswith('**<font color="warning">【红色预警】西陵燃气井＜w1＞&1：')
    assert "> 级别：1级（红色）" in content
    assert "> 依据：GB/T 50493-2019 5.5.2" in content
    assert content.count("<font") == 1
    assert content.endswith(f"`{city.only('robot').delivery_id}`")


@pytest.mark.parametrize(
    ("answer", "error", "after"),
    [
        ('{"errcode":45009,"errmsg":"api freq out of limit"}', NotTaken, timedelta(minutes=1)),
        ('{"errcode":-1,"errmsg":"system busy"}', NotTaken, None),
        ('{"errcode":93000,"errmsg":"invalid webhook url"}', NotTaken, None),
        ('{"errcode":40058,"errmsg":"markdown.content exceed max length"}', Refused, None),
        ("<html>proxy</html>", NotTaken, None),
    ],
)
async def test_what_a_robot_answers_counts_and_not_its_status(
    city: City, answer: str, error: type[Exception], after: timedelta | None
) -> None:
    receiver = Receiver(answers=[(200, answer)])
    async with receiving(receiver):
        city.set(CITYRISK_ROBOT_URL=receiver.url)
        city.happen(Change.OPENED)
        channel = opened(city, "robot")
        with pytest.raises(error) as told:
            await channel.send(message(city, "robot"), START)
        await channel.aclose()
        assert getattr(told.value, "after", None) == after


def test_a_long_robot_message_is_cut_between_alerts_and_keeps_what_counts(city: City) -> None:
    city.happen(Change.OPENED, is_exercise=True)
    one = message(city, "robot")
    alerts = [{**one.body["alerts"][0], "matters_zh": f"第{n}条" + "很长" * 60} for n in range(20)]
    long = Message(
        one.key,
        one.channel_id,
        one.target,
        one.kind,
        one.notice_id,
        {**one.body, "alerts": alerts, "n_not_shown": 4980},
    )
    content = markdown(long, ("zh", "en"))
    assert MOST_BYTES - 1200 < len(content.encode()) <= MOST_BYTES
    assert "【演练】" in content.partition("\n")[0]
    assert content.count("很长" * 60) == content.count("警示事项"), "an alert is shown whole or not at all"
    for ending in (
        "另有 4980 条未逐一列出",
        "4980 more are not listed",
        "本信息为演练",
        "This is an exercise",
        one.key,
    ):
        assert ending in content


# ── SMS ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_an_sms_gateway_gets_the_form_of_its_template_in_parts(city: City) -> None:
    receiver = Receiver(answers=[(200, "status=0 accepted")])
    async with receiving(receiver):
        city.set(CITYRISK_SMS_URL=f"{receiver.url}/sms?to={{phone}}", CITYRISK_SMS_SECRET="t&k")
        city.with_row("sms", expects="accepted")
        city.happen(Change.OPENED)
        got = await sent(city, "sms", receiver)
    key, phone = city.only("sms").delivery_id, city.alert().contact
    assert len(got) >= 2
    forms = [{name: values[0] for name, values in parse_qs(told.body.decode()).items()} for told in got]
    assert [form["msgid"] for form in forms] == [f"{key}-{n}" for n in range(1, len(got) + 1)]
    assert {(form["mobile"], form["token"]) for form in forms} == {(phone, "t&k")}
    assert {parse_qs(urlsplit(told.path).query)["to"][0] for told in got} == {phone}
    assert all(len(form["content"]) <= 67 for form in forms)
    text = "".join(form["content"].split(")", 1)[1] for form in forms)
    assert text.startswith("【红色预警】西陵燃气井<w1>&1：可燃气体浓度 24 %LEL，限值 20 %LEL")
    assert text.endswith(phone)
    assert "t&k" not in city.only("sms").receipt


@pytest.mark.parametrize(
    ("template", "method", "wanted"),
    [
        ('{"to":"{phone}","say":"{text}"}', "POST", '引号"和{key}'),
        ("", "GET", '引号"和{key}'),
    ],
)
async def test_json_and_address_templates_are_escaped_in_their_own_way(
    city: City, template: str, method: str, wanted: str
) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        city.set(CITYRISK_SMS_URL=f"{receiver.url}/sms?say={{text}}", CITYRISK_SMS_SECRET="k")
        city.with_row("sms", template=template)
        city.happen(Change.OPENED)
        body = {"title_zh": '引号"和{key}', "title_en": "", "alerts": []}
        channel = opened(city, "sms")
        await channel.send(Message("k1", "sms", "0717-12345678", "opened", "n", body), START)
        await channel.aclose()
    (got,) = receiver.got
    assert got.method == method
    said = got.json["say"] if template else parse_qs(urlsplit(got.path).query)["say"][0]
    assert said == wanted


async def test_a_gateway_that_says_anything_else_did_not_take_it(city: City) -> None:
    receiver = Receiver(answers=[(200, "status=107 balance is used up")])
    async with receiving(receiver):
        city.set(CITYRISK_SMS_URL=receiver.url, CITYRISK_SMS_SECRET="k")
        city.with_row("sms", expects="accepted")
        city.happen(Change.OPENED)
        channel = opened(city, "sms")
        with pytest.raises(NotTaken, match="no 'accepted': status=107"):
            await channel.send(message(city, "sms"), START)
        with pytest.raises(Refused, match="no duty phone for 'nobody'"):
            await channel.send(Message("k", "sms", "nobody", "opened", "n", {}), START)
        await channel.aclose()


@pytest.mark.parametrize(("length", "sizes"), [(70, [70]), (71, [67, 14]), (5000, [67] * 6)])
def test_texts_are_split_as_networks_split_them(length: int, sizes: list[int]) -> None:
    parts = parts_of("警" * length)
    assert [len(part) for part in parts] == sizes
    assert parts[-1].endswith("…") is (length == 5000)


@pytest.mark.parametrize("channel_id", ["webhook", "robot", "sms"])
async def test_an_exercise_is_marked_in_every_form(city: City, channel_id: str) -> None:
    receiver = Receiver(answers=[(200, DONE)])
    async with receiving(receiver):
        city.set(
            CITYRISK_WEBHOOK_URL=receiver.url,
            CITYRISK_WEBHOOK_SECRET="s",
            CITYRISK_ROBOT_URL=receiver.url,
            CITYRISK_SMS_URL=receiver.url,
            CITYRISK_SMS_SECRET="k",
        )
        city.happen(Change.OPENED, is_exercise=True)
        channel = opened(city, channel_id)
        await channel.send(message(city, channel_id), START)
        await channel.aclose()
    first = receiver.got[0].body.decode()
    if channel_id == "sms":
        first = parse_qs(first)["content"][0]
    assert "【演练】" in first
    if channel_id == "webhook":
        assert receiver.got[0].json["is_exercise"] is True
    if channel_id == "sms":
        last = "".join(parse_qs(told.body.decode())["content"][0].split(")", 1)[1] for told in receiver.got)
        assert last.endswith("本信息为演练，请勿当作真实险情处置。")
