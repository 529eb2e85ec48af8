"""Time JT/T 808 positions from a byte stream to records: `python benchmarks/jt808_decode.py [--frames 200000]`.

One process: the stream comes in pieces of 4 KiB through the splitter, every frame is checked, decoded and made into its
records. Frames are made first (not timed): most carry mileage, signal and satellites, one in 20 a driver-behaviour
item, one in 50 is a batch of ten positions from a blind area. A frame counts once, whatever it carries.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ingest.protocols import BadFrame, jt808
from ingest.protocols.jt808 import encode

START = datetime(2026, 8, 15, 2, 30, tzinfo=UTC)
N_VEHICLES = 5000
PIECE_BYTES = 4096
REPEATS = 5


def main() -> None:
    """Make the frames, decode them a few times, print one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--frames", type=int, default=200_000)
    n_frames = arguments.parse_args().frames
    plain = [one_frame(i) for i in range(n_frames)]
    mixed = [frame for i in range(n_frames) for frame in frames_of(i)][:n_frames]
    print(json.dumps({"positions": rate(plain), "mixed": rate(mixed)}))


def rate(frames: list[bytes]) -> dict[str, Any]:
    """Frames and records a second: the median of some runs, the slowest, and by the processor's clock."""
    stream = b"".join(frames)
    seconds, processor_s, n_records = [], [], 0
    for _ in range(REPEATS):
        started, started_processor = time.perf_counter(), time.process_time()
        n_records = decode_all(stream)
        seconds.append(time.perf_counter() - started)
        processor_s.append(time.process_time() - started_processor)
    median = statistics.median(seconds)
    return {
        "frames": len(frames),
        "bytes_a_frame": round(len(stream) / len(frames)),
        "records": n_records,
        "frames_per_s": round(len(frames) / median),
        "frames_per_s_slowest": round(len(frames) / max(seconds)),
        "frames_per_processor_s": round(len(frames) / statistics.median(processor_s)),
        "records_per_s": round(n_records / median),
    }


def decode_all(stream: bytes) -> int:
    """Everything a gateway's process does with a stream, without the socket; how many records came of it."""
    splitter, n_records = jt808.splitter(), 0
    for at in range(0, len(stream), PIECE_BYTES):
        for frame in splitter.feed(stream[at : at + PIECE_BYTES]):
            assert not isinstance(frame, BadFrame)
            n_records += len(jt808.decode(frame).records)
    assert not splitter.close()
    return n_records


def frames_of(i: int) -> tuple[bytes, ...]:
    """The frames of one vehicle at one moment."""
    if i % 50 == 49:
        batch = [position(i + n, ()) for n in range(10)]
        return encode.location_batch(sender(i), i, batch, is_backfill=True)
    return (one_frame(i, behaves=i % 20 == 19),)


def one_frame(i: int, behaves: bool = False) -> bytes:
    """One position; with a driver-behaviour item if somebody is on the phone."""
    items: tuple[bytes, ...] = (encode.mileage(1000 + i / 10), encode.signal(20, 9))
    if behaves:
        items += (encode.dsm(position(i, ()), 2, f"T{i % N_VEHICLES:06d}", i),)
    return encode.location(sender(i), i, position(i, items))


def position(i: int, items: tuple[bytes, ...]) -> encode.Position:
    """A place and a moment that differ from frame to frame."""
    moment = START + timedelta(seconds=10 * (i // N_VEHICLES))
    lon, lat = 111.2 + i % 997 / 10_000, 30.6 + i % 991 / 10_000
    return encode.Position(
        moment,
        lon,
        lat,
        speed_kmh=i % 100,
        direction_deg=i % 360,
        altitude_m=66,
        alarm_bits=2 if i % 97 == 0 else 0,
        items=items,
    )


def sender(i: int) -> encode.Sender:
    """Half of the vehicles speak 2019, half 2013."""
    vehicle = i % N_VEHICLES
    return encode.Sender(f"138{vehicle:08d}", 2019 if vehicle % 2 else 2013)


if __name__ == "__main__":
    main()
