"""The contract model: one feed's agreement, read from an Open Data Contract Standard document.

Pure: takes parsed YAML, gives frozen records. Everything that depends on a feed's columns (landing schema, dbt
staging, checks, assets, masking, dictionary, docs) is derived from here, so a column list exists once.

Not here: reading files (`core.catalogue`), applying a contract to data (`ingest.conform`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, get_args

from core.civil_time import CIVIL_ZONE_NAME
from core.elements import unknown_words, unused
from core.errors import ExplainedError

API_VERSION = "v3.2.0"

LogicalType = Literal["string", "number", "integer", "boolean", "date", "timestamp"]
DriftMode = Literal["evolve", "freeze", "discard_row", "discard_value"]
Snapshot = Literal["full", "incremental"]
# A full snapshot that names fewer rows than this share of those before it is taken for a cut one: it ends nothing.
CLOSES_FROM_SHARE = 0.8
Mask = Literal["none", "hash", "drop"]

# A concept that a column of each entity may fill; the unified model reads these and nothing else.
ENTITY_CONCEPTS: Mapping[str, tuple[str, ...]] = {
    "object": (
        "object_id",
        "object_subtype",
        "name_zh",
        "name_en",
        "area_code",
        "lon",
        "lat",
        "geometry_wkt",
        "credit_code",
        "enterprise_name",
        "address",
        "built_on",
        "status",
        "grade",
        "people",
        "updated_at",
    ),
    "device": ("device_id", "object_id", "name_zh", "area_code", "lon", "lat", "installed_on", "updated_at"),
    "reading": ("device_id", "observed_at", "transmitted_at", "quality_flag"),
    "event": (
        "event_id",
        "event_type",
        "event_subtype",
        "object_id",
        "device_id",
        "area_code",
        "occurred_at",
        "ended_at",
        "colour",
        "title_zh",
        "text_zh",
        "person_key",
        "transmitted_at",
    ),
    "inspection": (
        "inspection_id",
        "object_id",
        "inspected_at",
        "item",
        "result",
        "findings",
        "rectified_at",
        "due_on",
        "person_key",
        "transmitted_at",
    ),
    "substance": ("object_id", "cas_no", "substance_name_zh", "hazard_class", "design_max_t"),
}

# Any feed may say where its rows are; a moving device does so with each reading.
PLACE_CONCEPTS = frozenset({"lon", "lat"})
PLACE_ROLES = ("text", "system", "loop", "part")  # where inside an object: in words, panel or system, loop, part

# The concept that says when a fact happened in the world; late, future and partition rules stand on it.
EVENT_TIME_CONCEPTS = ("observed_at", "occurred_at", "inspected_at")

# How devices reach the product, and what their frames are written in.
TRANSPORTS = ("mqtt", "tcp", "udp")
STREAM_PROTOCOLS = ("json", "hj212", "jt808", "sl651", "gb26875")

_SLA_UNITS = {"min": "minutes", "h": "hours", "d": "days", "y": "years"}


class ContractError(ExplainedError, ValueError):
    """A contract that cannot be used: names the feed, the element, what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a feed: our name, theirs, and what is agreed about its values."""

    name: str
    physical_name: str
    label_zh: str
    description_en: str
    logical_type: LogicalType
    required: bool = False
    key_position: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    allowed: tuple[str, ...] = ()
    value_map: Mapping[str, str] = field(default_factory=dict)
    unit: str | None = None
    source_unit: str | None = None
    unit_slips: tuple[str, ...] = ()
    plausible: tuple[float, float] | None = None
    fault_codes: tuple[float, ...] = ()  # numbers, as sent, by which the device says that it measured nothing
    source_formats: tuple[str, ...] = ()
    source_time_zone: str = CIVIL_ZONE_NAME
    concept: str | None = None
    is_metric: bool = False
    code_list: str | None = None
    check_digit: Literal["uscc", "resident_id"] | None = None
    sensitivity: str = "internal"
    mask: Mask = "none"

    @property
    def is_personal(self) -> bool:
        """Whether clear values may stand only in the archive, the stream and the vault."""
        return self.sensitivity in ("personal", "sensitive")

    @property
    def landed_name(self) -> str:
        """Our name as it lands: hashed columns say so, so nobody takes a key for a value."""
        return f"{self.name}_hash" if self.mask == "hash" else self.name


@dataclass(frozen=True, slots=True)
class Rule:
    """One set rule as the contract states it; `quality` turns it into engine checks."""

    id: str
    kind: str
    severity: Literal["error", "warning"]
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """Where the department serves the feed. `${NAME}` in texts is an environment variable, never a value.

    A feed of kind `stream` is pushed by devices: `dialect` is the transport (mqtt, tcp, udp), `location` the MQTT topic
    filter or None, `file_format` the protocol of its frames (json, hj212, jt808, sl651, gb26875). Of a database,
    `location` is the schema that the table stands in, None for the account's own.
    """

    kind: Literal["api", "sql", "files", "stream"]
    dialect: str
    location: str | None
    file_format: str | None
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contract:
    """One feed's agreement. A `draft` is looked at and tried, never fetched, derived or published.

    `alarm_columns` are the source's columns that say that something happened: a row that is lost although it has a
    value in one of them rings by itself. `place_columns` say where inside an object something is: pairs of a role
    (PLACE_ROLES) and the column that tells it, in the order in which people read them.
    `overlap` is how far below its cursor an incremental feed is asked again, because departments commit rows late: a
    span of time, or a number where the cursor field counts.
    """

    id: str
    version: str
    status: str
    name_zh: str
    name_en: str
    domain: str
    subdomain: str
    department_code: str
    department_zh: str
    owner: str
    steward: str
    server: Server
    table: str
    grain: str
    entities: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    snapshot: Snapshot
    closes_from_share: float
    may_be_quiet: bool
    cursor_field: str | None
    overlap: timedelta | int
    datum: str
    explode: str | None
    object_type: str | None
    protocol: str | None
    metrics: tuple[str, ...]
    alarm_columns: tuple[str, ...]
    place_columns: tuple[tuple[str, str], ...]
    drift_mode: DriftMode
    cadence: timedelta
    late_after: timedelta
    silent_after: timedelta
    retention: timedelta
    unused: tuple[str, ...] = ()  # elements that nothing here uses, said in words; only where they are let pass

    @property
    def feed(self) -> str:
        """The part of the id after the department."""
        return self.id.partition(".")[2]

    @property
    def slug(self) -> str:
        """The id as one SQL-safe word: `weather.station` → `weather__station`."""
        return self.id.replace(".", "__")

    @property
    def key(self) -> tuple[str, ...]:
        """Our names of the primary-key columns, in key order."""
        keyed = [c for c in self.columns if c.key_position is not None]
        return tuple(c.name for c in sorted(keyed, key=lambda c: c.key_position or 0))

    @property
    def landed_columns(self) -> tuple[Column, ...]:
        """Columns that leave the archive: all but those whose mask is `drop`."""
        return tuple(c for c in self.columns if c.mask != "drop")

    @property
    def is_draft(self) -> bool:
        """Whether people still work on the agreement."""
        return self.status == "draft"

    @property
    def is_stream(self) -> bool:
        """Whether devices push the feed through the broker instead of being asked for it."""
        return self.server.kind == "stream"

    @property
    def raw_feed(self) -> str:
        """The feed under whose subject the raw bytes stand: its own, or one whose frames carry this feed as well."""
        return str(self.server.options.get("stream", self.id))

    @property
    def event_time(self) -> Column | None:
        """The column that says when a fact happened, None for registers."""
        return next((c for name in EVENT_TIME_CONCEPTS for c in self.columns if c.concept == name), None)

    @property
    def is_register(self) -> bool:
        """Whether rows describe things that last (objects, devices) and not moments."""
        return self.event_time is None

    def column(self, name: str) -> Column:
        """The column with our name. Raises ContractError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise ContractError(f"{self.id}: no column {name!r}; it has {', '.join(c.name for c in self.columns)}")

    def by_concept(self, concept: str) -> Column | None:
        """The column that fills a concept of the unified model, or None."""
        return next((c for c in self.columns if c.concept == concept), None)


