"""Coverage-guided fuzzing of a device protocol: `python tests/fuzz/fuzz_protocols.py jt808 --seconds 60`.

Whatever arrives, a codec may raise `BadFrame` and nothing else. Every input goes through the splitter, strict and with
every lenient option (which lets it past checksums), whole and in two pieces; what comes out is decoded, answered and
joined. Seeds are the captured frames of the reference folder when there is one. The exit code is 0 when nothing else
was raised.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["ingest.protocols"]):
    from ingest.protocols import PROTOCOLS, BadFrame, Codec, Message, codec
    from ingest.protocols.frame import Splitter

    CODECS = {name: codec(name) for name in PROTOCOLS}

# Where a flag never stands inside a frame, it must not matter how a stream is cut. Splitters that go by a stated length
# may decide otherwise about a broken frame when less of it has come.
CUT_AT_FLAGS = "jt808"
NOW = datetime(2026, 8, 15, 2, 30, tzinfo=UTC)


def main() -> int:
    """Fuzz one protocol for some seconds, in a process of its own: the fuzzer ends the process that it runs in."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("protocol", choices=PROTOCOLS)
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--corpus", help="folder of inputs to begin with; without it captured frames, if there are")
    chosen = arguments.parse_args()
    if chosen.corpus:
        fuzz(CODECS[chosen.protocol], chosen.corpus, chosen.seconds)
    with tempfile.TemporaryDirectory() as folder:
        n_seeds = plant(Path(folder), chosen.protocol)
        print(f"{chosen.protocol}: {n_seeds} seeds, {chosen.seconds} s", flush=True)
        again = (sys.executable, __file__, chosen.protocol, "--seconds", str(chosen.seconds), "--corpus", folder)
        return subprocess.run(again, check=False).returncode


def fuzz(target: Codec, corpus: str, seconds: int) -> NoReturn:
    """Run the fuzzer, which never comes back; an input that breaks the codec is printed as hexadecimal digits."""

    def one_input(data: bytes) -> None:
        try:
            try_one(target, data)
        except BaseException:
            print(f"input: {data.hex()}", flush=True)
            raise

    options = (f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", f"-artifact_prefix={corpus}/")
    atheris.Setup([sys.argv[0], *options, corpus], one_input)
    atheris.Fuzz()
    raise SystemExit


def plant(folder: Path, protocol: str) -> int:
    """Write one file for each captured frame; how many there were."""
    shared = Path(os.environ.get("CITYRISK_SHARED") or ROOT.parent / "shared")
    path = shared / "protocols" / f"{protocol}.jsonl"
    if not path.is_file():
        return 0
    lines = path.read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        vector = json.loads(line)
        frame = vector["frame"]
        data = bytes.fromhex(frame) if vector["encoding"].startswith("hex") else frame.encode("gb18030")
        (folder / f"seed-{number:04d}").write_bytes(data)
    return len(lines)


def try_one(target: Codec, data: bytes) -> None:
    """One input through everything a gateway does with it."""
    for lenient in (frozenset[str](), frozenset(target.LENIENT)):
        frames = split(target.splitter(lenient), (data,))
        half = len(data) // 2
        in_two = split(target.splitter(lenient), (data[:half], data[half:]))
        if frames != in_two and target is CODECS[CUT_AT_FLAGS] and not lenient:
            raise AssertionError(f"cut in two at {half}, the stream gave other frames: {in_two} for {frames}")
        parts = []
        for frame in (*frames, data):
            message = decoded(target, frame, lenient)
            if message is not None and message.part is not None:
                parts.append(frame)
        if parts:
            joined(target, parts, lenient)


def split(splitter: Splitter, pieces: tuple[bytes, ...]) -> list[bytes]:
    """The frames of a stream that comes in pieces."""
    out = [one for piece in pieces for one in splitter.feed(piece)] + splitter.close()
    return [one for one in out if not isinstance(one, BadFrame)]


def decoded(target: Codec, frame: bytes, lenient: frozenset[str]) -> Message | None:
    """The message of a frame, checked and answered; None when it is refused, in the protocol's words if it has some."""
    try:
        message = target.decode(frame, lenient)
    except BadFrame:
        target.alarm_in(frame)
        getattr(target, "deny", lambda _frame, _now: None)(frame, NOW)
        return None
    check(target, message)
    return message


def joined(target: Codec, parts: list[bytes], lenient: frozenset[str]) -> None:
    """The parts of a message together, as far as they are ones."""
    try:
        check(target, target.join(parts, lenient))
    except BadFrame:
        return


def check(target: Codec, message: Message) -> None:
    """What a codec promises about every message that it lets through."""
    target.answers(message, NOW)
    if message.part is not None and hasattr(target, "resend"):
        target.resend(message, [1, 2], NOW)
    for record in message.records:
        unknown = set(record.values) - set(target.RECORD_FIELDS[record.kind])
        if unknown:
            raise AssertionError(f"record {record.kind} has fields outside RECORD_FIELDS: {sorted(unknown)}")


if __name__ == "__main__":
    raise SystemExit(main())
