"""Running the HTTP departments of a built city."""

from pathlib import Path

import uvicorn

from city.build import DEFAULT_PORT, CityBuild
from city.http_service import make_app


def serve(home: Path, port: int = DEFAULT_PORT) -> None:
    """Serve the city under `home` on 127.0.0.1:`port` until stopped; rewrites `city.env` for that port."""
    build = CityBuild.load(home.resolve())
    build.write_env(port)
    uvicorn.run(make_app(build), host="127.0.0.1", port=port, log_level="warning")
