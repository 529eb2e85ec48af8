"""The child process of `access.sandbox`: one request on standard input, an Arrow stream on standard output.

Started by path with an empty environment, so it imports nothing of ours and knows no secret. What it may run was
checked by the parent; here the engine and the operating system hold the rest of the wall.
"""

from __future__ import annotations

import ctypes
import json
import resource
import signal
import sys
from typing import Any

import duckdb
import pyarrow as pa

PR_SET_PDEATHSIG = 1


class OutputTooLarge(Exception):
    """The rows are more bytes than the caller may be given."""


def main() -> int:
    """Run the request; on failure say why on standard error and return 1."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody would read what an orphan finds
    request: dict[str, Any] = json.load(sys.stdin)
    bounds: dict[str, float] = request["bounds"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file can be written, whatever the engine would allow
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = int(bounds["address_space_bytes"])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))  # what the engine does not count, such as one huge list
    cpu_s = int(bounds["cpu_s"])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    limit = request["limit"]
    try:
        is_file = not request["setup"]
        with duckdb.connect(request["database"], read_only=is_file, config=request["config"]) as mart:
            for statement in request["setup"]:
                mart.execute(statement)
            signal.setitimer(signal.ITIMER_REAL, bounds["wall_s"])  # its signal ends us; starting up is not charged
            reader = mart.execute(request["sql"]).to_arrow_reader(100_000)
            _write(reader, limit, int(bounds["output_bytes"]))
    except (duckdb.Error, pa.ArrowException, OutputTooLarge) as error:
        sys.stderr.write(str(error))
        return 1
    except MemoryError:
        sys.stderr.write("out of memory; ask for less")
        return 1
    return 0


def _write(reader: pa.RecordBatchReader, limit: int | None, output_bytes: int) -> None:
    """Write batches until one row more than the limit has gone out: that one says there is more."""
    left = None if limit is None else limit + 1
    room = output_bytes
    kinds = [pa.field(one.name, pa.string()) if pa.types.is_interval(one.type) else one for one in reader.schema]
    schema = pa.schema(kinds)
    with pa.ipc.new_stream(sys.stdout.buffer, schema) as out:
        for batch in reader:
            part = batch if left is None else batch.slice(0, left)
            room -= part.get_total_buffer_size() if left is None else part.nbytes
            if room < 0:
                raise OutputTooLarge(f"more than {output_bytes >> 20} MiB of rows; ask for fewer rows or columns")
            columns = [_spoken(one) if pa.types.is_interval(one.type) else one for one in part.columns]
            out.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            if left is not None:
                left -= part.num_rows
                if left == 0:
                    return


def _spoken(intervals: pa.Array) -> pa.Array:
    """Intervals as text, since readers of Arrow have no type for months, days and time together."""
    return pa.array([None if one is None else _interval(*one) for one in intervals.to_pylist()], pa.string())


def _interval(months: int, days: int, nanoseconds: int) -> str:
    sign, seconds = ("-" if nanoseconds < 0 else ""), abs(nanoseconds) / 1e9
    clock = f"{sign}{int(seconds // 3600):02}:{int(seconds // 60 % 60):02}:{seconds % 60:09.6f}".removesuffix(".000000")
    parts = [f"{months} months" if months else "", f"{days} days" if days else ""]
    return " ".join(filter(None, [*parts, clock if nanoseconds or not (months or days) else ""]))


if __name__ == "__main__":
    sys.exit(main())
