"""Words of headers and units: what departments call things, and what we call them."""

from __future__ import annotations

from collections.abc import Mapping

# Part of a Chinese header → part of our name; longer words first, because they contain shorter ones.
NAME_WORDS: Mapping[str, str] = {
    "统一社会信用代码": "credit_code", "行政区划代码": "area_code", "行政区划": "area_code",
    "区划代码": "area_code", "身份证号码": "person_id_no", "身份证号": "person_id_no",
    "身份证": "person_id_no", "法定代表人": "legal_person", "联系电话": "phone", "联系方式": "phone",
    "手机号码": "phone", "手机号": "phone", "手机": "phone", "电话": "phone", "联系人": "contact_name",
    "负责人": "contact_name", "姓名": "person_name", "车牌号": "plate_no", "车牌": "plate_no",
    "监测时间": "observed_at", "观测时间": "observed_at", "采集时间": "observed_at",
    "上报时间": "transmitted_at", "上传时间": "transmitted_at", "发生时间": "occurred_at",
    "更新时间": "updated_at", "安装日期": "installed_on", "安装时间": "installed_on", "建成日期": "built_on",
    "建成时间": "built_on", "时间": "observed_at", "日期": "date_on", "经度": "lon", "纬度": "lat",
    "企业名称": "enterprise_name", "单位名称": "name_zh", "名称": "name_zh", "设备代码": "device_id",
    "测点编码": "point_id",
    "测点编号": "point_id", "设备编码": "device_id", "设备编号": "device_id", "站号": "station_id",
    "站点编号": "station_id", "传感器编号": "sensor_id", "编码": "id", "编号": "id", "代码": "id", "序号": "row_no",
    "地址": "address", "孔隙水压力": "pore_pressure", "压力": "pressure", "温度": "temperature",
    "气温": "air_temperature", "湿度": "relative_humidity", "水位": "level", "液位": "level", "流量": "flow",
    "流速": "flow_speed", "降雨量": "rain", "雨量": "rain", "风速": "wind_speed", "浓度": "concentration",
    "甲烷": "methane", "电压": "voltage", "电流": "current", "位移": "displacement", "裂缝": "crack",
    "倾角": "tilt", "高程": "elevation", "长度": "length", "管径": "diameter", "埋深": "depth",
    "面积": "area", "容积": "volume", "人数": "people", "数量": "count", "状态": "status", "类型": "type",
    "类别": "class", "等级": "grade", "备注": "note", "结果": "result",
}  # fmt: skip

# A unit as headers write it → as contracts write it, and the ending of our names.
UNITS: Mapping[str, tuple[str, str]] = {
    "mpa": ("MPa", "mpa"), "kpa": ("kPa", "kpa"), "hpa": ("hPa", "hpa"), "pa": ("Pa", "pa"),
    "bar": ("bar", "bar"), "℃": ("degC", "c"), "°c": ("degC", "c"), "degc": ("degC", "c"),
    "°": ("deg", "deg"), "度": ("deg", "deg"), "deg": ("deg", "deg"), "m": ("m", "m"), "米": ("m", "m"),
    "cm": ("cm", "cm"), "mm": ("mm", "mm"), "毫米": ("mm", "mm"), "km": ("km", "km"), "m/s": ("m/s", "m_s"),
    "km/h": ("km/h", "km_h"), "%": ("percent", "pct"), "pct": ("percent", "pct"),
    "percent": ("percent", "pct"), "%lel": ("percent", "pct_lel"), "ppm": ("ppm", "ppm"),
    "mg/l": ("mg/L", "mg_l"), "mg/m3": ("mg/m3", "mg_m3"), "μg/m3": ("ug/m3", "ug_m3"),
    "ug/m3": ("ug/m3", "ug_m3"), "m3/h": ("m3/h", "m3_h"), "m3/s": ("m3/s", "m3_s"), "l/s": ("L/s", "l_s"),
    "m2": ("m2", "m2"), "m3": ("m3", "m3"), "v": ("V", "v"), "a": ("A", "a"), "kw": ("kW", "kw"),
    "t": ("t", "t"), "吨": ("t", "t"), "kg": ("kg", "kg"), "s": ("s", "s"), "min": ("min", "min"),
    "h": ("h", "h"), "人": ("person", "people"), "万元": ("1e4 CNY", "1e4_cny"),
    "万立方米": ("1e4 m3", "1e4_m3"), "ntu": ("NTU", "ntu"),
}  # fmt: skip

# Endings of ASCII names that are units only when something stands before them: too short to be sure otherwise.
SHORT_UNITS = frozenset({"m", "a", "v", "t", "s", "h", "c", "min"})

# Time formats in the order they are tried, by what a value looks like.
TIME_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%d %H:%M:%S%z",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y年%m月%d日 %H:%M:%S",
    "%Y年%m月%d日 %H时%M分",
    "%Y%m%d%H%M%S",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%Y %m %d %H",
)
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y年%m月%d日", "%Y%m%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%Y %m %d")
