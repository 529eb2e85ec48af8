"""HJ 212 judged on captured frames: what they say under our names, and why the bad ones are refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.protocols import BadFrame, Message, codec, hj212
from ingest.protocols.hj212.crc import crc, modbus

NAMES = Path(__file__).with_name("hj212_names.csv")
NO_FRAME_NAMES = {"frames", "tail", "error"}  # what a vector says about its stream, its tail, its fault

# id → (reason begins, offset, found, expected begins)
REFUSED = {
    "guocay-2": ("crc", 281, "1100", "2D00"),
    "guocay-3": ("crc", 142, "4980", "3C00"),
    "guocay-4": ("crc", 219, "f9c1", "7340"),
    "xinaml-462": ("truncated", 462, "462 bytes", "472"),
    "hcu-124": ("crc", 130, "0137", "71C0; it is CRC-16/MODBUS"),
    "py25-ack-bad": ("crc", 81, "FFFF", "0140"),
    "zlwater-494": ("truncated", 498, "498 bytes", "504"),
    "xy-139": ("no check where the length says", 145, "'-Fla'", "4 hex digits"),
    "derived-bad-crc": ("crc", 107, "1C81", "1C80"),
    "derived-modbus-swapped": ("crc", 107, "5907", "1C80"),
    "derived-len+1": ("truncated", 111, "111 bytes", "112"),
    "derived-len-alpha": ("length field", 2, "'0A01'", "4 decimal digits"),
    "derived-one-hash": ("no start of frame", 0, "'#0'", "'##'"),
    "derived-trunc": ("truncated", 60, "60 bytes", "111"),
    "derived-bitflip": ("crc", 107, "1C80", "0D80"),
    "derived-cp-open": ("CP not closed", 42, "'01-Rtd=1'", "&&"),
}


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> list[dict[str, Any]]:
    lines = (shared_dir / "protocols/hj212.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    with NAMES.open(encoding="utf-8", newline="") as file:
        return {row["source_name"]: row["our_field"] for row in csv.DictReader(file)}


def frame_of(vector: dict[str, Any]) -> bytes:
    text = vector["frame"]
    return bytes.fromhex(text) if vector["encoding"].startswith("hex") else text.encode("utf-8")


def says(vector: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(source name, value) of all that a vector says, by `expect`, and by `own_decode` too: both must hold."""
    own = vector.get("own_decode", {})
    yield from own.get("head", {}).items()
    yield from own.get("cp", {}).items()
    for code, values in own.get("items", {}).items():
        yield from ((f"{code}-{name}", value) for name, value in values.items())
    yield from ((name, value) for name, value in vector["expect"].items() if name not in NO_FRAME_NAMES)


def ours(message: Message, names: dict[str, str], source_name: str) -> Any:
    code, dash, field = source_name.rpartition("-")
    if not dash:
        return message.fields[names[source_name]]
    group, _, name = names[f"*-{field}"].split(".")
    return message.fields[group][code][name]  # type: ignore[index]


@pytest.mark.shared
def test_every_name_of_the_frames_is_mapped(vectors: list[dict[str, Any]], names: dict[str, str]) -> None:
    seen = {f"*-{name.rpartition('-')[2]}" if "-" in name else name for v in vectors for name, _ in says(v)}
    assert len(seen) >= 30
    assert seen <= set(names), f"map these in {NAMES.name}: {sorted(seen - set(names))}"
    assert len(set(names)) == len(NAMES.read_text("utf-8").splitlines()) - 1


@pytest.mark.shared
def test_every_valid_frame_says_what_it_should(vectors: list[dict[str, Any]], names: dict[str, str]) -> None:
    valid = [v for v in vectors if v["valid"] and not {"kind", "lenient"} & v.keys()]
    assert len(valid) >= 60
    n_values = 0
    for vector in valid:
        message = hj212.decode(frame_of(vector))
        assert message.deviations == ()
        for name, value in says(vector):
            if vector["id"] == "derived-bad-time" and value == "invalid (month 13)":
                assert message.fields["observed_at"] is None
                continue
            found = ours(message, names, name)
            assert found == value or float(found) == float(value), (vector["id"], name)
            n_values += 1
    assert n_values > 600


