"""Device health: who reports, who is silent, who was refused and why, and how far the stream is behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from html import escape

import streamlit as st

from access import devices, live
from dashboards import commands, look
from dashboards.frame import Scene, age_words, clock, may_not, present, title_line
from dashboards.views import maintenance

REFRESH_S = 5.0


def draw(scene: Scene) -> None:
    """The page. It needs no published generation."""
    words = scene.words
    title_line(scene, words("nav.devices"), [words("devices.subtitle"), words("edition.zone")])
    _summary(scene)
    _streams(scene)
    _listing(scene, _filters(scene))
    maintenance.draw(scene)


@st.fragment(run_every=REFRESH_S)
def _summary(scene: Scene) -> None:
    words = scene.words
    with live.ops_reader(scene.home) as ops:
        if ops is None:
            st.html(f'<div class="cr">{look.banner("warn", words("alerts.no_store"))}</div>')
            return
        feeds = devices.device_feeds(ops, present())
    gateway = devices.gateway(scene.home)
    st.html(f'<div class="cr"><div class="stack">{_gateway(scene, gateway)}{_tiles(scene, feeds)}</div></div>')
    if not feeds:
        st.html(f'<div class="cr"><p class="quiet">{escape(words("devices.none_yet"))}</p></div>')
        return
    heads = [
        (words("feeds.feed"), ""),
        (words("devices.devices"), "n"),
        (words("device.connected"), "n"),
        (words("device.heard"), "n"),
        (words("device.silent"), "n"),
        (words("device.unknown"), "n"),
        (words("device.banned"), "n"),
        (words("devices.frames"), "n"),
        (words("devices.bad"), "n"),
        (words("devices.refused"), "n"),
        (words("devices.deviating"), "n"),
        (words("device.clock_off"), "n"),
        (words("devices.last_frame"), "keep"),
    ]
    rows = [
        [
            f"{scene.name(feed.name_zh, feed.name_en)}<small>{escape(feed.raw_feed)} · "
            f"{escape(words('devices.silent_after', age=age_words(words, feed.silent_after)))}</small>",
            f"{feed.devices:,}",
            f"{feed.connected:,}",
            f"{feed.heard:,}",
            _count("silent", feed.silent),
            _count("late", feed.unknown),
            _count("banned", feed.banned),
            f"{feed.frames:,}",
            _count("late", feed.bad_frames),
            _count("late", feed.refused),
            _count("late", feed.deviating),
            _count("late", feed.clock_off),
            clock(feed.last_frame_at) if feed.last_frame_at else "–",
        ]
        for feed in feeds
    ]
    st.html(f'<div class="cr"><h2>{escape(words("devices.by_feed"))}</h2>{look.table(heads, rows)}</div>')


def _tiles(scene: Scene, feeds: Sequence[devices.DeviceFeed]) -> str:
    words = scene.words
    return look.tiles(
        [
            (f"{sum(feed.devices for feed in feeds):,}", words("devices.devices")),
            *(
                (look.state_mark(name, f"{sum(getattr(feed, name) for feed in feeds):,}"), words(f"device.{name}"))
                for name in ("connected", "heard", "silent", "unknown", "banned")
            ),
            (f"{sum(feed.bad_frames for feed in feeds):,}", words("devices.bad")),
            (f"{sum(feed.deviating for feed in feeds):,}", words("devices.deviating")),
            (f"{sum(feed.clock_off for feed in feeds):,}", words("device.clock_off")),
        ]
    )


def _gateway(scene: Scene, gateway: devices.Gateway) -> str:
    """What the gateway itself refused; a gateway that does not answer hears no device at all."""
    words = scene.words
    if gateway.turned_away is None or gateway.closed is None:
        return look.banner("bad", words("devices.no_gateway"))
    counted = {**gateway.turned_away, **gateway.closed}
    said = [f"{words(f'limit.{name}')} {counted[name]:,}" for name in devices.LIMITS if counted.get(name)]
    text = words("devices.limits", said=words("alert.and").join(said)) if said else words("devices.no_limits")
    return f'<p class="quiet">{look.state_mark("late" if said else "fresh", text)}</p>'


def _filters(scene: Scene) -> devices.DeviceFilter:
    words = scene.words
    with live.ops_reader(scene.home) as ops:
        feeds = devices.device_feeds(ops, scene.now) if ops is not None else []
    names = {feed.raw_feed: words.pick(feed.name_zh, feed.name_en) for feed in feeds}
    first, second, third = st.columns([1.2, 1, 1.2])
    feed = first.selectbox(
        words("feeds.feed"),
        [None, *names],
        format_func=lambda one: f"{names[one]} · {one}" if one else words("alerts.every"),
        key="device_feed",
    )
    status = second.selectbox(
        words("feeds.state"),
        [None, *devices.STATUSES],
        format_func=lambda one: words(f"device.{one}") if one else words("alerts.every"),
        key="device_status",
    )
    text = third.text_input(words("devices.find"), key="device_text", placeholder=words("devices.find_hint"))
    return devices.DeviceFilter(feed, status, text)


def _listing(scene: Scene, wanted: devices.DeviceFilter) -> None:
    words = scene.words
    with live.ops_reader(scene.home) as ops:
        if ops is None:
            return
        number = st.session_state.get("device_page", 0)
        page = devices.device_page(ops, scene.home, wanted, scene.now, number)
        n_pages = max(1, -(-page.n_matching // devices.DEVICES_A_PAGE))
        if number >= n_pages:
            st.session_state["device_page"] = number = n_pages - 1
            page = devices.device_page(ops, scene.home, wanted, scene.now, number)
    matching = escape(words("devices.matching", n=f"{page.n_matching:,}"))
    title = f"<h2>{escape(words('devices.list'))}<small>{matching}</small></h2>"
    heads = [
        (words("feeds.state"), "keep"),
        (words("devices.device"), ""),
        (words("devices.last_frame"), "keep"),
        (words("devices.last_reading"), "keep"),
        (words("devices.frames"), "n"),
        (words("devices.bad"), "n"),
        (words("devices.refused"), "n"),
        (words("devices.deviations"), ""),
        (words("devices.clock"), ""),
        (words("devices.heard_by"), ""),
    ]
    rows = [_row(scene, one) for one in page.rows]
    st.html(f'<div class="cr">{title}{look.table(heads, rows)}</div>')
    if n_pages > 1:
        st.selectbox(
            words("devices.page"),
            range(n_pages),
            format_func=lambda one: f"{one + 1} / {n_pages}",
            key="device_page",
            width=220,
        )
    _decide(scene, page.rows)


def _row(scene: Scene, device: devices.Device) -> list[str]:
    words = scene.words
    bad = f"{device.link.bad_frames:,}"
    if device.link.last_bad_reason:
        at = clock(device.link.last_bad_at) if device.link.last_bad_at else ""
        bad += f"<small>{escape(device.link.last_bad_reason)} · {at}</small>"
    said = ""
    if device.access is not None:
        word = words(f"verdict_of.{device.access.verdict}", actor=device.access.actor)
        said = f"<small>{escape(word)}: {escape(device.access.reason)}</small>"
    options = ", ".join(f"{name} ×{n:,}" for name, n in device.deviations.items())
    return [
        look.state_mark(device.status, words(f"device.{device.status}")),
        f"{escape(device.link.device_id)}<small>{escape(device.link.raw_feed)}</small>{said}",
        clock(device.link.last_frame_at) if device.link.last_frame_at else "–",
        clock(device.last_observed_at) if device.last_observed_at else "–",
        f"{device.link.frames:,}",
        bad,
        _count("late", device.link.refused),
        escape(options or "–"),
        _clock(scene, device.clock),
        f"{escape(device.link.carrier or '–')}<small>{escape(device.link.address)}</small>",
    ]


def _clock(scene: Scene, offset: devices.ClockOffset | None) -> str:
    """How far a device's clock is from receipt, since when, and when it jumped."""
    if offset is None:  # never off
        return "–"
    words, jumped_at = scene.words, offset.jumped_at
    jumped = ""
    if jumped_at is not None and jumped_at > present() - devices.JUMP_SHOWN:
        jumped = f"<small>{escape(words('clock.jumped', at=clock(jumped_at)))}</small>"
    if not offset.is_off:
        return look.state_mark("late", words("clock.right_again")) + jumped if jumped else "–"
    offset_s = offset.offset_s
    if offset_s is None:
        said = words("clock.unset")
    else:
        said = words(
            "clock.ahead" if offset_s > 0 else "clock.behind", by=age_words(words, timedelta(seconds=abs(offset_s)))
        )
    since = escape(words("clock.since", at=clock(offset.since_at)))
    return f"{look.state_mark('late', said)}<small>{since}</small>{jumped}"


