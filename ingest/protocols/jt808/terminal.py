"""What terminals send besides positions: message id → (our word, clause, layouts).

Clauses are those of JT/T 808-2013 where it has the message; the 2019 edition keeps the order. Where one id has several
layouts, the first that fits the body to its last byte is taken: editions and regions are told apart by length.

Not here: positions (`location`), messages of a platform (`platform`), terminal parameters (`parameters`).
"""

from __future__ import annotations

from ingest.protocols.jt808.layout import (
    Layout,
    hex32,
    hex_rest,
    hexes,
    if_more,
    many,
    numbers,
    same_as,
    text,
    text8,
    text_rest,
    time,
    u8,
    u16,
    u32,
    u64,
    utf16_rest,
)
from ingest.protocols.jt808.parameters import PARAMETERS

EMPTY: Layout = ()


def _registration(maker: int, model: int, terminal: int) -> Layout:
    """Register: the lengths of maker, model and terminal id are what the editions changed."""
    return (
        ("province_code", u16),
        ("city_code", u16),
        ("maker_id", text(maker)),
        ("model", text(model)),
        ("terminal_id", text(terminal)),
        ("plate_colour", u8),
        ("plate", text_rest),
    )


def _properties(maker: int, model: int, terminal: int) -> Layout:
    """Terminal properties; vendors disagree on the maker's length in 2019 (5 or 11)."""
    return (
        ("device_type_bits", u16),
        ("maker_id", text(maker)),
        ("model", text(model)),
        ("terminal_id", text(terminal)),
        ("iccid", hexes(10)),
        ("hardware_version", text8),
        ("firmware_version", text8),
        ("gnss_bits", u8),
        ("network_bits", u8),
    )


def _attachments(terminal: int, identifier: Layout) -> Layout:
    """Attachments of an alarm: their names and sizes; regions differ in the alarm identifier."""
    return (
        ("terminal_id", text(terminal)),
        *identifier,
        ("platform_alarm_no", text(32)),
        ("info_type", u8),
        ("files", many(u8, (("name", text8), ("size_bytes", u32)))),
    )


_MOMENT: Layout = (("alarm_at", time), ("sequence_no", u8), ("attachment_count", u8))
_IDENTIFIER_JSATL: Layout = (("identifier_terminal_id", text(7)), *_MOMENT, ("reserved", u8))
_IDENTIFIER_GDRTA: Layout = (("identifier_terminal_id", text(30)), *_MOMENT, ("reserved", u16))

_DRIVER_CARD: Layout = (
    ("card_result", u8),
    ("driver_name", text8),
    ("licence_no", text(20)),
    ("licence_issuer", text8),
    ("licence_valid_until", hexes(4)),
)
_DRIVER: Layout = (("card_state", u8), ("card_at", time))

_CAN_FRAME: Layout = (("can_id", u32), ("data", hexes(8)))
_FILE: Layout = (("name", text8), ("file_type", u8), ("size_bytes", u32))
_RESULT: Layout = (("reply_serial", u16), ("result", u8))

_PERIPHERAL: Layout = (
    ("peripheral_id", u8),
    ("length", u8),
    ("company", text8),
    ("model", text8),
    ("hardware_version", text8),
    ("firmware_version", text8),
    ("terminal_id", text8),
    ("user_code", text8),
)

_RECORDING: Layout = (
    ("channel", u8),
    ("start_at", time),
    ("end_at", time),
    ("alarm_bits", u64),
    ("media_type", u8),
    ("stream_type", u8),
    ("storage_type", u8),
    ("size_bytes", u32),
)

