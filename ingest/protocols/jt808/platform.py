"""What a platform sends to terminals: message id → (our word, clause, layouts), for logs and the simulated city.

Clauses are those of JT/T 808-2013, JT/T 1078-2016, or JT/T 808-2019 where it alone has a message.

Not here: building these frames (`encode`).
"""

from __future__ import annotations

from ingest.protocols.jt808.layout import (
    Layout,
    degrees,
    flag_bit,
    if_bit,
    many,
    numbers,
    text8,
    text16,
    text_rest,
    time,
    u8,
    u16,
    u32,
    u64,
    utc_time,
)
from ingest.protocols.jt808.parameters import PARAMETERS

_IDS: Layout = (("ids", numbers(u8, 4)),)
_TIMED: Layout = (("start_at", time), ("end_at", time))
_LIMITED: Layout = (("max_speed_kmh", u16), ("speeding_s", u8))
_NIGHT: Layout = (*_LIMITED, ("night_max_speed_kmh", u16))
_NAMED: Layout = (("name", text16),)


def _area(shape: Layout, later: bool) -> Layout:
    """An area: its id, attributes and shape; times and limits only when attribute bits 0 and 1 say so."""
    return (
        ("area_id", u32),
        ("attribute_bits", u16),
        *shape,
        ("", if_bit("attribute_bits", 0, _TIMED)),
        ("", if_bit("attribute_bits", 1, _NIGHT if later else _LIMITED)),
        *(_NAMED if later else ()),
    )


def _areas(shape: Layout, later: bool) -> Layout:
    """Areas to set."""
    return (("action", u8), ("areas", many(u8, _area(shape, later))))


def _polygon(later: bool) -> Layout:
    """A polygon: its corners follow times and limits, the limit at night follows the corners."""
    night: Layout = (("", if_bit("attribute_bits", 1, (("night_max_speed_kmh", u16),))), *_NAMED)
    return (
        *_area((), later=False),
        ("points", many(u16, (("lat", degrees), ("lon", degrees)))),
        *(night if later else ()),
    )


def _route(later: bool) -> Layout:
    """A route: turning points, each the start of a segment with its own limits."""
    turn: Layout = (
        ("point_id", u32),
        ("segment_id", u32),
        ("lat", degrees),
        ("lon", degrees),
        ("width_m", u8),
        ("segment_bits", u8),
        ("", if_bit("segment_bits", 0, (("longest_s", u16), ("shortest_s", u16)))),
        ("", if_bit("segment_bits", 1, _NIGHT if later else _LIMITED)),
    )
    return (
        ("route_id", u32),
        ("attribute_bits", u16),
        ("", if_bit("attribute_bits", 0, _TIMED)),
        ("turns", many(u16, turn)),
        *(_NAMED if later else ()),
    )


_CIRCLE: Layout = (("lat", degrees), ("lon", degrees), ("radius_m", u32))
_RECTANGLE: Layout = (
    ("upper_left_lat", degrees),
    ("upper_left_lon", degrees),
    ("lower_right_lat", degrees),
    ("lower_right_lon", degrees),
)
_TEXT_FLAGS: Layout = (
    ("flag_bits", u8),
    ("urgent", flag_bit("flag_bits", 0)),
    ("display", flag_bit("flag_bits", 2)),
    ("speech", flag_bit("flag_bits", 3)),
    ("advertising_screen", flag_bit("flag_bits", 4)),
    ("about_can_faults", flag_bit("flag_bits", 5)),
)
_SERVER: Layout = (
    ("server", text8),
    ("tcp_port", u16),
    ("udp_port", u16),
    ("channel", u8),
    ("media_type", u8),
    ("stream_type", u8),
)
_SHOT: Layout = (
    ("channel", u8),
    ("command", u16),
    ("interval_s", u16),
    ("save", u8),
    ("resolution", u8),
    ("quality", u8),
    ("brightness", u8),
    ("contrast", u8),
    ("saturation", u8),
    ("chroma", u8),
)
_RECORDINGS: Layout = (
    ("channel", u8),
    *_TIMED,
    ("alarm_bits", u64),
    ("media_type", u8),
    ("stream_type", u8),
    ("storage_type", u8),
)
_PLAYBACK: Layout = (*_SERVER, ("storage_type", u8), ("playback_mode", u8), ("playback_speed", u8), *_TIMED)

