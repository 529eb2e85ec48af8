"""The shape that lands: names, types, masks, unknown columns, places."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from sample_contract import HASH_KEY, RECEIVED, areas, column, contract, found, only, raw, shape

from core.catalogue import load_contracts
from core.contract import Contract
from core.mask import keyed_hash
from core.stages import META_COLUMNS, landed_schema
from ingest.conform import ConformContext, conform

KEY = column("id", key_position=1, required=True, physical_name="BH")
PHONE = column("phone", sensitivity="personal", mask="hash")


def test_names_types_and_meta_columns() -> None:
    feed = contract(
        KEY,
        column("n", "integer"),
        column("x", "number"),
        column("ok", "boolean"),
        column("on", "date"),
        column("at", "timestamp"),
        PHONE,
        column("face", sensitivity="sensitive", mask="drop"),
    )
    shaped = shape(feed, {"BH": "1", "phone": "13800138000", "face": "…"})
    assert dict(shaped.frame.schema) == {
        "id": pl.String(),
        "n": pl.Int64(),
        "x": pl.Float64(),
        "ok": pl.Boolean(),
        "on": pl.Date(),
        "at": pl.Datetime("us", "UTC"),
        "phone_hash": pl.String(),
        **{name: kind for name, kind in META_COLUMNS.items() if name != "_batch_id"},
    }
    assert shaped.frame["_received_at"].item() == RECEIVED
    assert shaped.frame.select("_row", "_flags", "_extra", "_area_code", "_lon").row(0) == ("1", "", None, None, None)


@pytest.mark.parametrize("feed", load_contracts().values(), ids=lambda feed: feed.id)
def test_every_contract_of_ours_has_a_landed_shape(feed: Contract) -> None:
    shaped = shape(feed)
    assert dict(shaped.frame.schema) == landed_schema(feed)
    assert shaped.frame.is_empty()
    assert shaped.notes == ()
    assert only(shape(feed, {}).notes).reason == "missing_key"


def test_personal_values_stand_only_in_secrets() -> None:
    feed = contract(KEY, PHONE, column("face", sensitivity="sensitive", mask="drop"))
    shaped = shape(feed, {"BH": "1", "phone": " 138００138000", "face": "/9j/4AAQ"}, {"BH": "2", "phone": "-"})
    expected = keyed_hash(HASH_KEY, "13800138000")
    assert shaped.frame["phone_hash"].to_list() == [expected, None]
    assert dict(shaped.secrets) == {expected: "13800138000"}
    assert "13800138000" not in shaped.frame.write_json()
    assert "/9j/" not in shaped.frame.write_json()
    assert "13800138000" not in repr(shaped)


def test_secrets_of_lost_rows_are_not_kept() -> None:
    shaped = shape(contract(KEY, PHONE, column("x", "number")), {"BH": "1", "phone": "13800138000", "x": "?"})
    assert found(shaped) == [("wrong_type", "quarantined", "1")]
    assert shaped.secrets == {}


def test_notes_mask_personal_values_and_cut_long_ones() -> None:
    feed = contract(
        KEY, column("phone", pattern="^1[0-9]{10}$", sensitivity="personal", mask="hash"), column("x", "number")
    )
    shaped = shape(feed, {"BH": "1", "phone": "王小明 138"}, {"BH": "2", "x": "长" * 500})
    assert [note.found for note in shaped.notes] == ["王***", "长" * 80]


def test_unknown_columns_become_extra_without_personal_numbers() -> None:
    shaped = shape(contract(KEY), {"BH": "1", "volt": "3.6", "tel": "13800138000"}, {"BH": "2"})
    first, second = (json.loads(text) for text in shaped.frame["_extra"])
    assert first == {"volt": "3.6", "tel": "***"}
    assert second == {"volt": None, "tel": None}


def test_discard_value_gives_up_the_cell_and_keeps_the_row() -> None:
    feed = contract(
        KEY, column("x", "number", maximum=10), column("need", "number", required=True), drift_mode="discard_value"
    )
    good = {"BH": "0", "x": "1", "need": "1"}
    shaped = shape(
        feed, good, {**good, "BH": "1", "x": "?"}, {**good, "BH": "2", "x": "11"}, {**good, "BH": "3", "need": "?"}
    )
    assert found(shaped) == [
        ("wrong_type", "quarantined", "4"),
        ("wrong_type", "flagged", "2"),
        ("out_of_range", "flagged", "3"),
    ]
    assert shaped.frame.select("x", "_flags").rows() == [(1.0, ""), (None, "wrong_type:x"), (None, "out_of_range:x")]


@pytest.mark.parametrize("mode", ["evolve", "freeze", "discard_row"])
def test_other_modes_give_up_the_row(mode: str) -> None:
    shaped = shape(contract(KEY, column("x", "number"), drift_mode=mode), {"BH": "1", "x": "?"}, {"BH": "2", "x": "1"})
    assert found(shaped) == [("wrong_type", "quarantined", "1")]
    assert shaped.frame["id"].to_list() == ["2"]


def test_a_row_may_carry_two_flags() -> None:
    feed = contract(
        KEY,
        column("lon", "number", concept="lon"),
        column("lat", "number", concept="lat"),
        column("area", code_list="area", concept="area_code"),
        column("code", check_digit="uscc"),
    )
    shaped = shape(feed, {"BH": "1", "lon": "30.69", "lat": "111.29", "area": "420521", "code": "91350100M000100Y44"})
    assert shaped.frame["_flags"].item() == "swapped_lat_lon,retired_area_code,bad_check_digit"
    assert len(shaped.notes) == 3


def test_places_are_wgs84_and_name_their_county() -> None:
    feed = contract(
        KEY,
        column("lon", "number", concept="lon"),
        column("lat", "number", concept="lat"),
        column("area", concept="area_code"),
        datum="GCJ-02",
    )
    shaped = shape(
        feed,
        {"BH": "1", "lon": "111.292160", "lat": "30.689361", "area": "420502001"},
        {"BH": "2", "lon": "100.0", "lat": "25.0", "area": "420502001"},
        {"BH": "3", "area": "420505"},
    )
    assert shaped.frame["_area_code"].to_list() == ["420503", "420502", "420505"]
    lon, lat = shaped.frame.select("lon", "lat").row(0)
    assert (lon, lat) == pytest.approx((111.2865, 30.6918), abs=1e-6)
    assert shaped.frame.select("_lon", "_lat").row(2) == (None, None)


def test_half_a_place_is_none() -> None:
    feed = contract(
        KEY,
        column("lon", "number", minimum=73, maximum=136, concept="lon"),
        column("lat", "number", concept="lat"),
        drift_mode="discard_value",
    )
    shaped = shape(feed, {"BH": "1", "lon": "111"}, {"BH": "2", "lon": "190", "lat": "30"})
    assert shaped.frame.select("lon", "lat", "_lon", "_lat", "_area_code").rows() == [
        (111.0, None, None, None, None),
        (None, 30.0, None, None, None),
    ]


def test_a_geometry_gives_a_place() -> None:
    feed = contract(KEY, column("shape", concept="geometry_wkt"), datum="GCJ-02")
    shaped = shape(feed, {"BH": "1", "shape": "POINT Z (111.292160 30.689361 12)"}, {"BH": "2"})
    lon, lat = shaped.frame.select("_lon", "_lat").row(0)
    assert (lon, lat) == pytest.approx((111.2865, 30.6918), abs=1e-6)
    assert shaped.frame["shape"][0].startswith("POINT (111.2865")
    assert shaped.frame["_area_code"].to_list() == ["420503", None]


def test_conform_looks_at_no_clock() -> None:
    feed = contract(KEY, column("at", "timestamp", concept="observed_at"))
    then = datetime(2001, 1, 1, tzinfo=UTC)
    shaped = conform(
        raw(feed, {"BH": "1", "at": "2002-01-01T00:00:00Z"}), feed, ConformContext(then, HASH_KEY, areas())
    )
    assert only(shaped.notes).reason == "future_time"
