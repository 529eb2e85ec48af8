"""Read CAP messages of others: 1.2, 1.1, and the national form without a namespace. Pure, and safe with hostile bytes.

No entity is expanded and nothing is fetched: a document type is refused outright, and so is what is larger or deeper
than any warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from alerting.cap.sense import Named, fault_of_clock, fault_of_ring, fault_of_times, faults_of_references, is_radius

MOST_BYTES = 1024 * 1024
MOST_INFOS, MOST_AREAS = 32, 200
_NAMESPACES = ("urn:oasis:names:tc:emergency:cap:1.2", "urn:oasis:names:tc:emergency:cap:1.1", None)
# Encodings that keep ASCII as it is, so that no document type can hide in another one.
_ENCODINGS = ("utf-8", "us-ascii", "gb2312", "gbk", "gb18030", "iso-8859-1")
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_SEVERITIES = {"red": "Extreme", "orange": "Severe", "yellow": "Moderate", "blue": "Minor"}
_OLDER = {"Very Likely": "Likely"}  # CAP 1.0
# The national form's own names.
_NATIONAL = {"sent": "sendTime", "event": "eventType"}


class CapError(ValueError):
    """Bytes that are no CAP message; says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class CapReference:
    """An earlier message; the national form gives only its identifier."""

    identifier: str
    sender: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class CapArea:
    """Where: rings of (latitude, longitude), circles of (latitude, longitude, km), codes by name."""

    description: str
    polygons: tuple[tuple[tuple[float, float], ...], ...]
    circles: tuple[tuple[float, float, float], ...]
    geocodes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CapInfo:
    """What it says in one language. `colour` is set where the message tells a colour and not only a severity."""

    language: str
    categories: tuple[str, ...]
    event: str
    event_codes: tuple[tuple[str, str], ...]
    urgency: str
    severity: str
    certainty: str
    colour: str
    effective_at: datetime | None
    onset_at: datetime | None
    expires_at: datetime | None
    sender_name: str
    headline: str
    description: str
    instruction: str
    parameters: tuple[tuple[str, str], ...]  # unknown ones are kept
    areas: tuple[CapArea, ...]


@dataclass(frozen=True, slots=True)
class CapRecord:
    """A message of somebody else."""

    form: str  # cap:1.2, cap:1.1, national
    identifier: str
    sender: str
    sent_at: datetime
    status: str
    msg_type: str
    scope: str
    references: tuple[CapReference, ...]
    infos: tuple[CapInfo, ...]


def read(message: bytes, received_at: datetime | None = None) -> CapRecord:
    """The message as a plain record. `received_at` is when it came in. Raises CapError, also for the impossible."""
    root = _parsed(message)
    namespace = etree.QName(root).namespace
    if etree.QName(root).localname != "alert" or namespace not in _NAMESPACES:
        raise CapError(f"root element {root.tag[:120]!r} found, expected alert of CAP 1.2, 1.1 or the national form")
    node = _Node(root, namespace)
    sent_at = node.time("sent")
    if sent_at is None:
        raise CapError("no time of sending found; every message has one")
    infos = node.all("info")
    if len(infos) > MOST_INFOS:
        raise CapError(f"{len(infos)} info blocks found, expected at most {MOST_INFOS}")
    record = CapRecord(
        form="cap:" + namespace[-3:] if namespace else "national",
        identifier=node.needed("identifier"),
        sender=node.text("senderCode") or node.needed("sender"),
        sent_at=sent_at,
        status=node.needed("status"),
        msg_type=node.needed("msgType"),
        scope=node.text("scope"),
        references=tuple(_references(node.text("references"))),
        infos=tuple(map(_info, infos)),
    )
    fault = next(_impossible(record, received_at), None)
    if fault:
        raise CapError(f"message {record.identifier[:80]!r}: {fault}; ask its sender")
    return record


def _impossible(record: CapRecord, received_at: datetime | None) -> Iterator[str]:
    named = [Named(one.sender, one.identifier, one.sent_at) for one in record.references]
    yield from faults_of_references(record.sender, record.identifier, record.sent_at, named)
    found = [fault_of_clock(record.sent_at, received_at) if received_at else None]
    found += [fault_of_times(record.sent_at, one.onset_at, one.expires_at) for one in record.infos]
    yield from (fault for fault in found if fault)


def _parsed(message: bytes) -> etree._Element:
    if len(message) > MOST_BYTES:
        raise CapError(f"{len(message)} bytes found, expected at most {MOST_BYTES}")
    declared = _DECLARED.match(message.removeprefix(b"\xef\xbb\xbf"))
    encoding = declared[1].decode().lower() if declared else "utf-8"
    if b"\x00" in message or encoding not in _ENCODINGS:
        raise CapError(f"encoding {encoding!r} found, expected one of {', '.join(_ENCODINGS)} without zero bytes")
    if b"<!DOCTYPE" in message.upper() or b"<!ENTITY" in message.upper():
        raise CapError("a document type found; warnings have none, and its entities could read files or grow")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(message, parser)
    except etree.XMLSyntaxError as error:
        raise CapError(f"no XML that can be read: {error}") from error