PLATFORM: dict[int, tuple[str, str, tuple[Layout, ...], tuple[Layout, ...]]] = {
    message_id: (word, clause, layouts, later or layouts)
    for message_id, word, clause, layouts, later in (
        (
            0x8001,
            "platform_general_answer",
            "JT/T 808-2013 §8.2",
            ((("reply_serial", u16), ("reply_id", u16), ("result", u8)),),
            (),
        ),
        (
            0x8003,
            "resend_request",
            "JT/T 808-2013 §8.4",
            ((("first_serial", u16), ("packets", numbers(u8, 2))),),
            (
                (("first_serial", u16), ("packets", numbers(u16, 2))),
                (("first_serial", u16), ("packets", numbers(u8, 2))),
            ),
        ),
        (0x8004, "time_answer", "JT/T 808-2019 §8.6", ((("server_time", utc_time),),), ()),
        (
            0x8100,
            "registration_answer",
            "JT/T 808-2013 §8.6",
            ((("reply_serial", u16), ("result", u8), ("auth_code", text_rest)),),
            (),
        ),
        (0x8103, "set_parameters", "JT/T 808-2013 §8.9", (PARAMETERS,), ()),
        (0x8104, "query_parameters", "JT/T 808-2013 §8.10", ((),), ()),
        (0x8107, "query_properties", "JT/T 808-2013 §8.14", ((),), ()),
        (0x8201, "query_location", "JT/T 808-2013 §8.19", ((),), ()),
        (0x8202, "track", "JT/T 808-2013 §8.21", ((("interval_s", u16), ("valid_s", u32)), (("interval_s", u16),)), ()),
        (
            0x8300,
            "text",
            "JT/T 808-2013 §8.23",
            ((*_TEXT_FLAGS, ("text", text_rest)),),
            ((*_TEXT_FLAGS, ("text_type", u8), ("text", text_rest)),),
        ),
        (0x8400, "call_back", "JT/T 808-2013 §8.31", ((("call_type", u8), ("phone_number", text_rest)),), ()),
        (0x8600, "set_circles", "JT/T 808-2013 §8.35", (_areas(_CIRCLE, False),), (_areas(_CIRCLE, True),)),
        (0x8601, "delete_circles", "JT/T 808-2013 §8.36", (_IDS,), ()),
        (0x8602, "set_rectangles", "JT/T 808-2013 §8.37", (_areas(_RECTANGLE, False),), (_areas(_RECTANGLE, True),)),
        (0x8603, "delete_rectangles", "JT/T 808-2013 §8.38", (_IDS,), ()),
        (0x8604, "set_polygon", "JT/T 808-2013 §8.39", (_polygon(False),), (_polygon(True),)),
        (0x8605, "delete_polygons", "JT/T 808-2013 §8.40", (_IDS,), ()),
        (0x8606, "set_route", "JT/T 808-2013 §8.41", (_route(False),), (_route(True),)),
        (0x8607, "delete_routes", "JT/T 808-2013 §8.42", (_IDS,), ()),
        (
            0x8800,
            "media_answer",
            "JT/T 808-2013 §8.53",
            ((("media_id", u32),), (("media_id", u32), ("packets", numbers(u8, 2)))),
            (),
        ),
        (0x8801, "shoot", "JT/T 808-2013 §8.54", (_SHOT,), ()),
        (0x9003, "query_audio_video", "JT/T 1078-2016 §5.3", ((),), ()),
        (0x9101, "start_video", "JT/T 1078-2016 §5.5", (_SERVER,), ()),
        (0x9105, "video_state", "JT/T 1078-2016 §5.5", ((("channel", u8), ("packet_loss_pct", u8)),), ()),
        (0x9201, "play_back", "JT/T 1078-2016 §5.6", (_PLAYBACK,), ()),
        (
            0x9202,
            "control_playback",
            "JT/T 1078-2016 §5.6",
            ((("channel", u8), ("control", u8), ("playback_speed", u8), ("seek_to", time)),),
            (),
        ),
        (0x9205, "query_recordings", "JT/T 1078-2016 §5.6", (_RECORDINGS,), ()),
    )
}