def parse_contract(document: Mapping[str, Any], origin: str, *, is_strict: bool = True) -> Contract:
    """Turn one ODCS document into a Contract; `origin` (a file name) goes into error texts.

    Elements that nothing uses are refused, or noted in the contract where `is_strict` is not asked for.
    Raises ContractError for what the standard allows and this product cannot use. Validity against the standard's
    own schema is checked by `core.catalogue` before.
    """
    if document.get("apiVersion") != API_VERSION:
        raise ContractError(f"{origin}: apiVersion is {document.get('apiVersion')!r}, expected {API_VERSION!r}")
    words, without_use = tuple(unknown_words(document)), tuple(unused(document))
    if problems := (*words, *(without_use if is_strict else ())):
        raise ContractError(f"{origin}: {'; '.join(problems)}")
    feed_id = str(document["id"])
    schemas = document.get("schema") or []
    if len(schemas) != 1:
        raise ContractError(f"{origin}: {len(schemas)} schema objects found, expected 1; split the feed")
    schema, custom = schemas[0], _custom(schemas[0])
    columns = tuple(_column(feed_id, p) for p in schema.get("properties", []))
    sla = {p["property"]: _duration(feed_id, p) for p in document.get("slaProperties", [])}
    missing = {"frequency", "freshness", "silence", "retention"} - sla.keys()
    if missing:
        raise ContractError(f"{origin}: slaProperties lacks {', '.join(sorted(missing))}")
    members = {m.get("role"): m.get("username", "") for m in document.get("team", {}).get("members", [])}
    contract = Contract(
        id=feed_id,
        version=str(document["version"]),
        status=str(document.get("status", "active")),
        name_zh=schema.get("businessName", feed_id),
        name_en=document.get("name", feed_id),
        domain=document.get("domain", ""),
        subdomain=custom.get("subdomain", feed_id.partition(".")[0]),
        department_code=feed_id.partition(".")[0],
        department_zh=document.get("team", {}).get("name", ""),
        owner=members.get("owner", ""),
        steward=members.get("steward", ""),
        server=_server(origin, document.get("servers") or []),
        table=schema.get("physicalName", schema["name"]),
        grain=schema.get("dataGranularityDescription", ""),
        entities=tuple(custom.get("entity", ())),
        columns=columns,
        rules=tuple(_rule(feed_id, q) for q in schema.get("quality", [])),
        snapshot=custom.get("snapshot", "incremental"),
        closes_from_share=float(custom.get("closesFromShare", CLOSES_FROM_SHARE)),
        may_be_quiet=bool(custom.get("mayBeQuiet", False)),
        cursor_field=custom.get("cursorField"),
        overlap=_overlap(origin, custom.get("overlap", 0)),
        datum=custom.get("datum", "WGS84"),
        explode=custom.get("explode"),
        object_type=custom.get("objectType"),
        protocol=custom.get("protocol"),
        metrics=tuple(custom.get("metrics", ())) or tuple(c.name for c in columns if c.is_metric),
        alarm_columns=tuple(custom.get("alarmColumns", ())),
        place_columns=tuple((str(r), str(c)) for r, c in custom.get("placeColumns", {}).items()),
        drift_mode=_custom(document).get("driftMode", "freeze"),
        cadence=sla["frequency"],
        late_after=sla["freshness"],
        silent_after=sla["silence"],
        retention=sla["retention"],
        unused=without_use,
    )
    _check(contract, origin)
    return contract


