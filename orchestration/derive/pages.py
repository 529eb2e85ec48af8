"""One page per feed for people: who owns it, what its columns mean, what is checked, what happens to bad rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from core.contract import Column, Contract, Rule
from orchestration.derive.rendering import render

# Reasons that a contract can lead to, in both languages; the words are those of quarantine and truth.
REASONS: Mapping[str, tuple[str, str, str]] = {
    "unknown_device": (
        "quarantined",
        "设备未登记;危险值仍会告警",
        "the device is in no register; danger in what it sends rings all the same",
    ),
    "foreign_device": (
        "quarantined",
        "发送方无权代该设备上报",
        "the sender may not speak for this device: it is neither the device nor its registered gateway",
    ),
    "missing_key": ("quarantined", "主键或必填项为空", "a key or required column is empty"),
    "wrong_type": (
        "quarantined",
        "不能按约定类型、取值或格式读取",
        "cannot be read as its type, allowed values or pattern",
    ),
    "out_of_range": ("quarantined", "超出约定上下限", "outside the agreed minimum and maximum"),
    "device_fault": ("flagged", "设备自报故障码,不作数值", "a code by which the device says that it measured nothing"),
    "unit_mismatch": (
        "quarantined",
        "疑似单位错误(如以 MPa 报 kPa)",
        "looks like another unit, such as MPa sent for kPa",
    ),
    "duplicate": ("ignored", "与已落地的行完全相同", "the same as a row that has landed"),
    "late": ("flagged", "事件时间早于传输时间两天以上", "more than two days between the event and its transmission"),
    "clock_wrong": (
        "corrected",
        "设备时钟错误,以接收时间代替",
        "the device's clock is wrong; receipt stands for its time",
    ),
    "future_time": (
        "quarantined",
        "事件时间晚于传输时间 10 分钟以上",
        "the event is more than ten minutes after its transmission",
    ),
    "wrong_time_zone": ("quarantined", "整批时间偏移 8 小时", "a whole group is shifted by eight hours"),
    "swapped_lat_lon": ("corrected", "经纬度颠倒,已换回", "longitude and latitude were swapped; swapped back"),
    "undeclared_datum": ("quarantined", "坐标系与声明不符", "the coordinates are in another datum than declared"),
    "unknown_area_code": ("quarantined", "行政区划代码不存在", "the area code is not in the list"),
    "retired_area_code": (
        "corrected",
        "已撤销的区划代码,换为现行代码",
        "a retired area code; replaced by its successor",
    ),
    "bad_check_digit": (
        "flagged",
        "校验位错误(身份证号则隔离)",
        "the check digit is wrong (quarantined for resident ids)",
    ),
    "invisible_character": (
        "corrected",
        "含不可见字符,已去除",
        "characters that nobody sees (zero width, byte order mark) were taken out",
    ),
    "superseded": ("ignored", "同批中被后一行更正", "a later row of the same payload corrects it"),
    "truncated_file": ("quarantined", "文件不完整", "the file ends too early"),
    "empty_file": ("quarantined", "空文件或只有表头", "zero bytes, or only a header"),
    "extra_column": ("flagged", "合同外的列,保存于 _extra", "a column that the contract does not know; kept in _extra"),
    "missing_column": ("flagged", "缺少可选列", "an optional column is gone; its values are missing"),
    "unreadable_file": ("quarantined", "文件无法识别", "none of the agreed columns, or another kind of file"),
    "renamed_column": (
        "quarantined",
        "约定的列不见了,另有一个未知列",
        "an agreed column is gone and one unknown column stands there",
    ),
    "resent_file": ("ignored", "内容与已收文件相同", "the same bytes as a file that was received before"),
    "column_order": ("corrected", "列序不同,按列名读取", "columns in another order; read by name"),
    "mixed_encodings": ("corrected", "同一文件混用编码,逐行解码", "lines in another encoding; decoded line by line"),
    "projected": (
        "corrected",
        "投影坐标,已按文件所载坐标系换算为经纬度",
        "metres of a projection; turned into degrees",
    ),
    "total_row": ("ignored", "合计、小计行,不是数据", "a row of totals, which describes no thing of its own"),
}


# What devices send costs no row that may hold an alarm: these mark where others refuse.
STREAM_REASONS = {
    "wrong_type": (
        "flagged",
        "取值无法识别,仅该值置空(主键则隔离)",
        "the value cannot be read and is missing (quarantined in a key)",
    ),
    "out_of_range": ("flagged", "超出量程,值保留并标记,参与告警", "beyond the range; kept, marked and judged by rules"),
    "unit_mismatch": ("flagged", "疑似单位错误,值保留并标记", "looks like another unit; kept and marked"),
    "late": (
        "flagged",
        "补传、历史或批量数据,保留其过去时间",
        "sent as history, resend, batch or back-fill; keeps its past time",
    ),
}


def pages(contracts: Iterable[Contract]) -> dict[str, str]:
    """File name → Markdown, and an index of all feeds."""
    feeds = list(contracts)
    texts = {f"{contract.id}.md": _page(contract) for contract in feeds}
    texts["README.md"] = render("feeds.md.jinja", contracts=feeds, duration=_duration)
    return texts


def reasons_of(contract: Contract) -> list[str]:
    """The reason codes that rows and files of a feed can get, in the order of the list."""
    columns, kind = contract.columns, contract.server.kind
    is_csv = kind == "files" and contract.server.file_format == "csv"
    has_transmission = contract.by_concept("transmitted_at") is not None
    applies = {
        "unknown_device": contract.is_stream and "register" in contract.server.options,
        "foreign_device": contract.is_stream and "register" in contract.server.options,
        "missing_key": True,
        "wrong_type": True,
        "out_of_range": any(c.minimum is not None or c.maximum is not None for c in columns),
        "unit_mismatch": any(c.unit_slips for c in columns),
        "duplicate": contract.snapshot == "incremental",
        "late": contract.event_time is not None and (has_transmission or contract.is_stream),
        "clock_wrong": contract.is_stream,
        "device_fault": any(c.fault_codes for c in columns),
        "future_time": contract.event_time is not None and not contract.is_stream,
        "wrong_time_zone": contract.event_time is not None and has_transmission and not contract.is_stream,
        "swapped_lat_lon": contract.by_concept("lon") is not None,
        "undeclared_datum": contract.is_register and contract.by_concept("lon") is not None,
        "unknown_area_code": any(c.code_list == "area" for c in columns),
        "retired_area_code": any(c.code_list == "area" for c in columns),
        "bad_check_digit": any(c.check_digit for c in columns),
        "invisible_character": True,
        "superseded": True,
        "truncated_file": kind != "sql",
        "empty_file": kind == "files",
        "extra_column": contract.drift_mode == "evolve",
        "missing_column": kind == "files",
        "unreadable_file": kind != "sql",
        "renamed_column": True,
        "resent_file": kind == "files",
        "column_order": is_csv,
        "mixed_encodings": is_csv,
        "projected": contract.server.file_format in ("gpkg", "geojson"),
        "total_row": contract.server.file_format in ("csv", "xlsx"),
    }
    return [reason for reason in REASONS if applies[reason]]


def _page(contract: Contract) -> str:
    words = {**REASONS, **(STREAM_REASONS if contract.is_stream else {})}
    return render(
        "feed.md.jinja",
        contract=contract,
        reasons=[(reason, *words[reason]) for reason in reasons_of(contract)],
        limits=_limits,
        rule=_rule,
        duration=_duration,
        cell=_cell,
        place=_place(contract),
    )


def _place(contract: Contract) -> str:
    """Where the feed comes from, with the environment variables that name it and none of their values."""
    server = contract.server
    match server.kind:
        case "sql":
            return f"SQL, `${{{server.options.get('urlEnv', '')}}}`, table `{contract.table}`"
        case "api":
            return f"HTTP, `{server.location}`"
        case "files":
            return f"files ({server.file_format}), `{server.location}`"
        case "stream":
            topic = f", topic `{server.location}`" if server.location else ""
            return f"pushed by devices: {server.dialect}, protocol {server.file_format}{topic}"


def _limits(column: Column) -> str:
    """What values are agreed, short enough for a table cell."""
    parts = []
    if column.minimum is not None or column.maximum is not None:
        low = "−∞" if column.minimum is None else f"{column.minimum:g}"
        high = "∞" if column.maximum is None else f"{column.maximum:g}"
        parts.append(f"{low} … {high}")
    if column.allowed:
        parts.append(", ".join(column.allowed))
    if column.pattern:
        parts.append(f"`{column.pattern}`")
    if column.code_list:
        parts.append(f"code list {column.code_list}")
    if column.check_digit:
        parts.append(f"check digit {column.check_digit}")
    return _cell("; ".join(parts))


def _rule(rule: Rule) -> str:
    return _cell(", ".join(f"{name} {value}" for name, value in rule.arguments.items()))


def _cell(text: str) -> str:
    """Text that cannot break a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
