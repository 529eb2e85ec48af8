"""`cityrisk decode`: hex, lines or a capture give one JSON line a frame, and the exit code tells of refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import app
from cli import decode as verb
from core.catalogue import contract_path
from ingest.protocols import PROTOCOLS, codec

GOOD = "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80"
BAD = GOOD[:-1] + "1"
FRAMES = Path(__file__).parents[1] / "data" / "frames"


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["decode", *arguments], input=stdin)


def outcomes(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def some_frames(protocol: str) -> list[tuple[bytes, bool]]:
    """(frame, whether it is valid) of the frames of our own."""
    lines = (FRAMES / f"{protocol}.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [(bytes.fromhex(one["hex"]), "refused" not in one["expect"]) for one in found if one["hex"]]


# ── the interface ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_frame_as_hex() -> None:
    result = run("hj212", "--hex", GOOD.encode().hex(" "))
    (outcome,) = outcomes(result)
    assert result.exit_code == 0
    assert list(outcome) == ["ok", "fields", "readings"]
    assert outcome["ok"] is True
    assert outcome["fields"]["device_id"] == "010000A8900016F000169DC0"
    assert outcome["fields"]["kind"] == "set_realtime_interval"
    assert outcome["readings"] == []


def test_remarks_between_frames_are_passed_over() -> None:
    sample = contract_path("housing.dust_reading").parent / "dust_reading.sample.hex"
    said = outcomes(run("hj212", "--lines", str(sample)))
    assert [one["ok"] for one in said] == [True] * 7 + [False] + [True] * 2


def test_a_text_frame_needs_no_hex() -> None:
    assert outcomes(run("hj212", "--hex", GOOD)) == outcomes(run("hj212", "--hex", GOOD.encode().hex()))


def test_readings_name_their_record() -> None:
    segment = "QN=20180821142509000;ST=39;CN=2011;PW=123456;MN=690000D5800028F889221AC0;Flag=4;" + (
        "CP=&&DataTime=20180821142509;a34004-Rtd=0.0;a34002-Rtd=0.0;a34001-Rtd=0.0;LA-Rtd=0.0;a01001-Rtd=0.0;"
        "a01002-Rtd=0.0;a01006-Rtd=0.0;a01007-Rtd=0.0;a01008-Rtd=0&&"
    )
    (outcome,) = outcomes(run("hj212", "--hex", f"##0239{segment}E541"))
    assert [reading["record"] for reading in outcome["readings"]] == ["factor"] * 9 + ["dust"]
    assert outcome["readings"][-1]["a34002-Rtd"] == 0.0


def test_a_refused_frame_says_why_and_where() -> None:
    result = run("hj212", "--hex", BAD)
    assert result.exit_code == 1
    assert outcomes(result) == [
        {"ok": False, "error": "crc at byte 107: found 1C81, expected 1C80", "offset": 107},
    ]


def test_lines_and_their_faults(tmp_path: Path) -> None:
    path = tmp_path / "frames.txt"
    path.write_text(f"{GOOD.encode().hex()}\n\n{GOOD}\r\n{BAD}\nabcx\n{'00' * 30_000}\n{GOOD}", encoding="utf-8")
    result = run("hj212", "--lines", str(path))
    found = outcomes(result)
    assert result.exit_code == 1
    assert [one["ok"] for one in found] == [True, True, False, False, False, True]
    assert found[3] == {
        "ok": False,
        "error": "not hex at byte 3: found 'x', expected two hex digits a byte",
        "offset": 3,
    }
    assert found[4]["error"].startswith("line too long")


def test_a_capture_goes_through_the_splitter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "capture.bin"
    path.write_bytes(f"noise{GOOD}{GOOD}\r\n{BAD}\r\n{GOOD[:30]}{GOOD}".encode())
    expected = outcomes(run("hj212", "--file", str(path)))
    assert [one["ok"] for one in expected] == [False, True, True, False, False, True]
    monkeypatch.setattr(verb, "_CHUNK_BYTES", 7)
    assert outcomes(run("hj212", "--file", str(path))) == expected


def test_a_capture_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "capture.bin"
    path.write_bytes(GOOD.encode() * 100)
    asked: list[int] = []
    real = codec("hj212").splitter

    def watched(lenient: frozenset[str]) -> Any:
        splitter = real(lenient)
        feed = splitter.feed
        splitter.feed = lambda data: asked.append(len(data)) or feed(data)  # type: ignore[func-returns-value,method-assign]
        return splitter

    monkeypatch.setattr(codec("hj212"), "splitter", watched)
    monkeypatch.setattr(verb, "_CHUNK_BYTES", 1000)
    assert len(outcomes(run("hj212", "--file", str(path)))) == 100
    assert max(asked) == 1000


def test_stdin() -> None:
    assert len(outcomes(run("hj212", "--lines", "-", stdin=f"{GOOD}\n{GOOD}\n".encode()))) == 2
    assert len(outcomes(run("hj212", "--file", "-", stdin=GOOD.encode() * 3))) == 3


def test_options_are_named_in_what_they_let_through() -> None:
    result = run("hj212", "--hex", (GOOD + "\n").encode().hex(), "--lenient", "lf_tail", "--lenient", "crc_modbus")
    assert result.exit_code == 0
    assert outcomes(result)[0]["fields"]["deviations"] == ["lf_tail"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nmea", "--hex", "00"), "no protocol 'nmea'; known: gb26875, hj212, jt808, sl651"),
        (("hj212",), "one of --hex, --lines, --file"),
        (("hj212", "--hex", "00", "--file", "x"), "one of --hex, --lines, --file"),
        (("hj212", "--hex", "00", "--lenient", "sloppy"), "hj212 has no option sloppy; known: "),
        (("hj212", "--file", "no such file"), "no file no such file"),
        (("hj212", "--lines", "no such file"), "no file no such file"),
        ((), "Missing argument"),
    ],
)
def test_wrong_use(arguments: tuple[str, ...], says: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""


# ── every protocol ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_frames_of_every_protocol(tmp_path: Path, protocol: str) -> None:
    frames = some_frames(protocol)
    assert len(frames) >= 15
    path = tmp_path / "frames.txt"
    path.write_text("".join(f"{frame.hex()}\n" for frame, _ in frames), encoding="ascii")
    result = run(protocol, "--lines", str(path))
    found = outcomes(result)
    assert [one["ok"] for one in found] == [valid for _, valid in frames]
    assert result.exit_code == (0 if all(valid for _, valid in frames) else 1)
    assert all(set(one) == ({"ok", "fields", "readings"} if one["ok"] else {"ok", "error", "offset"}) for one in found)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_noise_is_refused_by_every_protocol(protocol: str) -> None:
    for arguments, stdin in ((("--hex", "00ff00ff"), None), (("--file", "-"), bytes(range(200)) * 3)):
        result = run(protocol, *arguments, stdin=stdin)
        assert result.exit_code == 1
        assert {one["ok"] for one in outcomes(result)} == {False}
