"""JT/T 808 against frames that others captured or published: the decoder agrees with them, not with our encoder.

`jt808_names.csv` says which of our fields each name of a source means, and how one becomes the other. The message
column is an id, an id with the word `behaviour` for frames that carry driver behaviour, or `*`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ingest.protocols import BadFrame, Message, codec
from ingest.protocols.jt808.encode import Sender, frame

pytestmark = pytest.mark.shared

JT808 = codec("jt808")
NAMES = Path(__file__).with_name("jt808_names.csv")
LEAST_FRAMES = 160


# ── from our value to the source's ────────────────────────────────────────────────────────────────────────────────────
def local_time(ours: Any) -> Any:
    """2020-07-07T19:23:59, in Beijing time without saying so."""
    return ours and ours.removesuffix("+08:00")


def digits_time(ours: Any) -> Any:
    """200707192359; an unset clock is zeros."""
    return re.sub(r"\D", "", local_time(ours))[2:] if ours else "000000000000"


HOW: dict[str, Any] = {
    "": lambda ours: ours,
    "x10": lambda ours: round(ours * 10),
    "x1000000": lambda ours: round(ours * 1_000_000),
    "local_time": local_time,
    "spaced_time": lambda ours: local_time(ours).replace("T", " "),
    "digits_time": digits_time,
    "clock": lambda ours: f"{ours[:2]}:{ours[2:]}:00",
    "without_zeros": lambda ours: ours.lstrip("0"),
    "bytes": lambda ours: list(bytes.fromhex(ours)),
    "first_byte": lambda ours: bytes.fromhex(ours)[0],
    "last_byte": lambda ours: bytes.fromhex(ours)[-1],
    "hex_number": lambda ours: int(ours, 16),
    "all_ones": lambda ours: -1 if ours in {0xFF, 0xFFFF, 0xFFFFFFFF} else ours,
    "count": len,
    "number": int,
    "is_2019": lambda ours: ours == 2019,
    "spaces_for_commas": lambda ours: ours.replace(",", " "),
    "bit_17_is_tampering": lambda ours: "tampering" if ours >> 17 & 1 else None,
    "comma_part_12": lambda ours: float(bytes.fromhex(ours).decode("ascii").split(",")[12]),
    "missing_is_empty": lambda ours: "" if ours is MISSING else ours,
    **{f"bit_{n}": lambda ours, n=n: bool(ours >> n & 1) for n in range(16)},
}
WITH_FIELDS: dict[str, Any] = {
    "three_bytes": lambda ours, group: [group["at_23"], group["at_24"], group["at_25"]],
    "pairs": lambda ours, group: [list(pair) for pair in ours] + tail(group),
}
MISSING = object()


def tail(fields: dict[str, Any]) -> list[list[str]]:
    """What the source writes for an item that is cut off by the end of the body."""
    rest = fields.get("items_rest", "")
    return [[f"trunc{rest[:2]}", rest]] if rest else []


# ── vectors and the map ───────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> list[dict[str, Any]]:
    lines = (shared_dir / "protocols" / "jt808.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) >= LEAST_FRAMES
    return found


def is_stream(vector: dict[str, Any]) -> bool:
    return vector.get("kind") == "stream"


def project(vector: dict[str, Any]) -> str:
    if vector.get("origin") == "issue":
        return "issues"
    if vector.get("derived"):
        return "field tables" if "field tables" in vector["source"] else "derived"
    return str(vector["source"]).split(":")[0]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested expectation with its path; a list of plain values is one value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{i}]")
    else:
        yield path, value


@cache
def names() -> dict[tuple[str, str, str], tuple[str, str]]:
    with NAMES.open(encoding="utf-8", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    table = {(source, message, name): (ours, how) for source, message, name, ours, how in rows}
    assert len(table) == len(rows), "a name stands twice in the map"
    return table


def meaning(source: str, message: Message, path: str) -> tuple[tuple[str, str, str], str, str] | None:
    """The row of the map for a name: the most special one first."""
    name = re.sub(r"\[\d+\]", "[]", path)
    message_id = f"{message.fields['message_id']:04x}"
    for key in (f"{message_id} behaviour" if "behaviours" in message.fields else message_id, message_id, "*"):
        if (source, key, name) in names():
            return ((source, key, name), *names()[source, key, name])
    return None


def pick(fields: dict[str, Any], ours: str, path: str, how: str) -> Any:
    """Follow one of our paths; `[]` takes the indexes of the source's path in order."""
    indexes = iter(re.findall(r"\[(\d+)\]", path))
    value: Any = fields
    parent: Any = fields
    for step in re.findall(r"[^.\[\]]+|\[[^\]]*\]", ours):
        parent = value if isinstance(value, dict) else parent
        if step == "[]":
            value = value[int(next(indexes))]
        elif step.startswith("[") and "=" in step:
            name, wanted = step[1:-1].split("=")
            value = next(one for one in value if one[name] == wanted)
        elif step.startswith("["):
            value = value[int(step[1:-1])]
        elif isinstance(value, tuple):
            value = value[int(step)]
        else:
            value = value.get(step, MISSING)
    return WITH_FIELDS[how](value, parent) if how in WITH_FIELDS else HOW[how](value)


