"""Our own look at a CAP 1.2 message before it leaves: the schema's structure and CAP's rules that no schema states.

Tests hold the same messages against the official schema; a city's machine has none. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from alerting.cap.build import NAMESPACE
from alerting.cap.sense import Named, fault_of_clock, fault_of_ring, fault_of_times, faults_of_references, is_radius

# Element → most times it may stand, in the schema's order; `!` means it must.
_ALERT = (
    "identifier!",
    "sender!",
    "sent!",
    "status!",
    "msgType!",
    "source",
    "scope!",
    "restriction",
    "addresses",
    "code*",
    "note",
    "references",
    "incidents",
    "info*",
)
_INFO = (
    "language",
    "category!*",
    "event!",
    "responseType*",
    "urgency!",
    "severity!",
    "certainty!",
    "audience",
    "eventCode*",
    "effective",
    "onset",
    "expires",
    "senderName",
    "headline",
    "description",
    "instruction",
    "web",
    "contact",
    "parameter*",
    "resource*",
    "area*",
)
_AREA = ("areaDesc!", "polygon*", "circle*", "geocode*", "altitude", "ceiling")
_PAIR = ("valueName!", "value!")
_CHILDREN: Mapping[str, tuple[str, ...]] = {
    "alert": _ALERT,
    "info": _INFO,
    "area": _AREA,
    "eventCode": _PAIR,
    "parameter": _PAIR,
    "geocode": _PAIR,
}


@dataclass(frozen=True, slots=True)
class _Rules:
    """What may stand in an element: places in order, what must be there, what only once."""

    order: Mapping[str, int]
    needed: tuple[str, ...]
    single: tuple[str, ...]


def _rules_of(marked: tuple[str, ...]) -> _Rules:
    names = [one.rstrip("*!") for one in marked]
    return _Rules(
        {name: place for place, name in enumerate(names)},
        tuple(name for name, one in zip(names, marked, strict=True) if "!" in one),
        tuple(name for name, one in zip(names, marked, strict=True) if "*" not in one),
    )


_RULES: Mapping[str, _Rules] = {name: _rules_of(marked) for name, marked in _CHILDREN.items()}
WORDS: Mapping[str, tuple[str, ...]] = {
    "status": ("Actual", "Exercise", "System", "Test", "Draft"),
    "msgType": ("Alert", "Update", "Cancel", "Ack", "Error"),
    "scope": ("Public", "Restricted", "Private"),
    "category": (
        "Geo",
        "Met",
        "Safety",
        "Security",
        "Rescue",
        "Fire",
        "Health",
        "Env",
        "Transport",
        "Infra",
        "CBRNE",
        "Other",
    ),
    "responseType": ("Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"),
    "urgency": ("Immediate", "Expected", "Future", "Past", "Unknown"),
    "severity": ("Extreme", "Severe", "Moderate", "Minor", "Unknown"),
    "certainty": ("Observed", "Likely", "Possible", "Unlikely", "Unknown"),
}
_TIMES = ("sent", "effective", "onset", "expires")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
_POINT = re.compile(r"(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)")


def faults_of(message: bytes, now: datetime | None = None) -> list[str]:
    """What is wrong with a message of ours, one sentence each; empty when nothing is. `now` is when it would leave."""
    root = etree.fromstring(message, etree.XMLParser(resolve_entities=False, no_network=True))
    if root.tag != f"{{{NAMESPACE}}}alert":
        return [f"root is {root.tag}, expected alert of {NAMESPACE}"]
    faults: list[str] = []
    _structure(root, faults)
    return [*faults, *_identity(root), *_sense(root, now)]


def _structure(element: etree._Element, faults: list[str]) -> None:
    name = _name(element)
    rules = _RULES.get(name)
    if rules is None:
        faults += _leaf(name, (element.text or "").strip())
        return
    found = [_name(child) for child in element]
    places = [rules.order.get(one, -1) for one in found]
    if -1 in places:
        unknown = sorted({one for one, place in zip(found, places, strict=True) if place < 0})
        faults.append(f"{name} has {', '.join(unknown)}, which CAP 1.2 does not know there")
    elif places != sorted(places):
        faults.append(f"{name} has its elements out of order: {', '.join(found)}")
    faults += [f"{name} has no {one}" for one in rules.needed if one not in found]
    if len(set(found)) < len(found):
        faults += [f"{name} has {found.count(one)} {one}, expected one" for one in rules.single if found.count(one) > 1]
    for child in element:
        _structure(child, faults)


def _name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _leaf(name: str, text: str) -> Iterator[str]:
    if not text:
        yield f"{name} is empty; leave it out"
    elif name in WORDS and text not in WORDS[name]:
        yield f"{name} is {text!r}, expected one of {', '.join(WORDS[name])}"
    elif name in _TIMES and _instant(text) is None:
        yield f"{name} is {text!r}, expected a time like 2026-07-30T12:00:00+08:00"
    elif name == "polygon":
        points = [_POINT.fullmatch(one) for one in text.split()]
        ring = [(float(one[1]), float(one[2])) for one in points if one is not None]
        fault = fault_of_ring(ring) if len(ring) == len(points) else "a point that is no latitude,longitude"
        if fault:
            yield f"polygon {text[:60]!r}: {fault}"
    elif name == "circle":
        point, _, radius = text.partition(" ")
        if not _is_place(point) or not re.fullmatch(r"\d+(\.\d+)?", radius) or not is_radius(float(radius)):
            yield f"circle {text!r} is no point, latitude first, with a radius in km"


def _is_place(point: str) -> bool:
    found = _POINT.fullmatch(point)
    return found is not None and abs(float(found[1])) <= 90 and abs(float(found[2])) <= 180


def _identity(root: etree._Element) -> Iterator[str]:
    for name in ("identifier", "sender"):
        text = _text(root, name)
        if re.search(r"[\s,<&]", text):
            yield f"{name} {text!r} holds a blank, a comma, < or &"
    if _text(root, "scope") == "Restricted" and not _text(root, "restriction"):
        yield "scope is Restricted, but no restriction says for whom"
    references = _text(root, "references").split()
    if _text(root, "msgType") in ("Update", "Cancel") and not references:
        yield f"{_text(root, 'msgType')} refers to no earlier message"
    for one in references:
        parts = one.split(",")
        if len(parts) != 3 or not all(parts) or not _TIME.fullmatch(parts[2]):
            yield f"reference {one!r} is not sender,identifier,sent"


def _sense(root: etree._Element, now: datetime | None) -> Iterator[str]:
    """What the schema allows and nobody can mean; times and references that cannot be read are faults already."""
    sent = _instant(_text(root, "sent"))
    if sent is None:
        return
    parts = [one.split(",") for one in _text(root, "references").split()]
    named = [Named(one[0], one[1], _instant(one[2])) for one in parts if len(one) == 3]
    yield from faults_of_references(_text(root, "sender"), _text(root, "identifier"), sent, named)
    found = [fault_of_clock(sent, now) if now else None]
    infos = root.iter(f"{{{NAMESPACE}}}info")
    found += [fault_of_times(sent, _instant(_text(one, "onset")), _instant(_text(one, "expires"))) for one in infos]
    yield from dict.fromkeys(fault for fault in found if fault)


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:  # a thirteenth month
        return None


def _text(root: etree._Element, name: str) -> str:
    return (root.findtext(f"{{{NAMESPACE}}}{name}") or "").strip()
