"""The child process of `access.sandbox`: one request on standard input, an Arrow stream on standard output.

Started by path with an empty environment, so it imports nothing of ours and knows no secret. What it may run was
checked by the parent; here the engine and the operating system hold the rest of the wall.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import duckdb
import pyarrow as pa


def main() -> int:
    """Run the request; on failure say why on standard error and return 1."""
    request: dict[str, Any] = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file can be written, whatever the engine would allow
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = request["limit"]
    try:
        with duckdb.connect(request["database"], read_only=True, config=request["config"]) as mart:
            reader = mart.execute(request["sql"]).to_arrow_reader(100_000)
            _write(reader, limit)
    except duckdb.Error as error:
        sys.stderr.write(str(error))
        return 1
    return 0


def _write(reader: pa.RecordBatchReader, limit: int | None) -> None:
    """Write batches until one row more than the limit has gone out: that one says there is more."""
    left = None if limit is None else limit + 1
    with pa.ipc.new_stream(sys.stdout.buffer, reader.schema) as out:
        for batch in reader:
            part = batch if left is None else batch.slice(0, left)
            out.write_batch(part)
            if left is not None:
                left -= part.num_rows
                if left == 0:
                    return


if __name__ == "__main__":
    sys.exit(main())
