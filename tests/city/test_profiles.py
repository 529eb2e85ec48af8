"""Sizes, places and identifiers of both cities at full size."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import shapely
from sample_city import AS_OF
from stdnum.cn import ric, uscc

from city.build import draw
from city.clock import Span
from city.geography import County, to_gcj02
from city.profiles import CITIES, load_profile, sizes_of
from city.streams import Streams
from city.table import SourceTable
from city.truth import Truth
from core.declarations import DeclarationError
from core.system import SYSTEMS_ROOT

Tables = dict[str, SourceTable]
# feed: (longitude, latitude, area code), in CGCS2000
PLACES = {
    "weather.station": ("lon", "lat", "adcode"),
    "emergency.tailings_pond": ("_lon", "_lat", "XZQHDM"),
    "housing.site": ("lng", "lat", "area_code"),
    "resources.geo_point": ("经度", "纬度", "行政区划代码"),
    "market.elevator": ("位置/经度", "位置/纬度", "使用单位/区划代码"),
}
SHIFTED = {
    "fire.unit": ("jd", "wd", "xzqh"),
    "emergency.major_hazard": ("location.lng", "location.lat", "location.adcode"),
}


@pytest.fixture(scope="module", params=CITIES)
def drawn(request: pytest.FixtureRequest) -> tuple[str, Tables]:
    """All feeds of a city at scale 1 over one day, without defects."""
    city = request.param
    return city, draw(load_profile(city), Span(AS_OF, 1), Streams(city, 3), 1.0, Truth())


def unique(tables: Tables, feed_id: str, column: str) -> int:
    """How many different values a column has."""
    return tables[feed_id].frame[column].n_unique()


def test_registers_have_the_sizes_that_the_cities_give(drawn: tuple[str, Tables]) -> None:
    city, tables = drawn
    if city == "yichang":
        assert unique(tables, "fire.unit", "dwbm") == 1100
        assert unique(tables, "emergency.major_hazard", "hazardCode") == 37
        assert unique(tables, "emergency.tailings_pond", "WKKBM") == 17
        return
    assert unique(tables, "resources.geo_point", "统一编号") == 2986
    devices = tables["resources.geo_device"].frame.group_by("dev_class").agg(pl.len(), pl.col("point_no").n_unique())
    assert {row[0]: row[1:] for row in devices.rows()} == {"普适型": (1789, 737), "自动化": (3158, 511)}


def test_all_four_hazard_grades_are_there(drawn: tuple[str, Tables]) -> None:
    grades = Counter(drawn[1]["emergency.major_hazard"].frame.unique("hazardCode")["grade"])
    assert set(grades) == {"一级", "二级", "三级", "四级"}


def test_grades_on_record_follow_the_standard(drawn: tuple[str, Tables]) -> None:
    """R = α Σ β q/Q with numbers written here from GB 18218, not read from the city's own table."""
    critical = {"7664-41-7": (10, 2), "7782-50-5": (5, 4), "7446-09-5": (20, 2), "7783-06-4": (5, 5)}
    critical |= {"75-21-8": (10, 2), "7647-01-0": (20, 3), "67-56-1": (500, 1), "64-17-5": (500, 1)}
    critical |= {"71-43-2": (50, 1), "108-88-3": (500, 1), "68334-30-5": (5000, 1), "67-63-0": (1000, 1)}
    for _, group in drawn[1]["emergency.major_hazard"].frame.group_by("hazardCode"):
        people = group["residents500m"][0]
        alpha = next((a for limit, a in ((1, 0.5), (30, 1.0), (50, 1.2), (100, 1.5)) if people < limit), 2.0)
        stored = [
            (kg / 1000, *critical[cas]) for cas, kg in group.select("substances.cas", "substances.designMax").rows()
        ]
        r = alpha * sum(beta * tonnes / limit for tonnes, limit, beta in stored)
        grade = "一级" if r >= 100 else "二级" if r >= 50 else "三级" if r >= 10 else "四级"
        assert sum(tonnes / limit for tonnes, limit, _ in stored) >= 1
        assert grade == group["grade"][0]


