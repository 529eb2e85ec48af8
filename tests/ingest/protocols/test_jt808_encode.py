"""JT/T 808 encoders give the very bytes that others published; answers, refusals, and messages in several frames."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.protocols import BadFrame, codec, jt808
from ingest.protocols.jt808 import answer, encode
from ingest.protocols.jt808.behaviour import GDRTA

JT808 = codec("jt808")
NOW = datetime(2026, 8, 14, 19, 30, tzinfo=UTC)  # 03:30 on the 15th in Beijing
EARLY = encode.Sender("13812345678", 2013)
LATE = encode.Sender("12345678901234567890", 2019)
PLACE = encode.Position(NOW, 111.286543, 30.691234, speed_kmh=72, direction_deg=180, altitude_m=66)

# Published by a server project's unit tests.
REGISTRATION_2013 = (
    "7e0100002e1234567890120001001f0073797a6800007777772e6a74743830382e636e0000000000000037363534333231"
    "01b2e241383838383838a37e"
)
REGISTRATION_2019 = (
    "7e010040550112345678901234567890ffff001f0073797a6800000000000000007777772e6a74743830382e636e000000000000"
    "000000000000000000000030393837363534333231303938373635343332310000000000000000000001b2e241383838383838227e"
)
# Built by hand from the field tables: fatigue seen by the driver camera.
FATIGUE = (
    "7e0200004d0138123456780005000000000000000301d44fa206a2190f004202d000b4260815033000652f00000001000102070000"
    "000048004201d44fa206a2190f2608150330000401594330303030312608150330000003003c7e"
)


# ── the bytes of others ───────────────────────────────────────────────────────────────────────────────────────────────
def test_registrations_are_the_published_bytes() -> None:
    words = {"plate": "测A888888", "province_code": 31, "city_code": 115, "maker_id": "yzh", "model": "www.jtt808.cn"}
    early = encode.Sender("123456789012", 2013)
    assert encode.registration(early, 1, terminal_id="7654321", plate_colour=1, **words).hex() == REGISTRATION_2013  # type: ignore[arg-type]
    late = encode.registration(LATE, 0xFFFF, terminal_id="09876543210987654321", plate_colour=1, **words)  # type: ignore[arg-type]
    assert late.hex() == REGISTRATION_2019


def test_heartbeats_and_answers_are_the_published_bytes() -> None:
    assert encode.heartbeat(LATE, 0xFFFF).hex() == "7e000240000112345678901234567890ffff437e"
    body = encode.general_answer_body(123, 456, 3)
    assert encode.frame(LATE, 0x8001, 0xFFFF, body).hex() == "7e800140050112345678901234567890ffff007b01c803747e"
    code = encode.registration_answer_body(38668, 0, "chwD0SE1fchwD0SE1fchwD0SE1f")
    assert encode.frame(LATE, 0x8100, 0xFFFF, code).hex() == (
        "7e8100401e0112345678901234567890ffff970c006368774430534531666368774430534531666368774430534531660c7e"
    )


def test_a_checksum_that_needs_it_is_escaped() -> None:
    frame = encode.heartbeat(encode.Sender("978290002147", 2013), 0x029E)
    assert frame.hex() == "7e00020000978290002147029e7d017e"


def test_a_behaviour_item_is_the_published_bytes() -> None:
    fatigue = encode.dsm(PLACE, 1, "YC00001", alarm_no=1, level=2, phase=0, fatigue_degree=7, attachment_count=3)
    frame = encode.location(EARLY, 5, encode.Position(NOW, 111.286543, 30.691234, 72, 180, 66, items=(fatigue,)))
    assert frame.hex() == FATIGUE


# ── read back ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("sender", [EARLY, LATE])
@pytest.mark.parametrize("region", [encode.JSATL, GDRTA])
def test_every_item_comes_back(sender: encode.Sender, region: encode.Identifier) -> None:
    items = (
        encode.mileage(1234.5),
        encode.fuel(56.7),
        encode.signal(20, 11),
        encode.adas(PLACE, 1, "YC00001", 1, front_speed_kmh=40, front_gap_s=1.2, region=region),
        encode.dsm(PLACE, 2, "YC00001", 2, region=region),
        encode.tyres(PLACE, [(3, 0b100, 180, 35, 90)], "YC00001", 3, region=region),
        encode.blind_spot(PLACE, 2, "YC00001", 4, region=region),
    )
    message = JT808.decode(encode.location(sender, 1, encode.Position(NOW, 111.2, 30.6, items=items)))
    place, *behaviours = message.records
    assert (place.values["mileage_km"], place.values["fuel_l"], place.values["satellites"]) == (1234.5, 56.7, 11)
    assert place.values["observed_at"] == "2026-08-15T03:30:00+08:00"
    found = [(one.values["source"], one.values["behaviour"], one.values["region"]) for one in behaviours]
    assert found == [
        ("adas", "forward_collision", region.region),
        ("dsm", "phone_call", region.region),
        ("tpms", "pressure_low", region.region),
        ("bsd", "left_rear_approach", region.region),
    ]


def test_a_batch_of_many_positions_takes_several_frames_and_joins_again() -> None:
    places = [encode.Position(NOW + timedelta(seconds=i), 111.2, 30.6 + i / 1e4) for i in range(100)]
    parts = encode.location_batch(LATE, 0xFFFE, places, is_backfill=True)
    assert len(parts) == 3
    for number, part in enumerate(parts, 1):
        message = JT808.decode(part)
        assert message.part == (number, 3)
        assert message.fields["part_key"] == 0xFFFE
        assert not message.records
        assert len(JT808.answers(message, NOW)) == 1
    whole = JT808.join([parts[2], parts[0], parts[1], parts[0]])
    assert whole.part is None
    assert [record.values["lat"] for record in whole.records] == [round(30.6 + i / 1e4, 6) for i in range(100)]
    assert all(record.values["is_backfill"] for record in whole.records)


def test_parts_that_do_not_make_a_message_are_refused() -> None:
    parts = encode.location_batch(LATE, 1, [PLACE] * 100)
    with pytest.raises(BadFrame, match="parts missing at byte 1: found without 2, expected all of 3"):
        JT808.join([parts[0], parts[2]])
    with pytest.raises(BadFrame, match="no parts"):
        JT808.join([])
    with pytest.raises(BadFrame, match="no part of a message"):
        JT808.join([encode.heartbeat(LATE, 1)])
    other = encode.location_batch(encode.Sender("13800000009"), 1, [PLACE] * 100)
    with pytest.raises(BadFrame, match="parts of different messages"):
        JT808.join([parts[0], other[1], parts[2]])


def test_what_does_not_fit_is_refused_and_never_cut() -> None:
    with pytest.raises(ValueError, match="at most 7"):
        encode.registration(EARLY, 1, "鄂E12345", "12345678")
    with pytest.raises(ValueError, match="more than 12 digits"):
        encode.heartbeat(encode.Sender("1234567890123", 2013), 1)
    with pytest.raises(ValueError, match="naive"):
        encode.bcd(datetime(2026, 8, 15))  # noqa: DTZ001  the point of the test


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("sender", [EARLY, LATE])
def test_a_registration_is_answered_with_a_code_and_a_refused_one_without(sender: encode.Sender) -> None:
    message = JT808.decode(encode.registration(sender, 9, "鄂E12345", "7654321"))
    (yes,) = JT808.answers(message, NOW)
    accepted = JT808.decode(yes)
    assert accepted.kind == "registration_answer"
    assert accepted.fields["edition"] == sender.edition
    assert accepted.device_id == message.device_id
    wanted = {"reply_serial": 9, "result": 0, "auth_code": answer.auth_code(message.device_id)}
    assert wanted.items() <= accepted.fields.items()
    (no,) = jt808.refusal(message)
    assert {"reply_serial": 9, "result": 4, "auth_code": ""}.items() <= JT808.decode(no).fields.items()


@pytest.mark.parametrize(
    "frame",
    [
        encode.heartbeat(LATE, 3),
        encode.authentication(EARLY, 3, "A1"),
        encode.location(LATE, 3, PLACE),
        encode.deregistration(EARLY, 3),
        encode.frame(LATE, 0x0F99, 3, b"?"),
    ],
)
def test_the_general_answer_names_what_it_answers(frame: bytes) -> None:
    message = JT808.decode(frame)
    for replies, result in ((JT808.answers(message, NOW), 0), (jt808.refusal(message), 1)):
        (reply,) = map(JT808.decode, replies)
        assert reply.kind == "platform_general_answer"
        wanted = {"reply_serial": 3, "reply_id": message.fields["message_id"], "result": result}
        assert wanted.items() <= reply.fields.items()


@pytest.mark.parametrize("frame", [encode.terminal_answer(LATE, 1, 2, 0x8103), encode.frame(LATE, 0x8104, 1)])
def test_answers_and_platform_messages_are_not_answered(frame: bytes) -> None:
    message = JT808.decode(frame)
    assert JT808.answers(message, NOW) == jt808.refusal(message) == ()
