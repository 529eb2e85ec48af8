from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from access import alerts_view, devices, maintenance, publication, requests, users, why_changed
from access.city import DOMAINS
from access.map import COLOURS
from alerting.policy.grouping import URGENCY
from dashboards import commands, live_client, look
from dashboards.language import LANGUAGES, words_of
from dashboards.views import alert_detail, feed_health
from ingest.pull import FAILURES

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"
# Keys that are put together from a value: every value that the value may have.
FAMILIES = {
    "domain": (*DOMAINS, "command"),
    "colour": (*COLOURS, "none"),
    "colour_short": (*COLOURS, "none"),
    "warning": COLOURS,
    "confidence": ("A", "B", "C", "D"),
    "freshness": ("fresh", "late", "refused", "silent"),
    "verdict": ("passed", "failed", "raised"),
    "result": ("landed", "nothing_new", "rejected", *FAILURES),
    "outcome": ("quarantined", "flagged", "corrected", "ignored", "withdrawn"),
    "state": alerts_view.STATES,
    "event": alerts_view.KINDS,
    "due": alerts_view.WORKED_ON,
    "strip": ("suppressed", "exercises"),
    "evidence": ("text_read", "secondary", "unconfirmed", "design", "reported"),
    "order": ("worst", "newest"),
    "feeds_order": feed_health._ORDERS,
    "exercise": ("both", "real", "exercise"),
    "step": alert_detail.STEPS,
    "done": alert_detail.STEPS,
    "advice": commands.ADVISED,
    "length": tuple(commands.LENGTHS),
    "actor": ("rule", "clock", "silence", "inhibition"),
    "told": URGENCY,
    "target": maintenance.TARGET_KINDS,
    "delivery": alerts_view.DELIVERIES,
    "role": users.ROLES,
    "live_client": live_client.WORDS,
    "device": devices.STATUSES,
    "limit": devices.LIMITS,
    "verdict_of": ("banned", "allowed"),
    "decision": ("banned", "allowed", "register"),
    "map": ("unscored_reason", "area_reason"),
    "request": ("approve", "reject"),
    "publication": get_args(publication.State),
    "maintenance": ("look", "begin"),
    "shadow": ("rule", "now", "shadow", "apart"),
    "request_kind": tuple(requests.Kind),
    "request_state": requests.STATES,
    "cause": why_changed.KINDS,
}
KEY = re.compile(r"[a-z]\w*(\.[A-Za-z]\w*)+")


def used_keys() -> set[str]:
    """Every key that the pages ask for: plain ones, and whole families for keys made with an f-string."""
    heads = {key.split(".")[0] for key in words_of("zh").texts}
    found: set[str] = set()
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                first = node.values[0]
                text = str(first.value) if isinstance(first, ast.Constant) else ""
                if text.endswith(".") and text[:-1] in FAMILIES:
                    found |= {f"{text}{value}" for value in FAMILIES[text[:-1]]}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.fullmatch(node.value):
                found.add(node.value)
    return {key for key in found if key.split(".")[0] in heads and key not in ("app.py", "live_client.js")}


@pytest.mark.case("pages.9")
def test_a_warning_and_a_risk_class_have_words_of_their_own() -> None:
    # Levels: National Overall Emergency Plan of 2006, 3.1.1. Classes: the four colours of graded risk control (2016).
    levels = {"red": "特别严重", "orange": "严重", "yellow": "较重", "blue": "一般"}
    classes = {"red": "重大", "orange": "较大", "yellow": "一般", "blue": "低"}
    zh = words_of("zh")
    for colour in COLOURS:
        assert zh(f"warning.{colour}").split(" · ")[1].split("（")[0] == levels[colour]
        assert zh(f"colour.{colour}").split(" · ")[1] == classes[colour]
    assert "升级" not in zh("mark.escalated", n=2)
    assert "升级" in zh("event.upgraded")
    assert [key for key, text in zh.texts.items() if "升级" in text] == ["event.upgraded", "told.upgraded"]


def test_languages_have_the_keys_that_are_used_and_no_other() -> None:
    used = used_keys()
    assert len(used) > 80
    for language in LANGUAGES:
        texts = words_of(language).texts
        assert not used - set(texts), f"{language}: missing"
        assert not set(texts) - used, f"{language}: not used by any page"


def test_places_in_texts_are_the_same_in_both_languages() -> None:
    chinese, english = (words_of(language).texts for language in ("zh", "en"))
    for key, text in chinese.items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", english[key])), key


def test_texts_are_in_their_language() -> None:
    han = re.compile(r"[\u4e00-\u9fff]")
    for key, text in words_of("en").texts.items():
        assert key == "app.switch" or not han.search(text), f"{key}: {text}"
    for key, text in words_of("zh").texts.items():
        assert key in ("app.switch", "alert.and") or han.search(text), f"{key}: {text}"


def test_word_files_have_no_key_twice() -> None:
    for language in LANGUAGES:
        text = (FOLDER / "words" / f"{language}.yml").read_text(encoding="utf-8")
        n_leaves = len(re.findall(r"^  \w+: ", text, re.MULTILINE))
        assert n_leaves == len(words_of(language).texts)
        assert isinstance(yaml.safe_load(text), dict)


def test_a_key_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError):
        words_of("zh")("no.such.key")


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    "colour",
    [look.INK, look.MUTED, *look.RISK.values(), *(colour for colour, _ in look.STATE.values())],
)
@pytest.mark.parametrize("ground", [look.PANEL, look.BACKGROUND])
def test_text_has_contrast(colour: str, ground: str) -> None:
    """WCAG 2 level AA for normal text."""
    light, dark = sorted((_luminance(colour), _luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_each_colour_has_its_own_shape() -> None:
    drawn = [(look.SYMBOL[colour], colour is None) for colour in look.RISK]
    assert len(set(drawn)) == len(look.RISK)


@pytest.mark.case("security.held.H2")
def test_values_are_escaped() -> None:
    dangerous = '<img src=x onerror="alert(1)">'
    for html in (look.risk_mark("red", dangerous), look.state_mark("late", dangerous), look.banner("bad", dangerous)):
        assert "<img" not in html
