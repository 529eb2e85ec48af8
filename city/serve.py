"""Running the HTTP departments of a built city: `python -m city.serve --home H`."""

import argparse
from pathlib import Path

import uvicorn

from city.build import DEFAULT_PORT, CityBuild
from city.http_service import make_app


def serve(home: Path, port: int = DEFAULT_PORT) -> None:
    """Serve the city under `home` on 127.0.0.1:`port` until stopped; rewrites `city.env` for that port."""
    build = CityBuild.load(home.resolve())
    build.write_env(port)
    uvicorn.run(make_app(build), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m city.serve", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    given = parser.parse_args()
    serve(given.home, given.port)
