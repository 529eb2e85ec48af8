"""Which elements of a contract this product uses, and where: an element is used or refused, never ignored.

What only speaks to people (descriptions, tags, examples) may stand everywhere the standard has it. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

Element = Mapping[str, Any]

_SPEAKS = frozenset({"id", "description", "tags", "authoritativeDefinitions"})
_DOCUMENT = _SPEAKS | {
    "apiVersion",
    "kind",
    "name",
    "version",
    "status",
    "domain",
    "servers",
    "team",
    "schema",
    "slaProperties",
    "customProperties",
    "tenant",
    "dataProduct",
    "contractCreatedTs",
    "support",
    "price",
}
_SCHEMA = _SPEAKS | {
    "name",
    "physicalName",
    "physicalType",
    "businessName",
    "logicalType",
    "dataGranularityDescription",
    "properties",
    "quality",
    "customProperties",
}
_SCHEMA_CUSTOM = frozenset(
    {"entity", "snapshot", "subdomain", "objectType", "protocol", "metrics", "alarmColumns", "placeColumns"}
    | {"closesFromShare", "mayBeQuiet"}
)
_COLUMN = _SPEAKS | {
    "name",
    "physicalName",
    "physicalType",
    "businessName",
    "logicalType",
    "logicalTypeOptions",
    "primaryKey",
    "primaryKeyPosition",
    "required",
    "classification",
    "criticalDataElement",
    "examples",
    "customProperties",
}
_NUMBER = frozenset({"unit", "sourceUnit", "unitSlips", "plausible", "faultCodes", "metric"})
_COLUMN_CUSTOM: Mapping[str, frozenset[str]] = {
    "string": frozenset({"valueMap", "checkDigit", "codeList"}),
    "number": _NUMBER,
    "integer": _NUMBER,
    "boolean": frozenset({"valueMap", "metric"}),
    "date": frozenset({"sourceFormats", "sourceTimeZone"}),
    "timestamp": frozenset({"sourceFormats", "sourceTimeZone"}),
}
_COLUMN_LIMITS: Mapping[str, frozenset[str]] = {
    "string": frozenset({"pattern"}),
    "number": frozenset({"minimum", "maximum"}),
    "integer": frozenset({"minimum", "maximum"}),
}
_SERVER = _SPEAKS | {"server", "type", "environment", "customProperties"}
_SERVER_OF: Mapping[str, frozenset[str]] = {
    "api": _SERVER | {"location"},
    "files": _SERVER | {"path", "location", "format"},
    "sql": _SERVER | {"host", "port", "database", "schema"},  # the address itself stands in the environment
    "stream": _SERVER,
}
_OPTIONS_OF: Mapping[str, frozenset[str]] = {
    "api": frozenset(
        {
            "tokenEnv",
            "recordsPath",
            "totalPath",
            "pageParam",
            "sizeParam",
            "pageSize",
            "firstPage",
            "sinceParam",
            "success",
        }
    ),
    "sql": frozenset({"urlEnv"}),
    "stream": frozenset(
        {
            "transport",
            "protocol",
            "record",
            "stream",
            "register",
            "unknownDevices",
            "having",
            "lacking",
            "gateway",
        }
    ),
    "files": frozenset(),
}
_OPTIONS_OF_FORMAT: Mapping[str, frozenset[str]] = {
    "csv": frozenset({"encoding", "delimiter"}),
    "xlsx": frozenset({"sheet", "headerRows"}),
    "json": frozenset({"recordsPath"}),
    "ndjson": frozenset(),
    "geojson": frozenset(),
    "gpkg": frozenset({"layer"}),
}
_RULE = _SPEAKS | {
    "name",
    "type",
    "metric",
    "arguments",
    "dimension",
    "severity",
    "engine",
    "implementation",
    "businessImpact",
    "mustBe",
    "mustBeBetween",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
}
_AGREED = frozenset({"frequency", "freshness", "silence", "retention"})
_AGREEMENT = _SPEAKS | {"property", "value", "unit", "driver"}
_NESTED = ("json", "ndjson")
# Words that are compared with; another word would be no error later, only without effect.
WORDS: Mapping[str, frozenset[str]] = {
    "classification": frozenset(
        {
            "public",
            "internal",
            "restricted",
            "confidential",
            "important",
            "core",
            "personal",
            "sensitive",
        }
    ),
    "mask": frozenset({"none", "hash", "drop"}),
    "checkDigit": frozenset({"uscc", "resident_id"}),
    "codeList": frozenset({"area"}),
    "snapshot": frozenset({"full", "incremental"}),
    "datum": frozenset(
        {
            "WGS84",
            "WGS 84",
            "WGS-84",
            "CGCS2000",
            "EPSG:4326",
            "EPSG:4490",
            "GCJ-02",
            "GCJ02",
            "BD-09",
            "BD09",
        }
    ),
    "unknownDevices": frozenset({"refuse", "accept"}),
    "status": frozenset({"draft", "active", "proposed", "deprecated", "retired"}),
}


def unused(document: Element) -> Iterator[str]:
    """What is wrong with the elements of a document, in plain words with the next step: what nothing here uses."""
    yield from _unknown(document, _DOCUMENT, "the document")
    yield from _unknown_custom(document, {"driftMode"}, "the document")
    server: Element = next(iter(document.get("servers") or ()), {})
    kind = _kind(server)
    schema: Element = next(iter(document.get("schema") or ()), {})
    yield from _of_server(server, kind)
    yield from _of_schema(schema, server, kind)
    for column in schema.get("properties", ()):
        yield from _of_column(column)
    for rule in schema.get("quality", ()):
        yield from _unknown(rule, _RULE, f"rule {rule.get('id')}")
    for agreed in document.get("slaProperties", ()):
        where = f"slaProperties {agreed.get('property')}"
        yield from _unknown(agreed, _AGREEMENT, where)
        if agreed.get("property") not in _AGREED:
            yield f"{where} is not used; expected {', '.join(sorted(_AGREED))}"


def unknown_words(document: Element) -> Iterator[str]:
    """Elements that are used, with a word that means nothing here: a mask that masks nothing is one."""
    schema: Element = next(iter(document.get("schema") or ()), {})
    yield from _other_words(document, "the document")
    yield from _other_words(next(iter(document.get("servers") or ()), {}), "the server")
    yield from _other_words(schema, "the schema of this feed")
    for column in schema.get("properties", ()):
        yield from _other_words(column, f"column {column.get('name')} ({column.get('logicalType')})")


def _kind(server: Element) -> str:
    options = _custom(server)
    match server.get("type"):
        case "api":
            return "api"
        case "local" | "sftp" | "s3":
            return "files"
        case "custom" if "transport" in options:
            return "stream"
        case _:
            return "sql"


def _of_server(server: Element, kind: str) -> Iterator[str]:
    yield from _unknown(server, _SERVER_OF[kind], f"a server of {kind}")
    options, form = set(_OPTIONS_OF[kind]), str(server.get("format"))
    where = f"a server of {kind}"
    if kind == "files":
        where = f"files of format {form}"
        if form not in _OPTIONS_OF_FORMAT:
            yield f"format {form!r} is not read here; expected {', '.join(_OPTIONS_OF_FORMAT)}"
        options |= _OPTIONS_OF_FORMAT.get(form, frozenset())
    if kind == "stream":
        given = _custom(server)
        options |= {"topic"} if given.get("transport") == "mqtt" else set()
        options |= {"unwrap"} if given.get("protocol") == "json" else {"lenient"}
    yield from _unknown_custom(server, options, where)


def _of_schema(schema: Element, server: Element, kind: str) -> Iterator[str]:
    yield from _unknown(schema, _SCHEMA, "the schema")
    given, custom = _custom(schema), set(_SCHEMA_CUSTOM)
    concepts = {_custom(column).get("concept") for column in schema.get("properties", ())}
    if given.get("snapshot", "incremental") == "incremental" and kind in ("api", "sql"):
        custom |= {"cursorField"}
    if "cursorField" in given:
        custom |= {"overlap"}
    if kind in ("api", "stream") or server.get("format") in _NESTED:
        custom |= {"explode"}
    if {"lon", "lat"} <= concepts or "geometry_wkt" in concepts:
        custom |= {"datum"}
    yield from _unknown_custom(schema, custom, "the schema of this feed")


def _of_column(column: Element) -> Iterator[str]:
    kind, where = str(column.get("logicalType", "string")), f"column {column.get('name')} ({column.get('logicalType')})"
    yield from _unknown(column, _COLUMN | ({"enum"} if kind == "string" else set()), where)
    yield from _unknown(column.get("logicalTypeOptions") or {}, _COLUMN_LIMITS.get(kind, frozenset()), where)
    custom = {"concept", "mask"} | _COLUMN_CUSTOM.get(kind, frozenset())
    yield from _unknown_custom(column, custom, where)
    given = _custom(column)
    for name, needed in (("unitSlips", "plausible"), ("plausible", "unitSlips"), ("sourceUnit", "unit")):
        if name in given and needed not in given:
            yield f"{where}: {name} without {needed} is not used"
    if bool(column.get("primaryKey")) != ("primaryKeyPosition" in column):
        yield f"{where}: primaryKey and primaryKeyPosition stand together, or neither is used"


def _unknown(element: Element, used: Collection[str], where: str) -> Iterator[str]:
    for name in element:
        if name not in used:
            yield f"{where}: {name} is not used{_meant(name, used)}"


def _unknown_custom(element: Element, used: Collection[str], where: str) -> Iterator[str]:
    names = [str(one.get("property")) for one in element.get("customProperties") or ()]
    for name in dict.fromkeys(names):
        if name not in used:
            yield f"{where}: property {name} is not used{_meant(name, used)}"
        elif names.count(name) > 1:
            yield f"{where}: property {name} stands there {names.count(name)} times; keep one"


def _other_words(element: Element, where: str) -> Iterator[str]:
    for name, value in {**element, **_custom(element)}.items():
        if name in WORDS and value is not None and str(value) not in WORDS[name]:
            yield f"{where}: {name} {value!r} is not known; expected one of {', '.join(sorted(WORDS[name]))}"


def _meant(name: str, used: Collection[str]) -> str:
    near = difflib.get_close_matches(name, used, 1)
    return f"; did you mean {near[0]}?" if near else "; take it out, or see docs/feeds for what can be agreed"


def _custom(element: Element) -> dict[str, Any]:
    return {str(one.get("property")): one.get("value") for one in element.get("customProperties") or ()}
