"""Device health in a real browser, on links as gateways write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alerted_home import AlertedHome, device
from corner import fresh, log_in, log_out
from playwright.sync_api import Page, expect

from access import devices
from access.live import ops_reader
from access.rights import NotAllowedError, Reader
from core.settings import Home
from core.store import tables
from served_pages import Site, served

pytestmark = pytest.mark.browser
N_GAUGES = 10_000


@pytest.fixture(scope="module")
def listened(tmp_path_factory: pytest.TempPathFactory) -> AlertedHome:
    """Ten thousand river gauges, and monitors of dust of which some have something to tell."""
    made = AlertedHome(Home(tmp_path_factory.mktemp("devices"), {}))
    now = made.now
    made.links(*(device(f"{number:010}", "water.river_reading") for number in range(N_GAUGES)))
    made.links(
        device("DUST-WELL"),
        device("DUST-CALLS", is_connected=False),
        device("DUST-MUTE", is_connected=False, last_frame_at=now - timedelta(hours=5)),
        device(
            "DUST-ODD",
            deviations='{"short_body": 12}',
            bad_frames=3,
            last_bad_at=now,
            last_bad_reason="check code 0x3a found, expected 0x3b",
        ),
        device("DUST-BANNED", standing="banned", is_connected=False, refused=4),
        device("STRANGER", standing="unknown", is_connected=False, last_frame_at=None, frames=0, refused=88),
    )
    with made.engine.begin() as connection:
        progress = {
            "feed_id": "housing.dust_reading",
            "raw_sequence": 99,
            "watermark_at": now,
            "lag": 7,
            "rows_in": 120_000,
            "rows_landed": 119_990,
            "rows_quarantined": 10,
            "rows_ignored": 0,
            "late": 3,
            "updated_at": now,
        }
        connection.execute(sa.insert(tables.stream_progress).values(**progress))
        clock = {"raw_feed": "housing.dust_reading", "seen_at": now, "since_at": now - timedelta(hours=3)}
        for device_id, offset_s, is_off, jumped_at in (
            ("DUST-WELL", 365 * 86_400, True, now),
            ("DUST-CALLS", -3 * 3600, True, None),
            ("DUST-MUTE", None, True, None),
            ("DUST-ODD", 0, False, now - timedelta(hours=1)),
            ("DUST-BANNED", 0, False, now - timedelta(days=9)),
        ):
            values = {**clock, "device_id": device_id, "offset_s": offset_s, "is_off": is_off, "jumped_at": jumped_at}
            connection.execute(sa.insert(tables.device_clock).values(**values))
    made.person("lead", role="shift_lead")
    made.person("officer")
    return made


@pytest.fixture(scope="module")
def device_site(listened: AlertedHome) -> Iterator[Site]:
    """The pages of that home."""
    with served(listened.home) as running:
        yield running


def open_devices(page: Page, site: Site, language: str = "zh") -> None:
    """Open the page and wait for its list."""
    page.goto(f"{site.url}/devices?lang={language}")
    expect(page.locator(".cr h1")).to_be_visible()
    expect(page.locator('[data-testid="stApp"]')).to_have_attribute("data-test-script-state", "notRunning")


def pick(page: Page, key: str, label: str, option: str) -> None:
    """Choose an option of a select box."""
    page.locator(f".st-key-{key}").get_by_role("combobox").fill(label)
    page.get_by_role("option", name=option).first.click()


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("zh", ["工地扬尘噪声读数", "超过 30 分钟 无帧即为静默", "网关没有应答", "119,990", "10,004"]),
        ("en", ["Dust and noise readings", "silent after 30 min", "The gateway does not answer", "119,990"]),
    ],
)
def test_every_feed_says_how_its_devices_are(page: Page, device_site: Site, language: str, texts: list[str]) -> None:
    open_devices(page, device_site, language)
    for text in texts:
        expect(page.get_by_text(text).first).to_be_attached()
    dust = page.locator("tr").filter(has_text="housing.dust_reading").first.locator("td.n")
    # devices, connected, heard, silent, unknown, banned, frames, bad, refused, deviating, clock off
    expect(dust).to_have_text(["4", "2", "1", "1", "1", "1", "6,000", "3", "92", "1", "4"])
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def test_filters_find_one_among_ten_thousand(page: Page, device_site: Site) -> None:
    open_devices(page, device_site)
    expect(page.get_by_text("10,006 台")).to_be_visible()
    pick(page, "device_status", "静默", "静默")
    expect(page.get_by_text("1 台，最久未听到的在前")).to_be_visible()
    expect(page.locator("td").filter(has_text="DUST-MUTE")).to_be_visible()
    pick(page, "device_status", "不合规", "不合规")
    expect(page.get_by_text("short_body ×12")).to_be_visible()
    expect(page.get_by_text("check code 0x3a found, expected 0x3b")).to_be_visible()
    pick(page, "device_status", "全部", "全部")
    page.get_by_label("查找设备").fill("0000009999")
    page.get_by_label("查找设备").press("Enter")
    expect(page.get_by_text("1 台，最久未听到的在前")).to_be_visible()
    expect(page.locator("td").filter(has_text="0000009999")).to_be_visible()


@pytest.mark.case("live.A8")
@pytest.mark.parametrize(
    ("language", "label", "status", "offsets"),
    [
        ("zh", "时钟异常", "时钟异常", ["快 365 天", "慢 3 小时", "无有效时间", "已恢复正常"]),
        ("en", "Clock off", "Clock off", ["365 days ahead", "3 h behind", "no usable time", "right again"]),
    ],
)
def test_a_wrong_clock_is_shown_with_its_offset(
    page: Page, device_site: Site, language: str, label: str, status: str, offsets: list[str]
) -> None:
    open_devices(page, device_site, language)
    pick(page, "device_status", label, status)
    wrong = ["DUST-WELL", "DUST-CALLS", "DUST-MUTE", "DUST-ODD"]
    for device_id, offset in zip(wrong, offsets, strict=True):
        expect(page.locator("tr").filter(has_text=device_id)).to_contain_text(offset)
    jumped = {"zh": "时钟跳变", "en": "jumped, last"}[language]
    expect(page.locator("tr").filter(has_text=jumped)).to_have_count(2)
    expect(page.locator("tr").filter(has_text="DUST-BANNED")).to_have_count(0)


def test_a_ban_needs_a_login_a_role_and_a_reason(page: Page, listened: AlertedHome, device_site: Site) -> None:
    open_devices(page, device_site)
    page.locator(".st-key-device_box summary").click()
    expect(page.get_by_text("登录后才能处置").first).to_be_visible()
    log_in(page, "officer")
    page.locator(".st-key-device_box summary").click()
    expect(page.get_by_text("您的角色（值班员）在这里只能查看。").first).to_be_visible()
    log_out(page)
    log_in(page, "lead")
    page.locator(".st-key-device_box summary").click()
    page.get_by_label("查找设备").fill("STRANGER")
    page.get_by_label("查找设备").press("Enter")
    expect(page.get_by_text("1 台，最久未听到的在前")).to_be_visible()
    fresh(page, ".st-key-device_banned button").click()
    expect(fresh(page, ".said.no")).to_contain_text("请先选择设备")  # none is chosen by itself
    pick(page, "device_choice", "STRANGER", "STRANGER")
    fresh(page, ".st-key-device_reason input").fill("冒充扬尘仪")
    fresh(page, ".st-key-device_reason input").press("Enter")
    fresh(page, ".st-key-device_banned button").click()
    expect(fresh(page, ".said")).to_contain_text("网关数秒内生效")
    expect(page.get_by_text("lead 封禁")).to_be_visible()
    action = tables.operator_action.c
    banned = sa.select(action.actor, action.target, action.reason).where(action.action == "ban_device")
    assert listened.rows(banned) == [
        {"actor": "lead", "target": "housing.dust_reading/STRANGER", "reason": "冒充扬尘仪"}
    ]


def test_maintenance_is_announced_and_taken_back(page: Page, listened: AlertedHome, device_site: Site) -> None:
    open_devices(page, device_site)
    expect(page.get_by_text("当前没有公告的维护")).to_be_visible()
    log_in(page, "officer")
    page.locator(".st-key-maintenance_box summary").click()
    target, reason = (fresh(page, f".st-key-maintenance_work_{name} input") for name in ("target", "reason"))
    reason.fill("清淤")
    reason.press("Enter")
    target.fill("nowhere")
    target.press("Enter")
    fresh(page, ".st-key-maintenance_work_begin button").click()
    expect(fresh(page, ".said.no")).to_contain_text("登记册中没有这个编号")
    pick(page, "maintenance_work_kind", "区域", "区域")
    expect(page.locator(".said")).to_have_count(0)  # when it goes, what is below it moves up under the mouse
    target.fill("420502001")
    target.press("Enter")
    fresh(page, ".st-key-maintenance_work_begin button").click()
    expect(fresh(page, ".said")).to_contain_text("已公告")
    expect(page.locator("td").filter(has_text="区域 420502001")).to_be_visible()
    expect(page.locator("td").filter(has_text="清淤")).to_be_visible()
    fresh(page, ".st-key-maintenance_work_end button").click()
    expect(fresh(page, ".said")).to_contain_text("已提前结束")
    expect(page.get_by_text("当前没有公告的维护")).to_be_visible()
    window = tables.maintenance_window.c
    (row,) = listened.rows(sa.select(window.target, window.actor, window.cancelled_at))
    assert (row["target"], row["actor"], row["cancelled_at"] is None) == ("420502001", "officer", False)


@pytest.mark.parametrize("width", [1366, 390])
def test_nothing_is_wider_than_the_screen(page: Page, device_site: Site, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 768})
    open_devices(page, device_site, "en")
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width


def test_ten_thousand_devices_cost_a_look_of_a_moment(listened: AlertedHome) -> None:
    """Half a second of processor time for everything the page reads; measured at a tenth of that."""
    now = datetime.now(UTC)
    with ops_reader(listened.home) as live:
        assert live is not None
        devices.device_feeds(live, now)  # the contracts of the feeds are read once a process
        begun_at = time.process_time()
        feeds = devices.device_feeds(live, now)
        last = devices.device_page(live, listened.home, devices.DeviceFilter(), now, N_GAUGES // devices.DEVICES_A_PAGE)
        spent_s = time.process_time() - begun_at
    assert sum(feed.devices for feed in feeds) == N_GAUGES + 4
    assert len(last.rows) == 6
    assert spent_s < 0.5


def test_only_some_roles_may_ban(listened: AlertedHome) -> None:
    with pytest.raises(NotAllowedError, match="shift_lead"):
        devices.decide(listened.home, Reader("guest"), "housing.dust_reading", "X", "banned", "why", listened.now)
    reader = Reader("root", "administrator")
    with pytest.raises(ValueError, match="reason"):
        devices.decide(listened.home, reader, "housing.dust_reading", "X", "banned", " ", listened.now)


def test_the_gateway_is_asked_for_its_limits(listened: AlertedHome) -> None:
    """A real metrics page of the listening process, with one limit hit."""
    from core.runtime.telemetry import Health, exposed_telemetry
    from ingest.devices.counts import Counts

    home = Home(listened.home.root, {"CITYRISK_METRICS_PORT": "0"})
    counts = Counts()
    counts.turned_away.labels("per_address").inc(3)
    counts.closed.labels("idle").inc()
    counts.closed.labels("peer").inc()  # which is no doing of the gateway's
    with exposed_telemetry(home, "listen", {}, listened.now, counts.registry, lambda: Health(True)):
        found = devices.gateway(home)
    assert found == devices.Gateway({"per_address": 3}, {"idle": 1})
    assert devices.gateway(home) == devices.Gateway(None, None)
