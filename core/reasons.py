"""Why a row or a file is quarantined, marked, corrected or ignored: one table of words for all who say it to people."""

from __future__ import annotations

from collections.abc import Mapping

# Code of quarantine → what becomes of the row, and the reason in Chinese and in English.
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
    "bad_frame": ("quarantined", "报文无法解析", "bytes that are no frame of the protocol"),
    "total_row": ("ignored", "合计、小计行,不是数据", "a row of totals, which describes no thing of its own"),
}


# What devices send costs no row that may hold an alarm: these mark where others refuse.
STREAM_REASONS: Mapping[str, tuple[str, str, str]] = {
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
