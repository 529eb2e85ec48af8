"""Which defects are planted in which feed, and how many at scale 1."""

from city.plan_live import live_plan
from city.planting import (
    Planting,
    check_digit,
    divided,
    empty,
    foreign_area,
    happened_earlier,
    happens_later,
    retired_area,
    same,
    swapped,
    text,
    value,
)
from city.profiles import Profile

_NO_NUMBER = ("异常", "12..5", "1O3.2", "E-404")


def row_plan(profile: Profile) -> dict[str, list[Planting]]:
    """Row defects by feed id."""
    entries = [*_weather(profile), *_emergency(profile), *_fire(profile), *_housing(profile)]
    entries += [*_resources(profile), *_market_and_urban(profile), *live_plan(profile)]
    plan: dict[str, list[Planting]] = {}
    for entry in entries:
        plan.setdefault(entry.feed_id, []).append(entry)
    return plan


def _weather(profile: Profile) -> list[Planting]:
    feed = "weather.observation"
    return [
        Planting(feed, "missing_key", 6, empty("stationId")),
        Planting(feed, "missing_key", 4, empty("obsTime")),
        Planting(feed, "wrong_type", 8, text("tem", *_NO_NUMBER)),
        Planting(feed, "wrong_type", 4, text("obsTime", "2026-02-30T08:00:00+08:00", "昨日八时")),
        Planting(feed, "wrong_type", 4, value("qc", "9", "X")),
        Planting(feed, "out_of_range", 6, value("tem", 99.9, -81.5, 999.0)),
        Planting(feed, "out_of_range", 4, value("rhu", 140, -7)),
        Planting(feed, "unit_mismatch", 8, divided("prs", 10), needs=("prs",)),
        Planting(feed, "duplicate", 12, same, extra=True),
        Planting(feed, "late", 12, happened_earlier("obsTime", "uploadTime")),
        Planting(feed, "future_time", 6, happens_later("obsTime")),
        Planting("weather.station", "unknown_area_code", 2, foreign_area("adcode", profile), extra=True),
        Planting("weather.station", "swapped_lat_lon", 1, swapped("lon", "lat")),
        Planting("weather.warning", "wrong_type", 1, value("info.severityColor", "紫色"), extra=True),
        Planting("weather.warning", "unknown_area_code", 1, foreign_area("info.area.geocode", profile), extra=True),
        Planting("weather.warning", "duplicate", 1, same, extra=True),
    ]


def _emergency(profile: Profile) -> list[Planting]:
    hazard, pond, point = "emergency.major_hazard", "emergency.tailings_pond", "emergency.tailings_point"
    reading, pore = "emergency.tailings_reading", "孔隙水压力(kPa)"
    return [
        Planting(hazard, "missing_key", 2, empty("substances.designMax"), extra=True),
        Planting(hazard, "wrong_type", 1, value("substances.cas", "未知-00-X"), extra=True),
        Planting(hazard, "out_of_range", 2, value("substances.designMax", 5.2e9, -800.0), extra=True),
        Planting(hazard, "unknown_area_code", 1, foreign_area("location.adcode", profile), extra=True),
        Planting(hazard, "retired_area_code", 1, retired_area("location.adcode", profile)),
        Planting(hazard, "bad_check_digit", 1, check_digit("company.uscc"), needs=("company.uscc",)),
        Planting(hazard, "swapped_lat_lon", 1, swapped("location.lng", "location.lat")),
        Planting(hazard, "duplicate", 2, same, extra=True),
        Planting(pond, "missing_key", 1, empty("WKKMC"), extra=True),
        Planting(pond, "out_of_range", 1, value("BG", 4200.0), extra=True),
        Planting(pond, "bad_check_digit", 1, check_digit("TYSHXYDM"), needs=("TYSHXYDM",)),
        Planting(point, "missing_key", 1, empty("尾矿库编码"), extra=True),
        Planting(point, "swapped_lat_lon", 2, swapped("经度", "纬度")),
        Planting(point, "duplicate", 1, same, extra=True),
        Planting(reading, "missing_key", 8, empty("测点编码")),
        Planting(reading, "missing_key", 4, empty("监测时间")),
        Planting(reading, "wrong_type", 6, text(pore, *_NO_NUMBER), needs=(pore,)),
        Planting(reading, "wrong_type", 4, text("监测时间", "2026-02-31 07:00:00", "时间丢失")),
        Planting(reading, "wrong_type", 4, value("状态", "离线", "待查")),
        Planting(reading, "out_of_range", 8, value(pore, 5400.0, -37.5), needs=(pore,)),
        Planting(reading, "out_of_range", 4, value("表面位移(mm)", 99999.0), needs=("表面位移(mm)",)),
        Planting(reading, "unit_mismatch", 20, divided(pore, 1000), needs=(pore,)),
        Planting(reading, "duplicate", 12, same, extra=True),
        Planting(reading, "future_time", 3, happens_later("监测时间", 365)),
    ]