@pytest.mark.shared
def test_every_invalid_frame_is_refused_with_reason_and_offset(vectors: list[dict[str, Any]]) -> None:
    invalid = {v["id"]: v for v in vectors if not v["valid"]}
    assert invalid.keys() == REFUSED.keys()
    for vector_id, (reason, offset, found, expected) in REFUSED.items():
        with pytest.raises(BadFrame) as caught:
            hj212.decode(frame_of(invalid[vector_id]))
        error = caught.value
        assert (vector_id, error.reason, error.offset, error.found) == (vector_id, reason, offset, found)
        assert error.expected.startswith(expected)


@pytest.mark.shared
def test_frames_that_need_an_option_say_which(vectors: list[dict[str, Any]], names: dict[str, str]) -> None:
    by_id = {v["id"]: v for v in vectors}
    lenient = [v["id"] for v in vectors if v.get("lenient")]
    assert lenient == ["derived-lf-only"]
    options = {
        "derived-lf-only": ("lf_tail",),
        "hcu-124": ("crc_modbus",),
        "xinaml-462": None,  # bytes are lost, not only miscounted
        "xy-139": None,  # its check is wrong too
        "derived-bad-crc": None,
        "derived-bitflip": None,
        "derived-cp-open": None,
    }
    everything = frozenset(hj212.LENIENT)
    for vector_id, deviations in options.items():
        frame = frame_of(by_id[vector_id])
        with pytest.raises(BadFrame):
            hj212.decode(frame)
        if deviations is None:
            with pytest.raises(BadFrame):
                hj212.decode(frame, everything)
        else:
            assert hj212.decode(frame, everything).deviations == deviations
            assert hj212.decode(frame, frozenset(deviations)).deviations == deviations
            for name, value in says(by_id[vector_id]):
                assert ours(hj212.decode(frame, everything), names, name) == value


@pytest.mark.shared
def test_records_have_only_fields_that_are_promised(vectors: list[dict[str, Any]]) -> None:
    kinds: dict[str, int] = {}
    for vector in vectors:
        if vector["valid"] and not {"kind", "lenient"} & vector.keys():
            for record in hj212.decode(frame_of(vector)).records:
                assert set(record.values) <= set(hj212.RECORD_FIELDS[record.kind])
                kinds[record.kind] = kinds.get(record.kind, 0) + 1
    assert kinds.keys() >= {"factor", "dust", "water"}
    assert kinds["factor"] > 100


@pytest.mark.shared
def test_the_stream_of_all_frames_gives_them_all_back(vectors: list[dict[str, Any]]) -> None:
    valid = [frame_of(v).rstrip(b"\r\n") for v in vectors if v["valid"] and v.get("kind") != "stream"]
    glued = b"".join(valid)
    assert hj212.splitter().feed(glued) == valid
    by_byte = hj212.splitter()
    assert [one for byte in glued for one in by_byte.feed(bytes([byte]))] == valid
    assert by_byte.close() == []


@pytest.mark.shared
def test_bad_frames_between_good_ones_cost_only_themselves(vectors: list[dict[str, Any]]) -> None:
    good = next(frame_of(v) for v in vectors if v["id"] == "std-annexA").rstrip()
    for vector in vectors:
        splitter = hj212.splitter()
        found = splitter.feed(good + b"\r\n" + frame_of(vector) + good)
        found += splitter.close()
        assert found[0] == found[-1] == good, vector["id"]
        assert len(found) >= 3


@pytest.mark.shared
def test_noise_is_reported_and_passed_over(vectors: list[dict[str, Any]]) -> None:
    vector = next(v for v in vectors if v.get("kind") == "stream")
    splitter = hj212.splitter()
    noise, *frames = splitter.feed(frame_of(vector)) + splitter.close()
    assert isinstance(noise, BadFrame)
    assert noise.found == "14 bytes 'garbage##noise'"
    assert len(frames) == vector["expect"]["frames"]
    assert hj212.decode(frames[0]).fields["realtime_interval_s"] == "30"  # type: ignore[arg-type]


def test_check_values() -> None:
    assert crc(b"123456789") == 0x2F80
    assert modbus(b"123456789") == 0x4B37
    segment = b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&"
    assert crc(segment) == 0x1C80


def test_it_is_a_codec() -> None:
    found = codec("hj212")
    assert {"factor", "dust", "water", "facility"} == set(found.RECORD_FIELDS)
    assert found.MAX_FRAME_BYTES == 6 + 9999 + 4 + 2
