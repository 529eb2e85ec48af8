"""What people are told: handling guides, categories of public warnings, wordings, and which alerts a worse one hides.

A kind that no folder watches has its guide in `systems/_kinds/<domain>/<kind>.yaml`; a folder's own comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from core.declarations import DeclarationError, read_declaration
from core.severity import RANKS
from core.system import System, shared_folder
from orchestration.derive.tables import Row, csv_text, house_rows

GUIDES = (
    "guide_id",
    "domain",
    "subdomain",
    "colour",
    "category_zh",
    "category_en",
    "issuer_department",
    "measures_zh",
    "measures_en",
    "source",
    "evidence_grade",
    "version",
)
CAP_EVENTS = (
    "domain",
    "subdomain",
    "rule_prefix",
    "category",
    "event_code",
    "radius_km",
    "source",
    "evidence_grade",
    "version",
)
WORDINGS = ("kind", "text", "zh", "en")
INHIBITIONS = (
    "inhibition_id",
    "source_matchers",
    "target_matchers",
    "equal_labels",
    "reason_zh",
    "reason_en",
    "source",
    "evidence_grade",
    "version",
)

Kind = tuple[str, str]  # domain and subdomain


def tables(root: Path, systems: Iterable[System]) -> dict[str, str]:
    """File name → CSV, kinds that nobody watches first. Raises DeclarationError."""
    every = list(systems)
    guides = {**unwatched(root), **_of_kinds(every)}
    wordings = [row for system in every for row in _wordings(guide_of(system))]
    return {
        "handling_guides.csv": csv_text(
            GUIDES, (row for kind, guide in guides.items() for row in _guides(kind, guide))
        ),
        "cap_events.csv": csv_text(CAP_EVENTS, (row for kind, one in guides.items() for row in _cap_events(kind, one))),
        "wordings.csv": csv_text(WORDINGS, (*house_rows(root, "wordings", WORDINGS), *wordings)),
        "inhibitions.csv": csv_text(INHIBITIONS, _inhibitions(every)),
    }


def guide_of(system: System) -> Row:
    """What its guide.yaml says; nothing where it has none."""
    path = system.folder / "guide.yaml" if system.folder else None
    return read_declaration(path, "guide") if path is not None and path.is_file() else {}


def _of_kinds(systems: Iterable[System]) -> dict[Kind, Row]:
    """The guide of each kind of risk: of two systems of one kind that of the first by id."""
    found: dict[Kind, Row] = {}
    for system in systems:
        if "category" in (guide := guide_of(system)):
            found.setdefault((system.domain, system.subdomain), guide)
    return found


def unwatched(root: Path) -> dict[Kind, Row]:
    """Kinds of risk declared beside the folders; subdomain `any` stands for all of a domain without a guide.

    Raises DeclarationError, also for one without a guide.
    """
    found: dict[Kind, Row] = {}
    for path in sorted(shared_folder(root, "_kinds").glob("*/*.yaml")):
        guide = found[path.parent.name, path.stem] = read_declaration(path, "guide")
        if "category" not in guide:
            raise DeclarationError(
                f"{path}:1: no category found, expected a guide of a kind that no folder watches; "
                "say category, basis and what to do at each colour"
            )
    return found


def _guides(kind: Kind, guide: Row) -> Iterator[Row]:
    domain, subdomain = kind
    for colour in RANKS:
        yield {
            "guide_id": f"{domain}_any_{colour}" if subdomain == "any" else f"{subdomain}_{colour}",
            "domain": domain,
            "subdomain": subdomain,
            "colour": colour,
            "category_zh": guide["category"]["zh"],
            "category_en": guide["category"]["en"],
            "issuer_department": guide.get("issuer"),
            "measures_zh": guide[colour]["zh"],
            "measures_en": guide[colour]["en"],
            "source": guide["basis"]["source"],
            "evidence_grade": guide["basis"]["grade"],
            "version": guide["version"],
        }


def _cap_events(kind: Kind, guide: Row) -> Iterator[Row]:
    cap = guide.get("cap")
    if cap is None:
        return
    domain, subdomain = kind
    named: Mapping[str, Row] = {"": {**cap, "event_code": f"{domain}.{subdomain}"}, **cap.get("events", {})}
    for prefix, event in named.items():
        yield {
            "domain": domain,
            "subdomain": subdomain,
            "rule_prefix": prefix,
            "category": " ".join(event["category"]),
            "event_code": event["event_code"],
            "radius_km": event.get("radius_km"),
            "source": event["basis"]["source"],
            "evidence_grade": event["basis"]["grade"],
            "version": guide["version"],
        }


def _wordings(guide: Row) -> Iterator[Row]:
    for kind, wordings in guide.get("wordings", {}).items():
        for text, words in wordings.items():
            yield {"kind": kind, "text": text, "zh": words["zh"], "en": words["en"]}


def _inhibitions(systems: list[System]) -> Iterator[Row]:
    """One row each; those that would hide alerts of a system that is not there are left out."""
    there = {system.subdomain for system in systems}
    for system in systems:
        path = system.folder / "rules.yaml" if system.folder else None
        if path is None or not path.is_file():
            continue
        document = read_declaration(path, "rules")
        for inhibition_id, one in document.get("inhibits", {}).items():
            if {side.get("subdomain", system.subdomain) for side in (one["worse"], one["hides"])} <= there:
                yield {
                    "inhibition_id": inhibition_id,
                    "source_matchers": _matchers(system, one["worse"]),
                    "target_matchers": _matchers(system, one["hides"]),
                    "equal_labels": " ".join(one["same"]),
                    "reason_zh": one["why"]["zh"],
                    "reason_en": one["why"]["en"],
                    "source": one["basis"]["source"],
                    "evidence_grade": one["basis"]["grade"],
                    "version": document["version"],
                }


def _matchers(system: System, alerts: Row) -> str:
    """Which alerts are meant, as the engine's tables say it."""
    found = [f"subdomain={alerts.get('subdomain', system.subdomain)}"]
    if "about" in alerts:
        found.append(f"object_type={alerts['about']}")
    if "at_least" in alerts:
        found.append(f"rank>={RANKS[alerts['at_least']]}")
    if "at_most" in alerts:
        found.append(f"rank<={RANKS[alerts['at_most']]}")
    return ";".join(found)
