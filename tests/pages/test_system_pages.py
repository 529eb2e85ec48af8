"""The page of every system in both languages, and one of them in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from alerted_home import AlertedHome
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from access.systems import CitySystem, PagePart, city_systems
from alerting.lifecycle.joining import Subject
from core.settings import Home
from dashboards import parts
from dashboards.language import LANGUAGES, Language, words_of
from published_systems import DEVICES, OBJECTS, object_id, publish_systems
from served_pages import Site, served

SYSTEMS = city_systems(Home(Path("/nowhere"), {})).built


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> AlertedHome:
    """A published city with rows of every system, and one open alert of each system that has rules."""
    made = AlertedHome(Home(tmp_path_factory.mktemp("systems"), {}))
    publish_systems(made.home, made.now, SYSTEMS.values())
    for system in SYSTEMS.values():
        if system.rule_ids:
            made.breach(_subject(system), f"{system.owner}:{system.id}", "orange", 51.0, rule_id=system.rule_ids[0])
    return made


def _subject(system: CitySystem) -> Subject:
    return Subject(
        system.domain,
        system.subdomain,
        "made_up",
        f"{system.name_zh}报警对象",
        "420502003",
        111.29,
        30.71,
        "某量",
        "Some quantity",
    )


def _script(root: str, system_id: str, language: str) -> None:
    from functools import partial
    from pathlib import Path

    from access import rights, serving
    from access.systems import city_systems
    from dashboards import frame
    from dashboards.language import words_of
    from dashboards.views import system

    home = serving.Home(Path(root), {})
    scene = frame.Scene(home, words_of(language), rights.CITY_WIDE, frame.present())
    one = city_systems(home).built[system_id]
    frame.page(one.name_zh, partial(system.draw, one), scene)()


def drawn(home: Home, system_id: str, language: Language) -> tuple[AppTest, str]:
    """The page of a system, and all that it says."""
    page = AppTest.from_function(_script, args=(str(home.root), system_id, language), default_timeout=120).run()
    assert [f"{one.value} {one.stack_trace}" for one in page.exception] == []
    return page, "\n".join(one.proto.body for one in page.get("html"))


def test_every_system_with_a_folder_has_a_page() -> None:
    assert len(SYSTEMS) >= 14
    assert city_systems(Home(Path("/nowhere"), {})).faults == ()


@pytest.mark.parametrize("system_id", SYSTEMS)
def test_page(city: AlertedHome, system_id: str) -> None:
    system = SYSTEMS[system_id]
    for language in LANGUAGES:
        page, text = drawn(city.home, system_id, language)
        words = words_of(language)
        assert f"<h1>{words.pick(system.name_zh, system.name_en)}</h1>" in text
        for feed_id in system.feed_ids:
            assert f"<small>{feed_id}</small>" in text
        for kind in system.object_types:
            assert f"<small>{object_id(system, kind, 0)}</small>" in text, "the worst object leads the register"
            assert f">{OBJECTS * len(system.object_types)}<" in text
        if system.has_devices:
            assert words.pick(f"在线设备，共 {DEVICES}", f"Devices online of {DEVICES}") in text
        charts = page.get("bidi_component")
        has_map = bool(system.object_types) or system.has_devices
        assert len(charts) == has_map + bool(system.metrics) + 1, "map, trend and share in the index"
        if system.rule_ids:
            assert f"{system.name_zh}报警对象" in text
        else:
            assert words.pick("没有预警规则", "has no alert rules") in text
        others = [one for one in SYSTEMS.values() if one.subdomain != system.subdomain and one.rule_ids]
        assert not [one.id for one in others if f"{one.name_zh}报警对象" in text], "alerts of other systems"


def test_search_and_pages_of_the_register(city: AlertedHome) -> None:
    page, text = drawn(city.home, "L08", "zh")
    assert "对象024" not in text, "the last object of 25 stands on the second page"
    page.selectbox("L08_register_page").set_value(1).run()
    text = "\n".join(one.proto.body for one in page.get("html"))
    assert "对象024" in text
    page.text_input("L08_register_text").set_value("对象01").run()
    text = "\n".join(one.proto.body for one in page.get("html"))
    assert text.count("<small>market:elevator-01") == 10
    page.text_input("L08_register_text").set_value("没有这样的").run()
    assert "没有符合条件的对象。" in "\n".join(one.proto.body for one in page.get("html"))


def test_a_page_without_data_says_why(tmp_path: Path) -> None:
    made = AlertedHome(Home(tmp_path, {}))  # published, but nothing of gas
    _, text = drawn(made.home, "L02", "zh")
    for said in (
        "没有带坐标的对象",
        "还没有对象",
        "还没有设备",
        "还没有已发布的读数",
        "指数里没有这一类风险",
        "尚未发布",
        "本系统没有未处置的预警",
    ):
        assert said in text, said


@pytest.mark.parametrize("name", parts.names())
def test_texts_of_parts_are_in_their_language(name: str) -> None:
    han, places = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"{(\w+)}")
    for key, (chinese, english) in parts.part(name).texts.items():
        assert han.search(chinese), f"{key}: {chinese}"
        assert not han.search(english), f"{key}: {english}"
        assert set(places.findall(chinese)) == set(places.findall(english)), key


def test_parts_that_systems_name_are_there() -> None:
    for system in SYSTEMS.values():
        for named in system.page:
            parts.part(parts.module_of(named))
    with pytest.raises(parts.UnknownPartError, match="no such module"):
        parts.part(parts.module_of(PagePart("part", "crystal_ball")))


# ── in a browser ──────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def site(city: AlertedHome) -> Iterator[Site]:
    """The pages of that city."""
    with served(city.home) as running:
        yield running


@pytest.mark.browser
def test_a_page_in_a_browser(page: Page, site: Site) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{site.url}/systems?lang=en")
    page.get_by_role("link", name="Gas network monitoring").first.click()
    expect(page.locator(".cr h1")).to_have_text("Gas network monitoring")
    expect(page).to_have_url(re.compile(r"/system-L02\?lang=en$"))
    for n in range(3):  # map, trend, share in the index
        expect(page.locator("iframe, canvas").nth(n)).to_be_visible()
    page.get_by_role("button", name="Public safety").click()  # the menu of a domain
    expect(page.get_by_role("menuitem", name="Key vehicles")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="燃气监测对象000").first.click()
    expect(page.locator("dl.facts")).to_contain_text(object_id(SYSTEMS["L02"], "gas_space", 0))
    page.set_viewport_size({"width": 390, "height": 844})
    # Charts shrink a moment later.
    page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollWidth <= 390")
    page.get_by_role("link", name="燃气监测报警对象").first.click()
    expect(page.locator(".alert-facts h2")).to_have_text("燃气监测报警对象")
    expect(page).to_have_url(re.compile(r"/alerts\?lang=en&alert=[0-9a-f]{32}$"))
    expect(page.locator('[data-testid="stException"], [data-testid="stDialog"]')).to_have_count(0)
    assert {urlsplit(url).hostname for url in requests if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