def as_frame(vector: dict[str, Any]) -> bytes:
    """The frame; a bare body gets a header."""
    data = bytes.fromhex(vector["frame"])
    return data if vector["encoding"] == "hex" else frame(Sender("1", 2013), 0x0200, 0, data)


def expectations(vector: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(source, path, value) of what others decoded; both views are held against ours where there are two."""
    for path, value in leaves(vector["expect"]):
        yield project(vector), path, value
    for path, value in leaves(vector.get("own_decode", {})):
        yield "own_decode", path, value


# ── tests ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_valid_frames_decode_to_what_others_decoded(vectors: list[dict[str, Any]]) -> None:
    wrong, n_values, n_frames = [], 0, 0
    for vector in vectors:
        if not vector["valid"] or is_stream(vector):
            continue
        n_frames += 1
        message = JT808.decode(as_frame(vector))
        assert message.kind != "unknown", f"{vector['id']}: {message.fields['message_id']:04x} has no layout"
        for source, path, expected in expectations(vector):
            row = meaning(source, message, path)
            if row is None:
                wrong.append(f"{vector['id']}: {source} {path} = {expected!r} is not in the map")
            elif row[1] != "-":
                n_values += 1
                ours = pick(dict(message.fields), row[1], path, row[2])
                if ours != expected:
                    wrong.append(f"{vector['id']}: {path} = {expected!r}, ours {row[1]} {row[2]} = {ours!r}")
    assert not wrong, f"{len(wrong)} of {n_values} values:\n" + "\n".join(wrong)
    assert n_frames >= 140
    assert n_values >= 1500


def test_every_record_keeps_to_the_codecs_fields(vectors: list[dict[str, Any]]) -> None:
    n_records = 0
    for vector in vectors:
        if vector["valid"] and not is_stream(vector):
            for record in JT808.decode(as_frame(vector)).records:
                n_records += 1
                assert set(record.values) <= set(JT808.RECORD_FIELDS[record.kind]), vector["id"]
                assert all(isinstance(value, str | int | float | bool | None) for value in record.values.values())
    assert n_records >= 80


def test_every_row_of_the_map_is_used_or_says_why_not(vectors: list[dict[str, Any]]) -> None:
    used, without = set(), {key: how for key, (ours, how) in names().items() if ours == "-"}
    for vector in vectors:
        if vector["valid"] and not is_stream(vector):
            message = JT808.decode(as_frame(vector))
            used |= {row[0] for source, path, _ in expectations(vector) if (row := meaning(source, message, path))}
    idle = {key for key in names() if key not in used and key[2] != "frames"}
    assert not idle, f"rows that no frame asks for: {sorted(idle)[:10]}"
    assert all(len(reason) > 20 for reason in without.values())
    assert len({key[2].rpartition(".")[2] for key in without}) <= 12, "few names may mean nothing to us"


def test_invalid_frames_are_refused_with_reason_and_offset(vectors: list[dict[str, Any]]) -> None:
    refused = {}
    for vector in vectors:
        if not vector["valid"]:
            with pytest.raises(BadFrame) as caught:
                JT808.decode(as_frame(vector))
            refused[vector["id"]] = caught.value.reason
            assert 0 <= caught.value.offset <= len(as_frame(vector))
            assert caught.value.found
            assert caught.value.expected
    assert len(refused) >= 13
    assert refused["derived-bitflip"] == "wrong checksum"
    assert refused["derived-bad-escape"] == "wrong escape"
    assert refused["derived-no-start"] == "no start flag"
    assert refused["go808-dec-body-len"] == "wrong body length"
    assert refused["go808-dec-too-short"] == "header too short"
    assert refused["go808-dec-incomplete"] == "incomplete, no end flag"


@pytest.mark.parametrize(
    ("vector_id", "option"),
    [
        ("derived-bitflip", "wrong_checksum"),
        ("traccar-dev-04", "unescaped_7d"),
        ("traccar-dev-13", "unescaped_7d"),
        ("traccar-dev-14", "unescaped_7d"),
        ("traccar-dev-16", "unescaped_7d"),
        ("traccar-dev-19", "body_length"),
        ("go808-dec-body-len", "body_length"),
    ],
)
def test_a_known_deviation_is_tolerated_by_its_option_alone(
    vectors: list[dict[str, Any]], vector_id: str, option: str
) -> None:
    frame_ = as_frame(next(vector for vector in vectors if vector["id"] == vector_id))
    assert JT808.decode(frame_, frozenset({option})).deviations == (option,)
    others = frozenset(JT808.LENIENT) - {option, "wrong_checksum", "body_length"}
    with pytest.raises(BadFrame):
        JT808.decode(frame_, others)


def test_a_flag_inside_a_frame_is_taken_only_when_length_and_checksum_prove_it(vectors: list[dict[str, Any]]) -> None:
    proved = as_frame(next(vector for vector in vectors if vector["id"] == "traccar-050"))
    assert JT808.decode(proved).deviations == ("unescaped_7e",)
    unproved = as_frame(next(vector for vector in vectors if vector["id"] == "traccar-dev-17"))
    with pytest.raises(BadFrame, match="flag inside the frame at byte 27"):
        JT808.decode(unproved)
    strict = JT808.splitter()
    assert proved not in strict.feed(proved) + strict.close()
    tolerant = JT808.splitter(frozenset({"unescaped_7e"}))
    assert tolerant.feed(proved + proved) + tolerant.close() == [proved, proved]


def test_streams_give_as_many_frames_as_they_hold(vectors: list[dict[str, Any]]) -> None:
    streams = [vector for vector in vectors if is_stream(vector)]
    assert len(streams) >= 2
    for vector in streams:
        splitter = JT808.splitter()
        pieces = splitter.feed(bytes.fromhex(vector["frame"])) + splitter.close()
        assert sum(isinstance(piece, bytes) for piece in pieces) == vector["expect"]["frames"], vector["id"]


def test_all_valid_frames_glued_come_apart_again(vectors: list[dict[str, Any]]) -> None:
    whole = [as_frame(v) for v in vectors if v["valid"] and not is_stream(v) and v["id"] != "traccar-050"]
    glued, shared, noisy = b"".join(whole), b"", b""
    for one in whole:
        shared = shared[:-1] + one if shared else one
        noisy += b"\r\n\xff" + one
    for stream, n_bad in ((glued, 0), (shared, 0), (noisy, len(whole))):
        for step in (1, 7, 4096, len(stream)):
            splitter = JT808.splitter()
            pieces = [p for at in range(0, len(stream), step) for p in splitter.feed(stream[at : at + step])]
            pieces += splitter.close()
            assert [piece for piece in pieces if isinstance(piece, bytes)] == whole
            assert sum(isinstance(piece, BadFrame) for piece in pieces) == n_bad