# id: (our word, clause, layouts of 2013 and before, layouts of 2019)
TERMINAL: dict[int, tuple[str, str, tuple[Layout, ...], tuple[Layout, ...]]] = {
    message_id: (word, clause, layouts, later or layouts)
    for message_id, word, clause, layouts, later in (
        (
            0x0001,
            "general_answer",
            "JT/T 808-2013 §8.1",
            ((("reply_serial", u16), ("reply_id", u16), ("result", u8)),),
            (),
        ),
        (0x0002, "heartbeat", "JT/T 808-2013 §8.3", (EMPTY,), ()),
        (0x0003, "deregistration", "JT/T 808-2013 §8.7", (EMPTY,), ()),
        (0x0004, "time_query", "JT/T 808-2019 §8.5", (EMPTY,), ()),
        # 2013, then 2011; in 2019 maker and model grew again.
        (
            0x0100,
            "registration",
            "JT/T 808-2013 §8.5",
            (_registration(5, 20, 7), _registration(5, 8, 7)),
            (_registration(11, 30, 30),),
        ),
        (
            0x0102,
            "authentication",
            "JT/T 808-2013 §8.8",
            ((("auth_code", text_rest),),),
            ((("auth_code", text8), ("imei", text(15)), ("software_version", text(20))), (("auth_code", text_rest),)),
        ),
        (0x0104, "parameters", "JT/T 808-2013 §8.12", ((("reply_serial", u16), *PARAMETERS),), ()),
        (
            0x0107,
            "properties",
            "JT/T 808-2013 §8.15",
            (_properties(5, 20, 7), _properties(5, 8, 7)),
            (_properties(5, 30, 30), _properties(11, 30, 30)),
        ),
        (0x0301, "event_report", "JT/T 808-2013 §8.25", ((("event_id", u8),),), ()),
        (0x0302, "question_answer", "JT/T 808-2013 §8.27", ((("reply_serial", u16), ("answer_id", u8)),), ()),
        (0x0303, "menu_choice", "JT/T 808-2013 §8.29", ((("info_type", u8), ("action", u8)),), ()),
        (
            0x0702,
            "driver",
            "JT/T 808-2013 §8.48",
            ((*_DRIVER, ("", if_more(_DRIVER_CARD))),),
            (
                (*_DRIVER, ("", if_more((*_DRIVER_CARD, ("driver_id_card", text(20)))))),
                (*_DRIVER, ("", if_more(_DRIVER_CARD))),
            ),
        ),
        (
            0x0705,
            "can_frames",
            "JT/T 808-2013 §8.50",
            ((("n_frames", u16), ("first_clock", hexes(5)), ("frames", many(same_as("n_frames"), _CAN_FRAME))),),
            (),
        ),
        (
            0x0800,
            "media_event",
            "JT/T 808-2013 §8.51",
            ((("media_id", u32), ("media_type", u8), ("media_format", u8), ("event", u8), ("channel", u8)),),
            (),
        ),
        (0x0805, "shot_answer", "JT/T 808-2013 §8.55", ((*_RESULT, ("media_ids", numbers(u16, 4))), _RESULT), ()),
        (
            0x0900,
            "passthrough",
            "JT/T 808-2013 §8.62",
            (
                (("passthrough_type", u8), ("peripherals", many(u8, _PERIPHERAL))),
                (("passthrough_type", u8), ("content", hex_rest)),
            ),
            (),
        ),
        (0x0901, "compressed", "JT/T 808-2013 §8.63", ((("content", hex32),),), ()),
        (
            0x1003,
            "audio_video_properties",
            "JT/T 1078-2016 §5.3",
            (
                (
                    ("audio_encoding", u8),
                    ("audio_channels", u8),
                    ("audio_sample_rate", u8),
                    ("audio_sample_bits", u8),
                    ("audio_frame_bytes", u16),
                    ("audio_out", u8),
                    ("video_encoding", u8),
                    ("max_audio_channels", u8),
                    ("max_video_channels", u8),
                ),
            ),
            (),
        ),
        (
            0x1005,
            "passengers",
            "JT/T 1078-2016 §5.4",
            ((("start_at", time), ("end_at", time), ("n_boarded", u16), ("n_alighted", u16)),),
            (),
        ),
        (
            0x1205,
            "recordings",
            "JT/T 1078-2016 §5.6",
            ((("reply_serial", u16), ("recordings", many(u32, _RECORDING))),),
            (),
        ),
        (0x1206, "upload_finished", "JT/T 1078-2016 §5.6", (_RESULT,), ()),
        (
            0x1210,
            "attachments",
            "T/JSATL 12-2017 §4.5.2; T/GDRTA 002-2020",
            (_attachments(7, _IDENTIFIER_JSATL), _attachments(30, _IDENTIFIER_GDRTA), _attachments(30, _MOMENT)),
            (),
        ),
        (0x1211, "file_info", "T/JSATL 12-2017 §4.5.3", (_FILE,), ()),
        (0x1212, "file_finished", "T/JSATL 12-2017 §4.5.5", (_FILE,), ()),
        # Seen in captures, in no edition: a tracker's answer to a text command.
        (0x1300, "vendor_text", "no standard", ((("reply_serial", u16), ("text", utf16_rest)),), ()),
    )
}
