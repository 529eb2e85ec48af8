"""`python -m city`: build a simulated city, and serve it on request."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from city.build import build_city
from city.profiles import CITIES
from city.serve import serve


def main() -> None:
    """Build the city that the arguments describe; with `--serve PORT` also run its HTTP departments."""
    parser = argparse.ArgumentParser(prog="python -m city", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--city", choices=CITIES, default="yichang")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help="aware ISO 8601 instant; default now")
    parser.add_argument("--no-defects", action="store_true", help="plant no bad rows or files")
    parser.add_argument("--serve", type=int, metavar="PORT")
    given = parser.parse_args()
    as_of = given.as_of or datetime.now(UTC)
    build = build_city(given.home, given.city, given.days, given.seed, given.scale, as_of, defects=not given.no_defects)
    print(f"{build.root}: {build.city}, {build.days} days before {build.as_of:%Y-%m-%d %H:%M %z}")
    if given.serve:
        serve(given.home, given.serve)


if __name__ == "__main__":
    main()
