"""Which defects are planted in the registers of devices that report by themselves, and how many at scale 1."""

from city.planting import (
    Planting,
    check_digit,
    empty,
    foreign_area,
    retired_area,
    same,
    swapped,
    text,
    value,
)
from city.profiles import Profile


def live_plan(profile: Profile) -> list[Planting]:
    """Row defects; every good device keeps one good row, so that all of them may connect."""
    return [*_transport(profile), *_fire_and_housing(), *_ecology_and_water(profile), *_urban(profile)]


def _transport(profile: Profile) -> list[Planting]:
    feed = "transport.vehicle"
    return [
        Planting(feed, "missing_key", 6, empty("zdh"), extra=True),
        Planting(feed, "wrong_type", 4, value("cllx", "农用车?", "其他"), extra=True),
        Planting(feed, "wrong_type", 3, value("zdh", "0", "未安装"), extra=True),
        Planting(feed, "out_of_range", 4, value("xs", 800.0, -60.0), extra=True),
        Planting(feed, "unknown_area_code", 4, foreign_area("xzqh", profile), extra=True),
        Planting(feed, "retired_area_code", 5, retired_area("xzqh", profile)),
        Planting(feed, "bad_check_digit", 6, check_digit("tyshxydm"), needs=("tyshxydm",)),
        Planting(feed, "swapped_lat_lon", 5, swapped("jd", "wd")),
        Planting(feed, "duplicate", 6, same, extra=True),
    ]


def _fire_and_housing() -> list[Planting]:
    device, monitor = "fire.device", "housing.dust_monitor"
    return [
        Planting(device, "missing_key", 3, empty("dwbm"), extra=True),
        Planting(device, "out_of_range", 2, value("zxsy", 70.0, -1.0), extra=True),
        Planting(device, "swapped_lat_lon", 3, swapped("jd", "wd")),
        Planting(device, "duplicate", 3, same, extra=True),
        Planting(monitor, "missing_key", 2, empty("project_code"), extra=True),
        Planting(monitor, "swapped_lat_lon", 2, swapped("lng", "lat")),
        Planting(monitor, "duplicate", 2, same, extra=True),
    ]


def _ecology_and_water(profile: Profile) -> list[Planting]:
    outfall, station = "ecology.outfall", "water.station"
    return [
        Planting(outfall, "missing_key", 2, empty("outfallName"), extra=True),
        Planting(outfall, "out_of_range", 2, value("limits.cod", 90000.0, -50.0), extra=True),
        Planting(outfall, "unknown_area_code", 1, foreign_area("adcode", profile), extra=True),
        Planting(outfall, "bad_check_digit", 2, check_digit("company.uscc"), needs=("company.uscc",)),
        Planting(outfall, "swapped_lat_lon", 1, swapped("lng", "lat")),
        Planting(outfall, "duplicate", 2, same, extra=True),
        Planting(station, "missing_key", 2, empty("rtuAddr"), extra=True),
        Planting(station, "wrong_type", 2, value("sttp", "潮位站?"), extra=True),
        Planting(station, "out_of_range", 2, value("wrz", 99999.0), extra=True),
        Planting(station, "swapped_lat_lon", 2, swapped("lgtd", "lttd")),
        Planting(station, "duplicate", 2, same, extra=True),
    ]


def _urban(profile: Profile) -> list[Planting]:
    gas, tunnel = "urban.gas_device", "urban.tunnel_device"
    return [
        Planting(gas, "missing_key", 3, empty("设备编码"), extra=True),
        Planting(gas, "wrong_type", 3, text("影响人数", "若干", "约百人"), extra=True),
        Planting(gas, "unknown_area_code", 3, foreign_area("行政区划代码", profile), extra=True),
        Planting(gas, "retired_area_code", 3, retired_area("行政区划代码", profile)),
        Planting(gas, "swapped_lat_lon", 3, swapped("经度", "纬度")),
        Planting(gas, "duplicate", 3, same, extra=True),
        Planting(tunnel, "missing_key", 2, empty("设备编码"), extra=True),
        Planting(tunnel, "out_of_range", 2, value("设计湿度上限(%)", 950.0), extra=True),
        Planting(tunnel, "swapped_lat_lon", 1, swapped("经度", "纬度")),
        Planting(tunnel, "duplicate", 2, same, extra=True),
    ]
