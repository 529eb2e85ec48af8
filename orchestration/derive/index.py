"""How systems enter the index: signals with bounds or classes, what an area stands on, shares, kinds of devices.

A version of the method is one that `systems/_house/risk_factor_weights.csv` has weights of, the oldest first. What a
signal says otherwise under a version stands under that version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from core.declarations import DeclarationError, read_declaration
from core.system import System
from orchestration.derive import floors, live_alerts
from orchestration.derive.tables import Row, csv_text, house_rows

COMPONENTS = ("hazard", "exposure", "vulnerability", "capacity")
SIGNALS = (
    "method_version",
    "signal_code",
    "component",
    "subdomain",
    "object_type",
    "kind",
    "input",
    "event_type",
    "aggregate",
    "relation",
    "relative_to",
    "scale",
    "unit",
    "low",
    "high",
    "when_missing",
    "weight",
    "is_dynamic",
    "name_zh",
    "name_en",
    "source",
    "evidence_grade",
)
CLASSES = (
    "method_version",
    "signal_code",
    "class",
    "intensity",
    "name_zh",
    "name_en",
    "source",
    "evidence_grade",
)
PEOPLE = ("method_version", "subdomain", "people_low", "people_high", "source", "evidence_grade")
BASIS = ("method_version", "subdomain", "exposure_basis", "vulnerability_basis", "source", "evidence_grade")
WEIGHTS = (
    "method_version",
    "level",
    "parent",
    "factor",
    "weight",
    "name_zh",
    "name_en",
    "source",
    "evidence_grade",
)
DEVICE_KINDS = ("feed_id", "device_type", "name_zh", "name_en")
# What a signal is read from, as a folder says it, to the kind that the warehouse reads.
KINDS = {
    "register": "register",
    "years_since": "age_years",
    "days_since": "days_since",
    "gb18218": "gb18218",
    "reading": "reading",
    "devices": "device",
    "inspections": "inspection",
    "events": "event",
}
DYNAMIC = frozenset({"reading", "inspections", "events"})
_RELATIONS = {"ratio_to": "ratio", "ratio_to_depth_limit": "ratio_limit", "margin_below": "margin_below"}


def tables(root: Path, systems: Iterable[System]) -> dict[str, str]:
    """File name → CSV of the index. Raises DeclarationError."""
    house = house_rows(root, "risk_factor_weights", WEIGHTS)
    versions = list(dict.fromkeys(row["method_version"] for row in house))
    every = list(systems)
    placed = [(system, index) for system in every if (index := index_of(system))]
    signals = [row for version in versions for system, index in placed for row in _signals(system, index, version)]
    alerts = list(live_alerts.signals((row for row, _ in signals), live_alerts.intensities(root)))
    signals += alerts
    least = [*_floors(placed, versions), *live_alerts.floors(row for _, classes in alerts for row in classes)]
    return {
        "signal_bounds.csv": csv_text(SIGNALS, (row for row, _ in signals)),
        "signal_classes.csv": csv_text(CLASSES, (row for _, classes in signals for row in classes)),
        "score_floors.csv": csv_text(floors.FLOORS, least),
        "exposure_bounds.csv": csv_text(PEOPLE, _people(placed, versions)),
        "subdomain_basis.csv": csv_text(BASIS, _bases(placed, versions)),
        "risk_factor_weights.csv": csv_text(WEIGHTS, (*house, *_shares(placed, versions))),
        "device_kinds.csv": csv_text(DEVICE_KINDS, _device_kinds(every)),
    }


def index_of(system: System) -> Row:
    """What the folder of a system says of the index; empty when its objects are not scored."""
    assert system.folder is not None
    index: Row = read_declaration(system.folder / "system.yaml", "system").get("index", {})
    return index


def stands_alone(system: System) -> list[str]:
    """Kinds that can have signals: its objects, and its devices that stand for themselves."""
    return [*system.objects, *(kind for kind, device in system.devices.items() if device.stands_at is None)]


def signals_of(index: Row) -> Iterator[tuple[str, str, Row]]:
    """Component, code and declaration of each signal, in the order of the file."""
    for component in COMPONENTS:
        for code, signal in index.get(component, {}).items():
            yield component, code, signal


def _signals(system: System, index: Row, version: str) -> Iterator[tuple[Row, list[Row]]]:
    kinds = stands_alone(system)
    for component, code, declared in signals_of(index):
        signal = {**declared, **declared.get("under", {}).get(version, {})}
        if "about" not in signal and len(kinds) != 1:
            raise DeclarationError(
                f"{system.folder}/system.yaml: index/{component}/{code}: no about, and the folder has "
                f"{', '.join(kinds) or 'no kind of objects'}; name the kind that it describes"
            )
        about = signal.get("about") or kinds[0]
        yield _signal(system, version, component, code, about, signal), list(_classes(version, code, signal))


def _signal(system: System, version: str, component: str, code: str, about: str, signal: Row) -> Row:
    word = next(word for word in KINDS if word in signal)
    relation = next((relation for relation in _RELATIONS if relation in signal), None)
    low, high = signal.get("bounds", (None, None))
    events = signal["events"] if word == "events" else {}
    is_dynamic = signal.get("is_dynamic", word in DYNAMIC)
    return {
        "method_version": version,
        "signal_code": code,
        "component": component,
        "subdomain": system.subdomain,
        "object_type": about,
        "kind": KINDS[word],
        "input": events.get("attribute") if events else signal[word],
        "event_type": events.get("type"),
        "aggregate": events.get("take") or signal.get("take"),
        "relation": _RELATIONS[relation] if relation else None,
        "relative_to": signal[relation] if relation else None,
        "scale": signal.get("scale", "linear"),
        "unit": signal.get("unit", "class" if "classes" in signal and low is None else "1"),
        "low": low,
        "high": high,
        "when_missing": signal.get("when_missing"),
        "weight": signal.get("weight", 1),
        "is_dynamic": "true" if is_dynamic else "false",
        "name_zh": signal["name"]["zh"],
        "name_en": signal["name"]["en"],
        "source": signal["source"],
        "evidence_grade": signal["grade"],
    }


def _classes(version: str, code: str, signal: Row) -> Iterator[Row]:
    basis = signal.get("classes_basis", signal)
    for name, one in signal.get("classes", {}).items():
        yield {
            "method_version": version,
            "signal_code": code,
            "class": name,
            "intensity": one["intensity"],
            "name_zh": one["zh"],
            "name_en": one["en"],
            "source": basis["source"],
            "evidence_grade": basis["grade"],
        }


def _floors(placed: list[tuple[System, Row]], versions: list[str]) -> Iterator[Row]:
    for system, index in placed:
        yield from floors.rows(system, ((code, signal) for _, code, signal in signals_of(index)), versions)


def _people(placed: list[tuple[System, Row]], versions: list[str]) -> Iterator[Row]:
    for version in versions:
        for system, index in placed:
            if "people" in index:
                low, high = index["people"]
                yield {
                    "method_version": version,
                    "subdomain": system.subdomain,
                    "people_low": low,
                    "people_high": high,
                    **_basis(index),
                }


def _bases(placed: list[tuple[System, Row]], versions: list[str]) -> Iterator[Row]:
    for version in versions:
        for system, index in placed:
            if "people" in index:
                counts = index.get("counts", {})
                yield {
                    "method_version": version,
                    "subdomain": system.subdomain,
                    "exposure_basis": counts.get("exposure", "own_people"),
                    "vulnerability_basis": counts.get("vulnerability", "own"),
                    **_basis(index),
                }


def _shares(placed: list[tuple[System, Row]], versions: list[str]) -> Iterator[Row]:
    """One row a subdomain: the share that its folder states, an equal one without; together always the whole."""
    counted = [(system, index) for system, index in placed if "people" in index]
    for version in versions:
        for domain in sorted({system.domain for system, _ in counted}):
            members = [(system, index) for system, index in counted if system.domain == domain]
            shares = shared({system.subdomain: index.get("share") for system, index in members})
            for system, index in members:
                name = index.get("name", {"zh": system.name_zh, "en": system.name_en})
                yield {
                    "method_version": version,
                    "level": "subdomain",
                    "parent": domain,
                    "factor": system.subdomain,
                    "weight": shares[system.subdomain],
                    "name_zh": name["zh"],
                    "name_en": name["en"],
                    **_basis(index),
                }


def shared(stated: dict[str, float | None]) -> dict[str, float]:
    """Shares that sum to 1: an equal one for each that states none, the rest in proportion to what is stated.

    >>> shared({"a": 0.6, "b": 0.4}), shared({"a": 0.6}), shared({"a": 0.6, "b": 0.2, "c": None, "d": None})
    ({'a': 0.6, 'b': 0.4}, {'a': 1.0}, {'a': 0.375, 'b': 0.125, 'c': 0.25, 'd': 0.25})
    """
    equal = [name for name, share in stated.items() if share is None]
    rest = 1 - len(equal) / len(stated)
    total = sum(share for share in stated.values() if share is not None)
    return {
        name: round(1 / len(stated) if share is None else rest * share / total, 12) for name, share in stated.items()
    }


def _basis(index: Row) -> Row:
    return {"source": index["basis"]["source"], "evidence_grade": index["basis"]["grade"]}


def _device_kinds(systems: list[System]) -> Iterator[Row]:
    for system in systems:
        for kind, device in system.devices.items():
            yield {"feed_id": device.feed, "device_type": kind, "name_zh": device.name_zh, "name_en": device.name_en}
