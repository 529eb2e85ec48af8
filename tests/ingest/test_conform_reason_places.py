"""Reason codes of places and codes: one row that must be caught and a neighbour that must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sample_contract import column, contract, found, only, shape

from core import geo
from core.contract import Contract

KEY = column("id", key_position=1, required=True, concept="object_id")


def values(*columns: Any, **agreed: Any) -> Contract:
    return contract(KEY, *columns, **agreed)


# ── places ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def place_feed(**agreed: Any) -> Contract:
    return values(
        column("lon", "number", minimum=73, maximum=136, concept="lon"),
        column("lat", "number", minimum=3, maximum=54, concept="lat"),
        **agreed,
    )


def test_swapped_lat_lon() -> None:
    shaped = shape(
        place_feed(), {"id": "1", "lon": "111.2865", "lat": "30.6918"}, {"id": "2", "lon": "30.6918", "lat": "111.2865"}
    )
    assert found(shaped) == [("swapped_lat_lon", "corrected", "2")]
    assert shaped.frame.select("lon", "lat", "_area_code", "_flags").rows() == [
        (111.2865, 30.6918, "420503", ""),
        (111.2865, 30.6918, "420503", "swapped_lat_lon"),
    ]


def test_swapped_axes_of_a_geometry() -> None:
    feed = values(column("shape", required=True, concept="geometry_wkt"))
    shaped = shape(
        feed,
        {"id": "1", "shape": "LINESTRING (111.28 30.69, 111.3 30.69)"},
        {"id": "2", "shape": "LINESTRING (30.69 111.28, 30.69 111.3)"},
        {"id": "3", "shape": "LINESTRING (111.28"},
    )
    assert found(shaped) == [("wrong_type", "quarantined", "3"), ("swapped_lat_lon", "corrected", "2")]
    assert shaped.frame["shape"].to_list() == ["LINESTRING (111.28 30.69, 111.3 30.69)"] * 2
    assert shaped.frame.select("_lon", "_lat").rows() == [pytest.approx((111.29, 30.69))] * 2


PLACES = {str(n): (111.20 + n / 50, 30.60 + n / 70) for n in range(1, 11)}
KNOWN = pl.DataFrame(
    {"id": list(PLACES), "lon": [p[0] for p in PLACES.values()], "lat": [p[1] for p in PLACES.values()]}
)


def moved(change: Any, count: int = 10) -> list[dict[str, str | None]]:
    lon, lat = (np.array(axis) for axis in zip(*PLACES.values(), strict=True))
    x, y = change(lon, lat)
    chosen = [n < count for n in range(len(x))]
    x, y = np.where(chosen, x, lon), np.where(chosen, y, lat)
    return [{"id": name, "lon": f"{a:.6f}", "lat": f"{b:.6f}"} for name, a, b in zip(PLACES, x, y, strict=True)]


def test_undeclared_datum_left_in() -> None:
    shaped = shape(place_feed(), *moved(geo.wgs84_to_gcj02), {"id": "new", "lon": "111", "lat": "30"}, known=KNOWN)
    note = only(shaped.notes)
    assert (note.reason, note.grain, note.outcome, note.n_rows) == ("undeclared_datum", "batch", "quarantined", 11)
    assert shaped.frame.is_empty()


def test_undeclared_datum_taken_out_for_nothing() -> None:
    shaped = shape(place_feed(datum="GCJ-02"), *moved(lambda lon, lat: (lon, lat)), known=KNOWN)
    assert only(shaped.notes).reason == "undeclared_datum"


def test_declared_datum_passes() -> None:
    shaped = shape(place_feed(datum="GCJ-02"), *moved(geo.wgs84_to_gcj02), known=KNOWN)
    assert shaped.notes == ()
    assert shaped.frame["_lon"].to_list() == pytest.approx(KNOWN["lon"].to_list(), abs=2e-6)


def test_objects_that_really_moved_pass() -> None:
    shaped = shape(place_feed(), *moved(lambda lon, lat: (lon + 0.006, lat + 0.002)), known=KNOWN)
    assert shaped.notes == ()


def test_a_few_shifted_objects_are_no_batch() -> None:
    shaped = shape(place_feed(), *moved(geo.wgs84_to_gcj02, count=7), known=KNOWN)
    assert shaped.notes == ()
    four = KNOWN.head(4)
    assert shape(place_feed(), *moved(geo.wgs84_to_gcj02), known=four).notes == ()


# ── codes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_unknown_area_code() -> None:
    feed = values(column("area", code_list="area", concept="area_code"))
    sent = ["420503", "420503001", "420503001002", "420599", "999999001", None]
    shaped = shape(feed, *({"id": str(n), "area": code} for n, code in enumerate(sent, 1)))
    assert found(shaped) == [("unknown_area_code", "quarantined", "4"), ("unknown_area_code", "quarantined", "5")]
    assert shaped.frame["_area_code"].to_list() == ["420503", "420503", "420503", None]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("450127", "450181"),
        ("520321", "520304"),
        ("450122", "450110"),
        ("420521", "420506"),
        ("420521101", "420506101"),
        ("420521101001", "420506101001"),
    ],
)
@pytest.mark.case("ingest.held.H6")
def test_retired_area_code(old: str, new: str) -> None:
    feed = values(column("area", code_list="area", concept="area_code"))
    shaped = shape(feed, {"id": "1", "area": old}, {"id": "2", "area": new})
    assert found(shaped) == [("retired_area_code", "corrected", "1")]
    assert shaped.frame["area"].to_list() == [new, new]
    assert shaped.frame["_area_code"].to_list() == [new[:6]] * 2
    assert shaped.frame["_flags"].to_list() == ["retired_area_code", ""]


@pytest.mark.case("ingest.held.H5")
def test_bad_check_digit_of_a_credit_code_is_flagged() -> None:
    feed = values(column("code", check_digit="uscc"))
    shaped = shape(feed, {"id": "1", "code": "91350100m000100y43"}, {"id": "2", "code": "91350100M000100Y44"})
    assert found(shaped) == [("bad_check_digit", "flagged", "2")]
    assert shaped.frame["code"].to_list() == ["91350100M000100Y43", "91350100M000100Y44"]


def test_bad_check_digit_of_a_person_is_quarantined_and_masked() -> None:
    feed = values(column("person", check_digit="resident_id", sensitivity="sensitive", mask="hash"))
    sent = ["11010519491231002X", "11010519491231002x", "110105491231002", "110105194912310021"]
    shaped = shape(feed, *({"id": str(n), "person": number} for n, number in enumerate(sent, 1)))
    note = only(shaped.notes)
    assert (note.reason, note.outcome, note.locator, note.found) == ("bad_check_digit", "quarantined", "4", "1***")
    first, second, third = shaped.frame["person_hash"].to_list()
    assert first == second != third
    assert dict(shaped.secrets) == {first: "11010519491231002X", third: "110105491231002"}
