"""Figures of the whole chain, all of it running: `python benchmarks/live.py throughput|burst|latency|points [OPTIONS]`.

A generator process sends over MQTT (QoS 1) to the broker; listen, intake and alerting run as their own processes with
every rule on and landing on, all on this machine. Prints one JSON document a run. Durability class: any process may die
(`sync_interval` 2 min); `--sync always` survives a power cut.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.chain import arriving, flowing, points
from benchmarks.chain.place import Fleet, city_home, new_home
from benchmarks.chain.programs import NAMES, Chain, running
from benchmarks.chain.webhook import open_receiver
from core.settings import Home

Scenario = Callable[[Chain, Fleet, argparse.Namespace], dict[str, Any]]
SCENARIOS: dict[str, Scenario] = {
    "throughput": flowing.throughput,
    "burst": flowing.burst,
    "latency": arriving.latency,
    "points": points.points,
}


def main() -> None:
    """Run the chosen scenario as often as asked; the last line of several runs has their medians."""
    options = _options()
    runs = []
    for _ in range(options.repeat):
        with a_chain(options) as (chain, fleet):
            found = {"scenario": options.scenario, **machine(), **SCENARIOS[options.scenario](chain, fleet, options)}
        runs.append(found)
        print(json.dumps(found, ensure_ascii=False), flush=True)
    if len(runs) > 1:
        numbers = [name for name, value in runs[0].items() if isinstance(value, int | float)]
        print(json.dumps({"medians": {name: statistics.median(run[name] for run in runs) for name in numbers}}))


@contextmanager
def a_chain(options: argparse.Namespace) -> Iterator[tuple[Chain, Fleet]]:
    """The programs of a new home, ended and deleted behind the run."""
    with tempfile.TemporaryDirectory(dir=options.place) as folder, open_receiver() as receiver:
        options.receiver = receiver
        settings = {"CITYRISK_STREAM_SYNC": options.sync, **receiver.settings}
        home_of = a_home(Path(folder) / "var", settings, options)
        with home_of as (home, fleet), running(home, options.programs.split(",")) as chain:
            yield chain, fleet


@contextmanager
def a_home(root: Path, settings: dict[str, str], options: argparse.Namespace) -> Iterator[tuple[Home, Fleet]]:
    """A home of the size asked for, or that of a whole city when batch runs build beside the stream."""
    if options.build:
        with city_home(root, settings) as made:
            yield made
    else:
        yield new_home(root, (options.gas, options.tunnel, options.vehicles), settings)


def machine() -> dict[str, Any]:
    """Where the figure was taken, and what else ran."""
    return {
        "command": " ".join(sys.argv),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1024**3),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--rate", type=int, default=60_000, help="readings a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--shape", choices=("hundreds", "ones"), default="hundreds", help="readings a message")
    parser.add_argument("--gas", type=int, default=8000, help="gas detectors, four metrics each")
    parser.add_argument("--tunnel", type=int, default=6000, help="tunnel stations, five metrics each")
    parser.add_argument("--vehicles", type=int, default=600)
    parser.add_argument("--breaches", type=float, default=4.0, help="breaches a second (latency)")
    parser.add_argument("--build", action="store_true", help="batch runs of a whole city build meanwhile (latency)")
    parser.add_argument("--sync", choices=("interval", "always"), default="interval")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--programs", default=",".join(NAMES), help="leave some out to see what the others cost")
    parser.add_argument("--place", help="folder for the home")
    return parser.parse_args()


if __name__ == "__main__":
    main()