def test_objects_stand_inside_the_county_of_their_code(
    drawn: tuple[str, Tables], counties: dict[str, list[County]]
) -> None:
    city, tables = drawn
    outlines = {county.code: county.outline for county in counties[city]}
    for feed_id, (lon, lat, area) in PLACES.items():
        _assert_inside(outlines, tables[feed_id].frame.select(lon, lat, area))
    for feed_id, (lon, lat, area) in SHIFTED.items():
        frame = tables[feed_id].frame
        east, north = to_gcj02(frame[lon].to_numpy(), frame[lat].to_numpy())
        back = frame.with_columns(pl.col(lon) * 2 - pl.Series(east), pl.col(lat) * 2 - pl.Series(north))
        _assert_inside(outlines, back.select(lon, lat, area))
    pipes = tables["urban.pipe"].frame.filter(pl.col("XZQH").is_not_null())
    lines = shapely.from_wkb(np.array(pipes["geometry"].to_list(), dtype=object))
    for code, outline in outlines.items():
        assert shapely.covers(outline, lines[(pipes["XZQH"] == code).to_numpy()]).all()


def _assert_inside(outlines: dict[str, shapely.Geometry], frame: pl.DataFrame) -> None:
    assert frame.height > 0
    for (code,), group in frame.group_by(pl.col(frame.columns[2]).str.slice(0, 6)):
        inside = shapely.contains_xy(outlines[str(code)], group.to_series(0).to_numpy(), group.to_series(1).to_numpy())
        assert inside.all(), f"{code}: {group.filter(~pl.Series(inside))}"


def test_identifiers_have_right_check_digits(drawn: tuple[str, Tables]) -> None:
    tables = drawn[1]
    for feed_id, column in (("fire.unit", "tyshxydm"), ("market.elevator", "使用单位/统一社会信用代码")):
        codes = tables[feed_id].frame[column]
        assert 0 < codes.null_count() < len(codes) // 4
        assert all(uscc.calc_check_digit(code[:-1]) == code[-1] for code in codes.drop_nulls())
    people = tables["housing.attendance"].frame["id_card"].unique()
    assert all(ric.calc_check_digit(number) == number[-1] for number in people)


@pytest.mark.parametrize(
    ("wgs", "gcj"),
    [
        ((111.2865, 30.6918), (111.292160, 30.689361)),
        ((106.9274, 27.7257), (106.931223, 27.722169)),
        ((121.5447, 31.2216), (121.548982, 31.219455)),
    ],
)
def test_the_shift_to_gcj02_has_the_known_values(wgs: tuple[float, float], gcj: tuple[float, float]) -> None:
    lon, lat = to_gcj02(*wgs)
    assert (float(lon), float(lat)) == gcj


def test_unknown_cities_are_refused() -> None:
    with pytest.raises(ValueError, match="no profile"):
        load_profile("atlantis")


def test_a_count_that_two_systems_state_is_refused(tmp_path: Path) -> None:
    for name in ("lifeline/gas", "lifeline/elevator"):
        shutil.copytree(SYSTEMS_ROOT / name, tmp_path / name)
    path = tmp_path / "lifeline/elevator/system.yaml"
    path.write_text(path.read_text("utf-8").replace("elevators:", "gas_detectors:"), "utf-8")
    (path.parent / "simulation.yaml").write_text("counts: {gas_detectors: {floor: 1}}\n", "utf-8")
    with pytest.raises(
        DeclarationError, match=r"elevator/system.yaml:12: size/.*/gas_detectors: system L02 .*gas\) has"
    ):
        sizes_of("yichang", tmp_path)


def test_every_county_and_street_code_is_real(drawn: tuple[str, Tables], counties: dict[str, list[County]]) -> None:
    city, tables = drawn
    known = {code for county in counties[city] for code in (county.code, *county.streets)}
    assert {name: len(found) for name, found in counties.items()} == {"yichang": 13, "zunyi": 14}
    for feed_id, (_, _, area) in (PLACES | SHIFTED).items():
        assert set(tables[feed_id].frame[area]) <= known