def _check(contract: Contract, origin: str) -> None:
    """Hold what the product relies on and the standard does not ask."""
    if not contract.key:
        raise ContractError(f"{origin}: no primaryKey column; every feed needs a key to land once")
    if contract.drift_mode not in get_args(DriftMode):
        raise ContractError(f"{origin}: driftMode {contract.drift_mode!r}, expected one of {get_args(DriftMode)}")
    for entity in contract.entities:
        if entity not in ENTITY_CONCEPTS:
            raise ContractError(f"{origin}: entity {entity!r}, expected one of {sorted(ENTITY_CONCEPTS)}")
    known = {concept for entity in contract.entities for concept in ENTITY_CONCEPTS[entity]}
    known |= PLACE_CONCEPTS
    names = {column.name for column in contract.columns}
    for role, name in contract.place_columns:
        if role not in PLACE_ROLES or name not in names:
            raise ContractError(
                f"{origin}: placeColumns {role}: {name!r}, expected one of {PLACE_ROLES} and a column of this feed"
            )
    for column in contract.columns:
        if column.concept and column.concept not in known:
            raise ContractError(
                f"{origin}: column {column.name}: concept {column.concept!r} is not one of {contract.entities}"
            )
        if column.is_personal and column.mask == "none":
            raise ContractError(f"{origin}: column {column.name} is {column.sensitivity} but has no mask")


def _column(feed_id: str, prop: Mapping[str, Any]) -> Column:
    custom, options = _custom(prop), prop.get("logicalTypeOptions", {})
    logical_type = prop.get("logicalType", "string")
    if logical_type not in get_args(LogicalType):
        raise ContractError(
            f"{feed_id}: column {prop['name']}: logicalType {logical_type!r}, expected one of {get_args(LogicalType)}"
        )
    plausible = custom.get("plausible")
    return Column(
        name=prop["name"],
        physical_name=prop.get("physicalName", prop["name"]),
        label_zh=prop.get("businessName", prop["name"]),
        description_en=prop.get("description", ""),
        logical_type=logical_type,
        required=bool(prop.get("required", False)),
        key_position=prop.get("primaryKeyPosition") if prop.get("primaryKey") else None,
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        pattern=options.get("pattern"),
        allowed=tuple(str(e["value"]) for e in prop.get("enum", [])),
        value_map={str(k): str(v) for k, v in custom.get("valueMap", {}).items()},
        unit=custom.get("unit"),
        source_unit=custom.get("sourceUnit") or custom.get("unit"),
        unit_slips=tuple(custom.get("unitSlips", ())),
        plausible=(float(plausible[0]), float(plausible[1])) if plausible else None,
        fault_codes=tuple(float(code) for code in custom.get("faultCodes", ())),
        source_formats=tuple(custom.get("sourceFormats", ())),
        source_time_zone=custom.get("sourceTimeZone", CIVIL_ZONE_NAME),
        concept=custom.get("concept"),
        is_metric=bool(custom.get("metric", False)),
        code_list=custom.get("codeList"),
        check_digit=custom.get("checkDigit"),
        sensitivity=prop.get("classification", "internal"),
        mask=custom.get("mask", "none"),
    )