def _decide(scene: Scene, found: Sequence[devices.Device]) -> None:
    """Ban, allow, or leave to the register; with a reason, by somebody who is logged in."""
    words = scene.words
    commands.show_said(scene, "device")
    with st.expander(words("devices.decide"), key="device_box"):
        if barred := may_not(scene, devices.DEVICE_ROLES):
            st.html(f'<div class="cr"><p class="quiet">{escape(barred)}</p></div>')
            return
        listed = [(one.link.raw_feed, one.link.device_id) for one in found]
        if not listed:
            return
        st.selectbox(
            words("devices.device"),
            listed,
            index=None,  # nobody is banned because he stood first in a list
            placeholder=words("devices.choose"),
            format_func=lambda one: f"{one[1]} · {one[0]}",
            key="device_choice",
        )
        st.text_input(words("silence.reason"), key="device_reason")
        with st.container(horizontal=True):
            for verdict in ("banned", "allowed", None):
                st.button(
                    words(f"decision.{verdict or 'register'}"),
                    key=f"device_{verdict}",
                    on_click=commands.decide_device,
                    args=(scene, verdict),
                )


@st.fragment(run_every=REFRESH_S)
def _streams(scene: Scene) -> None:
    words = scene.words
    with live.ops_reader(scene.home) as ops:
        feeds = devices.streams(ops) if ops is not None else []
    if not feeds:
        return
    heads = [
        (words("feeds.feed"), ""),
        (words("devices.lag"), "n"),
        (words("devices.watermark"), "keep"),
        (words("devices.rows_in"), "n"),
        (words("devices.landed"), "n"),
        (words("feeds.quarantined_short"), "n"),
        (words("devices.late_rows"), "n"),
        (words("devices.updated"), "keep"),
    ]
    cells = [
        [
            f"{scene.name(feed.name_zh, feed.name_en)}<small>{escape(feed.progress.feed_id)}</small>",
            _count("late", feed.progress.lag),
            clock(feed.progress.watermark_at) if feed.progress.watermark_at else "–",
            f"{feed.progress.rows_in:,}",
            f"{feed.progress.rows_landed:,}",
            _count("late", feed.progress.rows_quarantined),
            _count("late", feed.progress.late),
            clock(feed.progress.updated_at),
        ]
        for feed in feeds
    ]
    st.html(f'<div class="cr"><h2>{escape(words("devices.streams"))}</h2>{look.table(heads, cells)}</div>')


def _count(state: str, n: int) -> str:
    return f"<b style='color:{look.STATE[state][0]}'>{n:,}</b>" if n else "0"