def _fire(profile: Profile) -> list[Planting]:
    unit, visit = "fire.unit", "fire.inspection"
    return [
        Planting(unit, "missing_key", 4, empty("dwmc"), extra=True),
        Planting(unit, "wrong_type", 3, value("dwlx", "其他场所", "网吧??"), extra=True),
        Planting(unit, "out_of_range", 3, value("sswhl", 180.0, -5.0), extra=True),
        Planting(unit, "unknown_area_code", 5, foreign_area("xzqh", profile), extra=True),
        Planting(unit, "retired_area_code", 6, retired_area("xzqh", profile)),
        Planting(unit, "bad_check_digit", 8, check_digit("tyshxydm"), needs=("tyshxydm",)),
        Planting(unit, "swapped_lat_lon", 6, swapped("jd", "wd")),
        Planting(unit, "duplicate", 3, same, extra=True),
        Planting(visit, "missing_key", 5, empty("dwbm")),
        Planting(visit, "wrong_type", 5, value("xcjg", "待定", "?")),
        Planting(visit, "out_of_range", 4, value("yhs", 9999, -3)),
        Planting(visit, "duplicate", 8, same, extra=True),
    ]


def _housing(profile: Profile) -> list[Planting]:
    site, gate = "housing.site", "housing.attendance"
    return [
        Planting(site, "missing_key", 2, empty("project_name"), extra=True),
        Planting(site, "wrong_type", 2, value("stage", "停工?"), extra=True),
        Planting(site, "out_of_range", 2, value("pit_depth", 640.0, -3.0), extra=True),
        Planting(site, "unknown_area_code", 2, foreign_area("area_code", profile), extra=True),
        Planting(site, "retired_area_code", 2, retired_area("area_code", profile)),
        Planting(site, "bad_check_digit", 3, check_digit("builder_uscc"), needs=("builder_uscc",)),
        Planting(site, "swapped_lat_lon", 2, swapped("lng", "lat")),
        Planting(gate, "missing_key", 8, empty("project_code")),
        Planting(gate, "wrong_type", 6, value("direction", "翻越", "上")),
        Planting(gate, "bad_check_digit", 16, check_digit("id_card"), outcome="quarantined"),
        Planting(gate, "duplicate", 20, same, extra=True),
        Planting(gate, "late", 10, happened_earlier("pass_time", "create_time")),
        Planting(gate, "future_time", 6, happens_later("pass_time")),
    ]


def _resources(profile: Profile) -> list[Planting]:
    point, device, reading = "resources.geo_point", "resources.geo_device", "resources.geo_reading"
    return [
        Planting(point, "missing_key", 2, empty("名称"), extra=True),
        Planting(point, "wrong_type", 3, text("威胁人数", "若干", "数十"), extra=True),
        Planting(point, "out_of_range", 2, value("威胁户数", 88000, -2), extra=True),
        Planting(point, "unknown_area_code", 3, foreign_area("行政区划代码", profile), extra=True),
        Planting(point, "retired_area_code", 3, retired_area("行政区划代码", profile)),
        Planting(point, "swapped_lat_lon", 4, swapped("经度", "纬度")),
        Planting(point, "duplicate", 3, same, extra=True),
        Planting(device, "missing_key", 1, empty("point_no"), extra=True),
        Planting(device, "wrong_type", 2, value("dev_type", "测斜", "其它"), extra=True),
        Planting(device, "swapped_lat_lon", 2, swapped("lon", "lat")),
        Planting(reading, "missing_key", 8, empty("dev_sn")),
        Planting(reading, "wrong_type", 6, value("state", "7", "A")),
        Planting(reading, "out_of_range", 4, value("disp", 65535.0, -32768.0), needs=("disp",)),
        Planting(reading, "out_of_range", 4, value("volt", 655.35, -1.0)),
        Planting(reading, "duplicate", 16, same, extra=True),
        Planting(reading, "late", 12, happened_earlier("mon_time", "recv_time")),
        Planting(reading, "future_time", 8, happens_later("mon_time")),
    ]


def _market_and_urban(profile: Profile) -> list[Planting]:
    lift, pipe = "market.elevator", "urban.pipe"
    area, code = "使用单位/区划代码", "使用单位/统一社会信用代码"
    return [
        Planting(lift, "missing_key", 2, empty("设备信息/设备代码"), extra=True),
        Planting(lift, "wrong_type", 2, text("技术参数/层站", "六层半", "待定"), extra=True),
        Planting(lift, "out_of_range", 2, value("技术参数/额定载重", 1.0, 99000.0), extra=True),
        Planting(lift, "unknown_area_code", 3, foreign_area(area, profile), extra=True),
        Planting(lift, "retired_area_code", 3, retired_area(area, profile)),
        Planting(lift, "bad_check_digit", 6, check_digit(code), needs=(code,)),
        Planting(lift, "swapped_lat_lon", 3, swapped("位置/经度", "位置/纬度")),
        Planting(lift, "duplicate", 2, same, extra=True),
        Planting(pipe, "missing_key", 3, empty("GXBH"), extra=True),
        Planting(pipe, "wrong_type", 4, value("GXLX", "石油?", "XX"), extra=True),
        Planting(pipe, "wrong_type", 3, value("MSRQ", "年代不详", "1998-13-40"), extra=True),
        Planting(pipe, "out_of_range", 4, value("MS", -2.5, 480.0), extra=True),
        Planting(pipe, "unit_mismatch", 10, divided("YL", 1000), needs=("YL",), extra=True),
        Planting(pipe, "unknown_area_code", 3, foreign_area("XZQH", profile), extra=True),
        Planting(pipe, "retired_area_code", 3, retired_area("XZQH", profile)),
        Planting(pipe, "duplicate", 3, same, extra=True),
    ]
