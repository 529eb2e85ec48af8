"""Running the HTTP departments of a built city: `python -m city.serve --home H`."""

import argparse
import socket
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from city.build import DEFAULT_PORT, CityBuild
from city.http_service import make_app

HOST = "127.0.0.1"


def serve(home: Path, port: int = DEFAULT_PORT) -> None:
    """Serve the city under `home` on 127.0.0.1:`port`, a free one for 0, until stopped; rewrites `city.env` for it."""
    build = CityBuild.load(home.resolve())
    with socket.create_server((HOST, port)) as listening:
        build.write_env(listening.getsockname()[1])
        config = uvicorn.Config(make_app(build, now=lambda: datetime.now(UTC)), log_level="warning")
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m city.serve", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    given = parser.parse_args()
    serve(given.home, given.port)
