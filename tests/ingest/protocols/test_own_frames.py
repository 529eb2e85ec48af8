"""Frames of our own, whole and hostile (`tests/data/frames`): read as the standards say, or refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.protocols import PROTOCOLS, BadFrame, codec

FOLDER = Path(__file__).parents[2] / "data" / "frames"


def frames(protocol: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{protocol}.jsonl").read_text("utf-8").splitlines()]


CASES = [pytest.param(name, one, id=f"{name}-{one['id']}") for name in PROTOCOLS for one in frames(name)]


@pytest.mark.parametrize(("protocol", "one"), CASES)
def test_frame(protocol: str, one: dict[str, Any]) -> None:
    frame, expected = bytes.fromhex(one["hex"]), dict(one["expect"])
    first = expected.pop("first", {})
    try:
        message = codec(protocol).decode(frame)
    except BadFrame as fault:
        found = {"refused": fault.reason, "offset": fault.offset}
        assert {name: found.get(name) for name in expected} == expected
        assert not first
        return
    said = {
        "device_id": message.device_id,
        "kind": message.kind,
        "n_records": len(message.records),
        "part": list(message.part or ()),
    }
    assert {name: said.get(name) for name in expected} == expected
    assert {name: message.records[0].values[name] for name in first} == first


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_stream_of_them_loses_no_whole_frame(protocol: str) -> None:
    """Frames one behind the other with noise between, cut at every place a network may cut."""
    whole = [bytes.fromhex(one["hex"]) for one in frames(protocol) if "refused" not in one["expect"]]
    stream = b"\x00\xff".join(whole)
    for size in (1, 7, len(stream)):
        splitter, pieces = codec(protocol).splitter(), list[bytes | BadFrame]()
        for at in range(0, len(stream), size):
            pieces += splitter.feed(stream[at : at + size])
        pieces += splitter.close()
        found = [piece.rstrip() for piece in pieces if isinstance(piece, bytes)]  # HJ 212 may end without its CR LF
        assert found == [frame.rstrip() for frame in whole]