@dataclass(frozen=True, slots=True)
class _Node:
    """An element whose children are asked by CAP's names; the national form's names stand behind them."""

    element: etree._Element
    namespace: str | None

    def all(self, name: str) -> list[_Node]:
        return [_Node(one, self.namespace) for one in self.element.iterfind(self._tag(name))]

    def text(self, name: str) -> str:
        found = self.element.findtext(self._tag(name))
        if found is None and self.namespace is None and name in _NATIONAL:
            found = self.element.findtext(_NATIONAL[name])
        return (found or "").strip()

    def needed(self, name: str) -> str:
        found = self.text(name)
        if not found:
            raise CapError(f"{etree.QName(self.element).localname} has no {name}")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(text for one in self.all(name) if (text := (one.element.text or "").strip()))

    def time(self, name: str) -> datetime | None:
        text = self.text(name)
        try:
            found = datetime.fromisoformat(text) if text else None
        except ValueError as error:
            raise CapError(f"{name} is {text[:40]!r}, expected a time like 2026-07-30T12:00:00+08:00") from error
        if found is not None and found.tzinfo is None:
            raise CapError(f"{name} is {text[:40]!r} without an offset, expected one like +08:00")
        return found

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        return tuple((one.text("valueName"), one.text("value")) for one in self.all(name) if len(one.element))

    def _tag(self, name: str) -> str:
        return f"{{{self.namespace}}}{name}" if self.namespace else name


def _info(node: _Node) -> CapInfo:
    severity, certainty = node.text("severity"), node.text("certainty")
    colour = severity.lower() if severity.lower() in _SEVERITIES else ""
    areas = node.all("area")
    if len(areas) > MOST_AREAS:
        raise CapError(f"{len(areas)} areas found, expected at most {MOST_AREAS}")
    return CapInfo(
        language=node.text("language") or "en-US",
        categories=node.texts("category"),
        event=node.needed("event"),
        event_codes=node.pairs("eventCode"),
        urgency=node.text("urgency") or "Unknown",
        severity=_SEVERITIES.get(colour, severity) or "Unknown",
        certainty=_OLDER.get(certainty, certainty) or "Unknown",
        colour=colour,
        effective_at=node.time("effective"),
        onset_at=node.time("onset"),
        expires_at=node.time("expires"),
        sender_name=node.text("senderName"),
        headline=node.text("headline"),
        description=node.text("description"),
        instruction=node.text("instruction"),
        parameters=node.pairs("parameter"),
        areas=tuple(map(_area, areas)),
    )


def _area(node: _Node) -> CapArea:
    codes = list(node.pairs("geocode"))
    # The national form: one list of codes with commas, often the same one twice.
    listed = [code.strip() for text in node.texts("geocode") for code in text.split(",") if code.strip()]
    codes += [("area_code", code) for code in dict.fromkeys(listed)]
    return CapArea(
        node.text("areaDesc"),
        tuple(map(_ring, node.texts("polygon"))),
        tuple(map(_circle, node.texts("circle"))),
        tuple(codes),
    )


def _ring(text: str) -> tuple[tuple[float, float], ...]:
    points = tuple(map(_point, text.split()))
    fault = fault_of_ring(points)
    if fault:
        raise CapError(f"polygon {text[:60]!r} found: {fault}")
    return points


def _point(text: str) -> tuple[float, float]:
    latitude, longitude = _numbers(text.split(","), 2, text)
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise CapError(f"point {text[:60]!r} found, expected latitude,longitude in degrees")
    return latitude, longitude


def _circle(text: str) -> tuple[float, float, float]:
    point, _, radius = text.partition(" ")
    (latitude, longitude), (km,) = _point(point), _numbers([radius], 1, text)
    if not is_radius(km):
        raise CapError(f"circle {text[:60]!r} found, expected a radius in km that fits the earth")
    return latitude, longitude, km


def _numbers(parts: Sequence[str], count: int, text: str) -> list[float]:
    try:
        found = [float(part) for part in parts]
    except ValueError as error:
        raise CapError(f"place {text[:60]!r} found, expected numbers") from error
    if len(found) != count or any(one != one for one in found):
        raise CapError(f"place {text[:60]!r} found, expected {count} numbers")
    return found


def _references(text: str) -> Iterator[CapReference]:
    for one in text.split():
        parts = one.split(",")
        if len(parts) == 3:
            try:
                yield CapReference(parts[1], parts[0], datetime.fromisoformat(parts[2]))
            except ValueError as error:
                raise CapError(f"reference {one[:80]!r} has no time that can be read") from error
        else:
            yield from (CapReference(part, "", None) for part in parts if part)
