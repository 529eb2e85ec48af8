"""The conformed entities: which columns each has, of which type and meaning. Feeds fill them through concepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.contract import ENTITY_CONCEPTS, LogicalType


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a conformed entity."""

    name: str
    logical_type: LogicalType
    zh: str
    en: str
    unit: str | None = None
    sensitivity: str = "internal"


# What an entity's rows are called and are keyed by. Things of registers have a row for every batch that names them.
ENTITY_KEYS: Mapping[str, tuple[str, ...]] = {
    "object": ("object_id", "batch_id"),
    "device": ("device_id", "batch_id"),
    "reading": ("device_id", "metric", "observed_at"),
    "event": ("event_id",),
    "inspection": ("inspection_id",),
    "substance": ("object_id", "cas_no"),
}
ENTITY_NAMES: Mapping[str, tuple[str, str]] = {
    "object": ("风险对象", "Risk objects of all registers"),
    "device": ("监测设备", "Devices of all registers"),
    "reading": ("监测读数(长表)", "Readings of all feeds, one row per device, metric and time"),
    "event": ("事件", "Events of all feeds"),
    "inspection": ("检查记录", "Inspections of all feeds"),
    "substance": ("危险物质", "Hazardous substances of the units"),
}

# Concepts that are ids within a department or a feed; its code is put before them so that they are unique in the city.
GLOBAL_IDS = ("object_id", "device_id", "event_id", "inspection_id")
PLACED = ("object", "device", "event")

_FIELDS = (
    Field(
        "object_id",
        "string",
        "风险对象编号(部门代码:原编号)",
        "Risk object: department code, colon, the department's own id",
    ),
    Field(
        "device_id", "string", "设备编号(部门代码:原编号)", "Device: department code, colon, the department's own id"
    ),
    Field("event_id", "string", "事件编号(数据源:原编号)", "Event: feed, colon, the department's own id"),
    Field("inspection_id", "string", "检查编号(数据源:原编号)", "Inspection: feed, colon, the department's own id"),
    Field("object_subtype", "string", "对象小类", "Finer kind of the object, as the department classes it"),
    Field("name_zh", "string", "中文名称", "Chinese name"),
    Field("name_en", "string", "英文名称", "English name"),
    Field(
        "area_code",
        "string",
        "行政区划代码(由坐标落区,否则取上报代码)",
        "Area code: county by point in polygon, else as reported",
    ),
    Field("lon", "number", "经度(WGS 84)", "Longitude, WGS 84", "deg"),
    Field("lat", "number", "纬度(WGS 84)", "Latitude, WGS 84", "deg"),
    Field("geometry_wkt", "string", "几何图形(WKT,WGS 84)", "Geometry as WKT, WGS 84"),
    Field("credit_code", "string", "统一社会信用代码", "Unified social credit code"),
    Field("enterprise_name", "string", "企业名称", "Name of the enterprise"),
    Field("address", "string", "地址", "Address"),
    Field("built_on", "date", "建成(登记)日期", "Date built, started or registered"),
    Field("status", "string", "状态", "Status"),
    Field("grade", "string", "部门定级", "Grade that the department gave"),
    Field("people", "integer", "涉及人数", "People on site or exposed", "1"),
    Field("updated_at", "timestamp", "部门更新时间", "When the department last changed the row"),
    Field("installed_on", "date", "安装日期", "Date installed"),
    Field("observed_at", "timestamp", "监测时间(设备时钟)", "Time of the reading by the device's clock"),
    Field("transmitted_at", "timestamp", "部门接收或上传时间", "When the department received or sent the row"),
    Field(
        "quality_flag",
        "string",
        "数据状态(normal 正常、maintenance 维护、calibration 校准、fault 故障)",
        "State of the device: normal, maintenance, calibration, fault",
    ),
    Field("event_type", "string", "事件类型", "Kind of event"),
    Field("event_subtype", "string", "事件小类", "Finer kind of event"),
    Field("occurred_at", "timestamp", "发生时间", "When it happened"),
    Field("ended_at", "timestamp", "结束时间", "When it ended or stops to hold"),
    Field(
        "colour", "string", "预警颜色(red、orange、yellow、blue)", "Colour of the warning: red, orange, yellow, blue"
    ),
    Field("title_zh", "string", "标题", "Chinese title"),
    Field("text_zh", "string", "正文", "Chinese text"),
    Field("person_key", "string", "人员键(不可逆哈希)", "Person as a keyed hash", None, "personal"),
    Field("inspected_at", "timestamp", "检查时间", "When it was inspected"),
    Field("item", "string", "检查项目", "What was inspected"),
    Field("result", "string", "检查结果", "Result"),
    Field("findings", "integer", "隐患数", "Number of findings", "1"),
    Field("rectified_at", "timestamp", "整改完成时间", "When the findings were put right"),
    Field("due_on", "date", "整改期限", "Date by which the findings must be put right"),
    Field("cas_no", "string", "CAS 号", "CAS number"),
    Field("substance_name_zh", "string", "物质名称", "Chinese name of the substance"),
    Field("hazard_class", "string", "危险性类别", "Hazard class"),
    Field("design_max_t", "number", "设计最大量(吨)", "Largest design quantity", "t"),
    # not concepts: given by the contract as a whole or by landing
    Field("metric", "string", "指标代码", "Metric, a name that carries its unit"),
    Field("value", "number", "数值(单位见指标)", "Value in the metric's unit"),
    Field("object_type", "string", "对象类型", "Type of risk object"),
    Field("protocol", "string", "接入协议", "How the device's data come"),
    Field("metric_list", "string", "指标清单(逗号分隔)", "Metrics that the device may report, comma-separated"),
    Field("feed_id", "string", "数据源编号", "Feed that the row came from"),
    Field("department_code", "string", "部门代码", "Department that owns the row"),
    Field("domain", "string", "风险领域", "Domain: lifeline, public_safety, work_safety, natural_hazard"),
    Field("subdomain", "string", "风险子领域", "Finer kind of the domain"),
    Field(
        "landed_on",
        "date",
        "落地分区日(北京时间;登记类为接收日)",
        "Beijing day of the event, or of receipt for registers",
    ),
    Field("batch_id", "string", "批次编号", "Batch that brought the row"),
    Field("received_at", "timestamp", "接收时间", "When this product received the row"),
    Field("is_late", "boolean", "是否迟到(超过两天)", "Whether the row came more than two days after its event"),
    Field(
        "flags",
        "string",
        "处理标记(逗号分隔的原因码)",
        "Reason codes of what was flagged or corrected, comma-separated",
    ),
    Field("attributes", "string", "其余非个人字段(JSON)", "The feed's other, non-personal columns as JSON"),
)
FIELDS: Mapping[str, Field] = {field.name: field for field in _FIELDS}

_ORIGIN = ("feed_id", "department_code", "domain", "subdomain", "landed_on", "batch_id", "received_at")
_EXTRA: Mapping[str, tuple[str, ...]] = {
    "object": ("object_type", "flags", "attributes", *_ORIGIN),
    "device": ("protocol", "metric_list", "attributes", *_ORIGIN),
    "reading": ("object_id", "metric", "value", "is_late", *_ORIGIN),
    "event": ("lon", "lat", "is_late", "attributes", *_ORIGIN),
    "inspection": ("is_late", "attributes", *_ORIGIN),
    "substance": ("attributes", *_ORIGIN),
}


def fields_of(entity: str) -> list[Field]:
    """The columns of `conformed.all_<entity>` in order: the entity's concepts, then where the row came from."""
    return [FIELDS[name] for name in (*ENTITY_CONCEPTS[entity], *_EXTRA[entity])]
