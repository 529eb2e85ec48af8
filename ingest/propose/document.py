"""Write a proposal as an Open Data Contract Standard document. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import yaml

from core.civil_time import CIVIL_ZONE_NAME
from core.contract import API_VERSION, PLACE_CONCEPTS
from ingest.propose.guess import Guess
from ingest.propose.sample import ProposalSample
from ingest.propose.shape import Shape

# Comments that YAML libraries cannot carry: put behind the line that begins so.
_REMARKS = {
    "domain: ": "CHECK: lifeline, public_safety, work_safety or natural_hazard",
    "- {property: datum,": "undeclared in the sample. CHECK with the department: WGS84, CGCS2000, GCJ-02 or BD-09",
    "primaryKeyPosition: 1": "CHECK: is this what tells rows apart?",
    "- {property: frequency,": "CHECK: what the department promises",
}


class _Flow(dict[str, Any]):
    """A mapping to be written on one line."""


class _Dumper(yaml.SafeDumper):
    """Block style, with short mappings on one line."""


_Dumper.add_representer(
    _Flow, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)
)


def write_document(feed_id: str, sample: ProposalSample, guesses: Sequence[Guess], shape: Shape, ending: str) -> str:
    """The contract's text; it loads as it is."""
    department, _, feed = feed_id.partition(".")
    filled = set(shape.concepts.values())
    has_place = filled >= PLACE_CONCEPTS or "geometry_wkt" in filled
    custom: dict[str, Any] = {"entity": [shape.entity]} if shape.entity else {}
    custom |= {"snapshot": "full" if shape.is_register else "incremental"}
    custom |= {"explode": sample.explode} if sample.explode else {}
    custom |= {"datum": sample.datum or "WGS84"} if has_place else {}
    custom |= {"subdomain": department, **({"objectType": feed} if shape.entity == "object" else {})}
    schema = {
        "name": feed,
        "businessName": feed,
        "physicalName": feed,
        "logicalType": "object",
        "dataGranularityDescription": f"one row per {' and '.join(shape.key)}",
        "customProperties": _custom(custom),
        "properties": [_property(guess, shape) for guess in guesses],
        "quality": _rules(shape),
    }
    document = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": feed_id,
        "name": feed.replace("_", " "),
        "version": "0.1.0",
        "status": "draft",
        "domain": "public_safety",
        "description": {"purpose": "CHECK: what the feed is for."},
        "servers": [_server(department, feed, sample, ending)],
        "team": {
            "name": department,
            "members": [
                _Flow(username=f"{department}-duty", role="owner"),
                _Flow(username="data-office", role="steward"),
            ],
        },
        "schema": [schema],
        "slaProperties": _agreement(shape),
        "customProperties": _custom({"driftMode": "evolve"}),
    }
    text = yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1000)
    return "".join(f"{_remarked(line)}\n" for line in text.splitlines())


def _remarked(line: str) -> str:
    remark = next((words for start, words in _REMARKS.items() if line.strip().startswith(start)), None)
    return f"{line}  # {remark}" if remark else line


def _custom(values: Mapping[str, Any]) -> list[_Flow]:
    return [_Flow(property=name, value=value) for name, value in values.items()]


def _server(department: str, feed: str, sample: ProposalSample, ending: str) -> dict[str, Any]:
    if sample.media in ("json", "ndjson"):
        paging = {"tokenEnv": f"CITYRISK_{department.upper()}_TOKEN", **sample.options}
        if "totalPath" in sample.options:
            paging |= {"pageParam": "page", "sizeParam": "size", "pageSize": 1000}
        location = f"${{CITYRISK_{department.upper()}_URL}}/{feed}"
        return {"server": department, "type": "api", "location": location, "customProperties": _custom(paging)}
    path = f"${{CITYRISK_{department.upper()}_DROP}}/{feed}/*{ending}"
    server = {"server": department, "type": "local", "path": path, "format": sample.media}
    return {**server, **({"customProperties": _custom(sample.options)} if sample.options else {})}


def _property(guess: Guess, shape: Shape) -> dict[str, Any]:
    is_key = guess.name in shape.key
    found: dict[str, Any] = {
        "name": guess.name,
        "physicalName": guess.physical_name,
        "businessName": guess.physical_name,
        "description": guess.name.replace("_", " ").capitalize(),
        "logicalType": guess.logical_type,
    }
    if guess.minimum is not None:
        found["logicalTypeOptions"] = _Flow(minimum=guess.minimum, maximum=guess.maximum)
    if is_key:
        found |= {"primaryKey": True, "primaryKeyPosition": shape.key.index(guess.name) + 1}
    found |= {"required": True} if is_key else {}
    found["classification"] = guess.classification
    custom: dict[str, Any] = {"concept": shape.concepts.get(guess.name), "unit": guess.unit, "mask": guess.mask}
    custom |= {"checkDigit": guess.check_digit, "codeList": guess.code_list}
    custom |= {"metric": True} if shape.entity == "reading" and guess.role == "measure" else {}
    custom |= {"valueMap": guess.value_map or None, "sourceFormats": guess.formats or None}
    is_naive = guess.formats and not any("%z" in form or form.startswith("epoch") for form in guess.formats)
    custom |= {"sourceTimeZone": CIVIL_ZONE_NAME} if is_naive and guess.logical_type == "timestamp" else {}
    given = {name: value for name, value in custom.items() if value is not None}
    return {**found, **({"customProperties": _custom(given)} if given else {})}


def _rules(shape: Shape) -> list[dict[str, Any]]:
    unique = {"type": "library", "metric": "duplicateValues", "mustBe": 0, "arguments": {"properties": list(shape.key)}}
    rules = [{"id": "unique_key", "name": "unique_key", **unique, "dimension": "uniqueness", "severity": "error"}]
    if not shape.is_register:
        rules.append(
            {
                "id": "freshness",
                "name": "freshness",
                "type": "custom",
                "engine": "cityrisk",
                "implementation": {"kind": "freshness"},
                "dimension": "timeliness",
                "severity": "warning",
            }
        )
    return rules


def _agreement(shape: Shape) -> list[_Flow]:
    minutes = max(1, round(shape.cadence / timedelta(minutes=1)))
    value, unit = (minutes // 60, "h") if minutes % 60 == 0 else (minutes, "min")
    terms = {"frequency": (value, unit), "freshness": (2 * value, unit), "silence": (6 * value, unit)}
    return [
        _Flow(property=name, value=amount, unit=of, driver="operational")
        for name, (amount, of) in {**terms, "retention": (3, "y")}.items()
    ]
