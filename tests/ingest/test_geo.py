"""Datum check values, round trips, and point in polygon."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_contract import areas

from core import geo
from core.boundaries import load_areas

# WGS 84 → GCJ-02 → BD-09, published to 6 decimals, and the shift of each in metres.
CHECKS = {
    "Yichang": ((111.2865, 30.6918), (111.292160, 30.689361), (111.298725, 30.695050), 605, 1223),
    "Changde": ((111.6985, 29.0316), (111.704110, 29.028575), (111.710540, 29.034798), 641, 1223),
    "Nanning": ((108.3665, 22.8170), (108.370572, 22.814314), (108.377027, 22.820593), 513, 1151),
    "Zunyi": ((106.9274, 27.7257), (106.931223, 27.722169), (106.937656, 27.728437), 544, 1054),
    "Tongzhou": ((116.6565, 39.9095), (116.662385, 39.910602), (116.668828, 39.916735), 517, 1324),
    "Pudong": ((121.5447, 31.2216), (121.548982, 31.219455), (121.555420, 31.225764), 472, 1120),
    "Songjiang": ((121.2282, 31.0322), (121.232616, 31.030080), (121.239119, 31.036028), 482, 1124),
}
HALF_LAST_DIGIT = 1e-6
LON = np.array([check[0][0] for check in CHECKS.values()])
LAT = np.array([check[0][1] for check in CHECKS.values()])


@pytest.mark.parametrize("place", CHECKS)
def test_check_values(place: str) -> None:
    wgs, gcj, bd, gcj_shift, bd_shift = CHECKS[place]
    lon, lat = np.array([wgs[0]]), np.array([wgs[1]])
    gcj_found = geo.wgs84_to_gcj02(lon, lat)
    bd_found = geo.gcj02_to_bd09(*gcj_found)
    assert [axis.item() for axis in gcj_found] == pytest.approx(gcj, abs=HALF_LAST_DIGIT)
    assert [axis.item() for axis in bd_found] == pytest.approx(bd, abs=HALF_LAST_DIGIT)
    assert geo.distance_m(lon, lat, *gcj_found).item() == pytest.approx(gcj_shift, rel=0.005)
    assert geo.distance_m(lon, lat, *bd_found).item() == pytest.approx(bd_shift, rel=0.005)


@given(st.floats(73, 135), st.floats(18, 54))
def test_round_trips_are_below_a_micrometre(lon: float, lat: float) -> None:
    x, y = np.array([lon]), np.array([lat])
    gcj = geo.wgs84_to_gcj02(x, y)
    assert geo.distance_m(*geo.gcj02_to_wgs84(*gcj), x, y).item() < 1e-6
    assert geo.distance_m(*geo.bd09_to_gcj02(*geo.gcj02_to_bd09(*gcj)), *gcj).item() < 1e-6


def test_every_datum_word_comes_home() -> None:
    gcj = geo.wgs84_to_gcj02(LON, LAT)
    for datum, sent in {"CGCS2000": (LON, LAT), "GCJ-02": gcj, "BD-09": geo.gcj02_to_bd09(*gcj)}.items():
        assert np.max(geo.distance_m(*geo.to_wgs84(*sent, datum), LON, LAT)) < 1e-6
        back = geo.without_mistaken_datum(*geo.to_wgs84(LON, LAT, datum), datum)
        away = geo.distance_m(*back, LON, LAT)
        assert np.max(away) < 1e-6 if datum != "CGCS2000" else np.min(away) > 400
    with pytest.raises(ValueError, match="Xian80"):
        geo.to_wgs84(LON, LAT, "Xian80")


def test_outside_china_nothing_moves() -> None:
    lon, lat = np.array([2.35, -74.0]), np.array([48.85, 40.7])
    assert [axis.tolist() for axis in geo.wgs84_to_gcj02(lon, lat)] == [lon.tolist(), lat.tolist()]


def test_well_known_text_moves_with_its_datum() -> None:
    texts = ["LINESTRING (111.29216 30.689361, 111.70411 29.028575)", None, "POINT (1", "POINT EMPTY"]
    line, missing, broken, empty = geo.transform_wkt(texts, "GCJ-02")
    moved = geo.read_wkt([line])[0].coords
    assert list(moved[0]) == pytest.approx(CHECKS["Yichang"][0], abs=2e-6)
    assert list(moved[1]) == pytest.approx(CHECKS["Changde"][0], abs=2e-6)
    assert (missing, broken, empty) == (None, None, "POINT EMPTY")


def test_a_place_on_every_kind_of_geometry() -> None:
    horseshoe = "POLYGON ((0 0, 10 0, 10 10, 8 10, 8 2, 2 2, 2 10, 0 10, 0 0))"
    shapes = geo.read_wkt(["POINT (1 2)", "LINESTRING (0 0, 10 0)", horseshoe, None, "POINT EMPTY"])
    lon, lat = geo.representative_points(shapes)
    assert (lon[0], lat[0], lon[1], lat[1]) == (1, 2, 5, 0)
    assert shapes[2].contains(geo.read_wkt([f"POINT ({lon[2]} {lat[2]})"])[0])
    assert np.isnan(lon[3:]).all()


def test_each_check_place_lies_in_its_county() -> None:
    found = areas().locate(LON, LAT)
    assert found == ["420503", "430702", "450103", "520303", "110112", "310115", "310117"]
    assert areas().locate(np.array([np.nan, 0.0]), np.array([30.0, 0.0])) == [None, None]


def test_codes_and_polygons_belong_together() -> None:
    index = areas()
    assert len(index.polygon_codes) == 51
    assert index.codes >= set(index.polygon_codes)
    assert {code for code in index.codes if not code.endswith("00")} - set(index.polygon_codes) == {"430771"}
    assert not set(index.retired) & index.codes
    assert set(index.retired.values()) <= index.codes


def test_areas_load_quickly_and_without_a_geo_stack() -> None:
    begun = time.process_time()
    load_areas()
    assert time.process_time() - begun < 0.5
    assert "geopandas" not in sys.modules
