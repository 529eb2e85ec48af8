"""The process manager of a home: real processes that are started, killed, asked and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.catalogue import load_contracts
from core.running import read_running
from core.runtime.supervisor import Process, ProcessError, start, status, stop
from core.settings import Home
from core.store.database import open_ops
from orchestration.doctor import Diagnosis, examine
from waiting import PATIENCE_S, until

# A process that says its port and answers as it is told to.
SERVICE = """
import json, os, pathlib, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[2]))
        self.end_headers()
        self.wfile.write(b"here " + os.environ["GREETING"].encode())
    def log_message(self, *args):
        pass

server = HTTPServer(("127.0.0.1", 0), Answer)
note = pathlib.Path(os.environ["CITYRISK_HOME"], "run", sys.argv[1] + ".json")
text = json.dumps({
    "pid": os.getpid(), "ports": {"metrics": server.server_port}, "started_at": "2026-11-22T00:00:00+00:00",
})
note.with_suffix(".new").write_text(text)
note.with_suffix(".new").replace(note)
server.serve_forever()
"""


def service(home: Home, name: str, answer: int = 200, greeting: str = '50% of "all"') -> Process:
    def health() -> str | None:
        running = read_running(home, name)
        return f"http://127.0.0.1:{running.ports['metrics']}/health" if running else None

    script = home.root / "service.py"
    script.write_text(SERVICE, encoding="utf-8")
    line = (sys.executable, str(script), name, str(answer))
    return Process(name, line, health, environment={"GREETING": greeting})


def pid_of(home: Home, name: str) -> int:
    running = read_running(home, name)
    assert running is not None
    return running.pid


@pytest.fixture
def managed(home: Home) -> Iterator[Home]:
    yield home
    stop(home)


def test_all_are_started_and_well(managed: Home) -> None:
    both = [service(managed, "second"), service(managed, "first")]
    start(managed, both, os.environ, within_s=PATIENCE_S)
    assert {(state.name, state.state, state.health) for state in status(managed, both)} == {
        ("first", "running", "well"),
        ("second", "running", "well"),
    }
    assert status(managed, both)[0].detail == 'here 50% of "all"'


def test_what_dies_is_started_again(managed: Home) -> None:
    one = [service(managed, "mortal")]
    start(managed, one, os.environ, within_s=PATIENCE_S)
    first = pid_of(managed, "mortal")
    os.kill(first, signal.SIGKILL)
    until(lambda: status(managed, one)[0].health == "well" and status(managed, one)[0].pid != first)


def test_a_second_start_adds_and_removes(managed: Home) -> None:
    start(managed, [service(managed, "old"), service(managed, "kept")], os.environ, within_s=PATIENCE_S)
    kept = pid_of(managed, "kept")
    now = [service(managed, "kept"), service(managed, "new")]
    start(managed, now, os.environ, within_s=PATIENCE_S)
    assert pid_of(managed, "kept") == kept
    assert [state.state for state in status(managed, [*now, service(managed, "old")])] == [
        "running",
        "running",
        "stopped",
    ]


def test_one_that_is_not_well_is_named_with_its_log(managed: Home) -> None:
    broken = Process("broken", (sys.executable, "-c", "raise SystemExit('no key was given')"), lambda: None)
    with pytest.raises(ProcessError, match=r"broken is .*(?s:.*)no key was given"):
        start(managed, [service(managed, "fine"), broken], os.environ, within_s=3)
    unwell = service(managed, "unwell", answer=503)
    assert [state.health for state in status(managed, [service(managed, "fine"), unwell])] == ["well", "not asked"]


def test_stopping_leaves_nobody(managed: Home) -> None:
    one = [service(managed, "short")]
    start(managed, one, os.environ, within_s=PATIENCE_S)
    pid = pid_of(managed, "short")
    assert stop(managed)
    assert not Path(f"/proc/{pid}").exists()
    assert not stop(managed)
    assert status(managed, one)[0].state == "stopped"


def kill_manager(home: Home) -> None:
    manager = int((home.run / "supervisord.pid").read_text(encoding="utf-8"))
    os.kill(manager, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{manager}/cmdline").exists() or not cmdline(manager))


def cmdline(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")


def test_what_a_killed_manager_left_is_said_and_taken_over(managed: Home) -> None:
    both = [service(managed, "first"), service(managed, "second")]
    start(managed, both, os.environ, within_s=PATIENCE_S)
    before = {name: pid_of(managed, name) for name in ("first", "second")}
    kill_manager(managed)
    found = {state.name: state for state in status(managed, both)}
    assert {name: state.pid for name, state in found.items()} == before
    assert {(state.state, state.health) for state in found.values()} == {("orphaned", "unwell")}
    assert "`cityrisk up`" in found["first"].detail
    start(managed, both, os.environ, within_s=PATIENCE_S)
    after = {state.name: state for state in status(managed, both)}
    assert {(state.state, state.health) for state in after.values()} == {("running", "well")}
    assert not {state.pid for state in after.values()} & set(before.values())
    assert not any(Path(f"/proc/{pid}").exists() for pid in before.values())


def test_what_a_killed_manager_left_can_be_stopped(managed: Home) -> None:
    one = [service(managed, "only")]
    start(managed, one, os.environ, within_s=PATIENCE_S)
    pid = pid_of(managed, "only")
    kill_manager(managed)
    assert stop(managed)
    assert not Path(f"/proc/{pid}").exists()
    assert status(managed, one)[0].state == "stopped"
    assert not stop(managed)


def test_the_doctor_names_processes_that_should_run_beside_others(managed: Home) -> None:
    engine = open_ops(managed.ops_url)
    now = datetime(2026, 6, 15, 4, tzinfo=UTC)

    def processes() -> Diagnosis:
        return next(f for f in examine(managed, engine, load_contracts(), now) if f.subject == "processes")

    assert (processes().well, processes().found) == (True, "none is running")
    start(managed, [service(managed, "listen")], os.environ, within_s=PATIENCE_S)
    finding = processes()
    engine.dispose()
    assert not finding.well
    assert "intake: the manager does not run it" in finding.found
    assert "listen" not in finding.found


def test_who_started_a_home_waits_with_little_and_stops_it_when_interrupted(managed: Home) -> None:
    start(managed, [service(managed, "first")], os.environ, within_s=20)
    becomes = "import sys, pathlib; from core.runtime.attend import attend; attend(pathlib.Path(sys.argv[1]))"
    waiting = subprocess.Popen([sys.executable, "-c", becomes, str(managed.root)])
    try:
        command = Path(f"/proc/{waiting.pid}/cmdline")
        until(lambda: b"-m\0core.runtime.attend" in command.read_bytes(), what="the waiting program")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(60) == 0
    finally:
        waiting.kill()
    assert [state.state for state in status(managed, [service(managed, "first")])] == ["stopped"]
