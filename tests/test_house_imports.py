"""Nothing happens at import, and a core install needs none of the extras. Each checked in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("core", "ingest", "quality", "orchestration", "alerting", "access", "dashboards", "city", "cli")

# Imports every module of the given rooms and reports what our own code did meanwhile. Opening a source file is the
# import system's doing: walking up from the event, its frames come before ours.
WATCH = """
import importlib, json, os, pkgutil, sys
root, rooms = sys.argv[1], sys.argv[2:]
sys.path.insert(0, root)
ours = tuple(os.path.join(root, room) + os.sep for room in rooms)
seen = []

def by_our_code(through=("",)):
    frame = sys._getframe(2)
    while frame is not None:
        place = frame.f_code.co_filename
        if place.startswith("<frozen importlib") or not place.startswith((*ours, *through)):
            return None
        if place.startswith(ours):
            return f"{os.path.relpath(place, root)}:{frame.f_lineno}"
        frame = frame.f_back
    return None

def audit(event, args):
    if event in ("open", "os.listdir", "os.scandir", "os.mkdir", "sqlite3.connect", "subprocess.Popen",
                 "socket.connect", "socket.bind", "socket.getaddrinfo", "shutil.copyfile", "glob.glob"):
        place = by_our_code()
        if place and "zoneinfo" not in str(args[0]):  # ZoneInfo("Asia/Shanghai") is a constant
            seen.append([place, event, repr(args[0])])

real_getitem = os._Environ.__getitem__
def getitem(self, key):  # what a library reads for itself is its own affair, so only our own hand counts
    place = by_our_code(("<frozen os>", "<frozen _collections_abc>", os.__file__))
    if place:
        seen.append([place, "environ", repr(key)])
    return real_getitem(self, key)
os._Environ.__getitem__ = getitem

sys.addaudithook(audit)
modules = []
for room in rooms:
    package = importlib.import_module(room)
    for module in pkgutil.walk_packages(package.__path__, room + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            modules.append(module.name)
threads = [t.name for t in __import__("threading").enumerate() if t.name != "MainThread"]
print(json.dumps({"seen": seen, "modules": modules, "threads": threads}))
"""

# Refuses the extras as if they were not installed, then imports what a core install offers.
WITHOUT_EXTRAS = """
import importlib, pkgutil, sys
root, refused, rooms = sys.argv[1], set(sys.argv[2].split(",")), sys.argv[3:]
sys.path.insert(0, root)

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
for room in rooms:
    module = importlib.import_module(room)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), room + "."):
        importlib.import_module(found.name)
"""
EXTRAS = (
    *("dagster", "dagster_dbt", "dagster_webserver", "great_expectations", "duckdb_engine", "streamlit", "altair"),
    *("streamlit_echarts", "xlsxwriter", "playwright", "pandas", "pytest", "hypothesis", "psutil"),
)


def run(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a new interpreter with an empty environment, from an empty folder."""
    command = [sys.executable, "-c", program, str(ROOT), *arguments]
    return subprocess.run(command, env={}, cwd=cwd, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.slow
def test_nothing_happens_at_import(tmp_path: Path) -> None:
    done = run(WATCH, *ROOMS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert len(report["modules"]) >= 6
    assert not report["seen"], "\n".join(map(str, report["seen"]))
    assert list(tmp_path.iterdir()) == []


def test_what_happens_at_import_is_seen(tmp_path: Path) -> None:
    """The probe of the test above: a room that does read, connect and look round is caught at all three."""
    room = tmp_path / "room"
    room.mkdir()
    (room / "__init__.py").write_text(
        "import os, socket\nopen('/dev/null').close()\nos.environ.get('X')\n"
        "s = socket.socket()\ns.connect_ex(('127.0.0.1', 9))\ns.close()\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-c", WATCH, str(tmp_path), "room"]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True, timeout=60)
    assert [kind for _, kind, _ in json.loads(done.stdout)["seen"]] == ["open", "environ", "socket.connect"]


def test_core_needs_no_extra(tmp_path: Path) -> None:
    done = run(WITHOUT_EXTRAS, ",".join(EXTRAS), "ingest", "access", "alerting", "cli", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


def test_an_extra_is_refused(tmp_path: Path) -> None:
    """The probe of the test above."""
    done = run(WITHOUT_EXTRAS, "json", "json", cwd=tmp_path)
    assert done.returncode != 0
    assert "No module named 'json'" in done.stderr
