"""Kill every process under load and count what is lost: `python benchmarks/faults.py [--kills 20] [--rate 5000]`.

The process manager and everything that it runs are killed (SIGKILL) in random order, while detectors, tunnel stations
and vehicles send over MQTT and JT/T 808 and repeat what nobody acknowledged. The manager starts again what dies; a dead
manager is started again by what `cityrisk up` calls. With `--bare` there is no manager: the harness starts again at
once, and counts what ended by itself. Afterwards: every acknowledged reading landed once and is in
LIVE once; the ops store has exactly the episodes that the rules give when LIVE is folded again from its beginning;
nothing open, no step and no delivery stands twice. Exit code 1 when a number that must be 0 is not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.chain.killing import HURRIED, faults_of, under_fire
from benchmarks.chain.managed import EVERYBODY, ManagedChain, page_ports
from benchmarks.chain.place import new_home
from benchmarks.chain.programs import NAMES, Chain, running
from benchmarks.chain.webhook import open_receiver
from benchmarks.live import machine


def main() -> int:
    """Run once, print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each process")
    parser.add_argument("--bare", action="store_true", help="without a manager, and without pages and graph")
    parser.add_argument("--names", help="which processes are killed; all without it")
    parser.add_argument("--programs", help="which run at all, to leave some out")
    parser.add_argument("--rate", type=int, default=5000, help="readings a second")
    parser.add_argument("--most-pause", type=float, default=4.0, help="seconds between kills, at most")
    parser.add_argument("--sync", choices=("interval", "always"), default="interval")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the home of a run that failed")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    with open_receiver() as receiver:
        settings = {**HURRIED, **page_ports(), "CITYRISK_STREAM_SYNC": options.sync, **receiver.settings}
        home, fleet = new_home(folder / "var", (1500, 1000, 40), settings)
        everybody = NAMES if options.bare else EVERYBODY
        programs = options.programs.split(",") if options.programs else everybody
        names = options.names.split(",") if options.names else programs
        with running(home, programs, Chain if options.bare else ManagedChain) as chain:
            report = under_fire(chain, fleet, names, options.kills, options.rate, options.most_pause, options.seed)
    faults = faults_of(report)
    told = {"deliveries_taken": len(receiver.came)}
    print(json.dumps({**machine(), **report, **told, "durability": options.sync, "faults": faults}))
    if faults and options.keep:
        print(f"the home is {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