def _rule(feed_id: str, quality: Mapping[str, Any]) -> Rule:
    """Read one `quality` entry: library metrics by their metric, ours by `implementation.kind`."""
    arguments = dict(quality.get("arguments") or {})
    if quality.get("type") == "custom":
        arguments |= quality["implementation"]
        kind = str(arguments.pop("kind"))
    else:
        kind = str(quality.get("metric"))
        arguments |= {k: v for k, v in quality.items() if k.startswith("mustBe")}
    severity = quality.get("severity", "error")
    if severity not in ("error", "warning"):
        raise ContractError(f"{feed_id}: rule {quality.get('id')}: severity {severity!r}, expected error or warning")
    return Rule(id=str(quality.get("id") or kind), kind=kind, severity=severity, arguments=arguments)


def _server(origin: str, servers: list[Mapping[str, Any]]) -> Server:
    if len(servers) != 1:
        raise ContractError(f"{origin}: {len(servers)} servers found, expected 1")
    server = servers[0]
    options, kind = _custom(server), server["type"]
    match kind:
        case "api":
            return Server("api", "http", server["location"], "json", options)
        case "local" | "sftp" | "s3":
            return Server("files", kind, server.get("path") or server.get("location"), server["format"], options)
        case "custom" if "transport" in options:
            return _stream_server(origin, options)
        case _ if "urlEnv" in options:
            return Server("sql", kind, server.get("schema"), None, options)
    raise ContractError(
        f"{origin}: server type {kind!r} without urlEnv or transport; expected api, local, sftp, s3, a database, or "
        "custom with a transport"
    )


def _stream_server(origin: str, options: Mapping[str, Any]) -> Server:
    """ODCS has no server type for devices, so these are `custom` with transport, protocol, record, topic, stream.

    Frames may hold rows of several feeds: `having` keeps those that have one of its fields, `lacking` those with none.
    """
    transport, protocol = options["transport"], options.get("protocol")
    if transport not in TRANSPORTS:
        raise ContractError(f"{origin}: transport {transport!r}, expected one of {TRANSPORTS}")
    if protocol not in STREAM_PROTOCOLS:
        raise ContractError(f"{origin}: protocol {protocol!r}, expected one of {STREAM_PROTOCOLS}")
    if protocol != "json" and not options.get("record"):
        raise ContractError(
            f"{origin}: protocol {protocol} without `record`: say which kind of its records this feed is"
        )
    if transport == "mqtt" and not options.get("topic") and "stream" not in options:
        raise ContractError(
            f"{origin}: transport mqtt without `topic`, the filter that the feed's devices publish under"
        )
    for name in ("having", "lacking"):
        if not isinstance(options.get(name, []), list):
            raise ContractError(f"{origin}: {name} is {options[name]!r}, expected a list of the protocol's field names")
    return Server("stream", transport, options.get("topic"), protocol, options)


def _duration(feed_id: str, sla: Mapping[str, Any]) -> timedelta:
    unit = _SLA_UNITS.get(sla.get("unit", ""))
    if unit is None:
        raise ContractError(f"{feed_id}: {sla['property']} in {sla.get('unit')!r}, expected {', '.join(_SLA_UNITS)}")
    value = float(sla["value"])
    return timedelta(days=value * 365) if unit == "years" else timedelta(**{unit: value})


def _overlap(origin: str, value: Any) -> timedelta | int:
    """`30 min`, `2 h`, `1 d`, or a whole number for cursor fields that count."""
    if isinstance(value, int) and value >= 0:
        return value
    amount, _, unit = str(value).partition(" ")
    if amount.isdigit() and unit in _SLA_UNITS and unit != "y":
        return timedelta(**{_SLA_UNITS[unit]: int(amount)})
    raise ContractError(f"{origin}: overlap {value!r}, expected a span like '30 min', '2 h', '1 d', or a whole number")


def _custom(element: Mapping[str, Any]) -> dict[str, Any]:
    return {p["property"]: p["value"] for p in element.get("customProperties", [])}
