"""What every test may ask for, and what no test may do.

Nothing but loopback is reachable. With CI=true nothing skips, and a full run must execute at least as many tests, of
pytest and of dbt, as `tests/floor.txt` says: a suite that quietly lost its tests fails.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from broker_server import BrokerServer, running_broker
from core.settings import SECRET_NAMES, Home, open_home
from core.system import SYSTEMS_ROOT
from floor import Floor
from orchestration.project import PROJECT, refresh
from proofs import Proofs
from servers import ServerAbsentError, mariadb, postgres

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"
# The machine's own facts; every other variable of ours is hidden from tests.
KEPT_VARIABLES = ("CITYRISK_SHARED", "CITYRISK_CHROMIUM")
# Folders whose tests share a city that takes minutes to make: one worker makes it, and begins with it.
ONE_WORKER = ("tests/golden",)


def pytest_sessionstart() -> None:
    """What dbt and the rule engine read is what the folders of systems say at this moment."""
    refresh(PROJECT, SYSTEMS_ROOT)


# ── places and servers ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The reference folder: `$CITYRISK_SHARED`, or `shared` beside the checkout. Skips when there is none."""
    folder = Path(os.environ.get("CITYRISK_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip("no reference folder: put it beside the checkout as `shared`, or name it in CITYRISK_SHARED")
    return folder


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The loop in which tests that are coroutines run: that of the product."""
    return "asyncio"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A new, empty home with its own secrets; `CITYRISK_HOME` points to it."""
    root = tmp_path / "var"
    root.mkdir()
    keys = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in SECRET_NAMES}
    (root / "secrets.env").write_text("".join(f"{name}={key}\n" for name, key in keys.items()), encoding="utf-8")
    monkeypatch.setenv("CITYRISK_HOME", str(root))
    return open_home(dict(os.environ))


@pytest.fixture
def broker(home: Home) -> Iterator[BrokerServer]:
    """A private broker in the test's home; `broker.home` knows its ports. Streams are made by `ensure_streams`."""
    with running_broker(home) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """SQLAlchemy URL of a private PostgreSQL; one server a worker, so make tables of your own and drop them."""
    yield from _served(postgres)


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """SQLAlchemy URL of a private MariaDB; one server a worker, so make tables of your own and drop them."""
    yield from _served(mariadb)


def _served(start: Any) -> Iterator[str]:
    try:
        server = start()
        url = server.__enter__()
    except ServerAbsentError as absent:
        pytest.skip(str(absent))
    try:
        yield url
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """A Chromium to draw pages with (`launch(executable_path=…)`). Skips when there is none."""
    named = os.environ.get("CITYRISK_CHROMIUM")
    for name in filter(None, (named, "chromium", "chromium-browser", "google-chrome")):
        found = shutil.which(name)
        if found:
            return Path(found)
    browsers = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    for found_path in sorted(browsers.glob("chromium-*/chrome-linux*/chrome")):
        return found_path
    pytest.skip("no Chromium: as root `apt-get install chromium`, or name one in CITYRISK_CHROMIUM")


# ── what no test may do ───────────────────────────────────────────────────────────────────────────────────────────────
def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost", socket.gethostname())


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Refuse connections and name look-ups that would leave this machine."""
    real_connect, real_connect_ex, real_getaddrinfo = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def refuse(host: object) -> None:
        text = host.decode() if isinstance(host, bytes) else str(host)
        if not _is_loopback(text):
            raise PermissionError(f"a test tried to reach {text}; tests talk to loopback only")

    def guarded(real: Any) -> Any:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse(address[0])
            return real(self, address)

        return connect

    def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        if host is not None:
            refuse(host)
        return real_getaddrinfo(host, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(real_connect))
        patch.setattr(socket.socket, "connect_ex", guarded(real_connect_ex))
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_settings_from_outside() -> Iterator[None]:
    """Hide the shell's own CITYRISK_… variables, so that no test touches a real home."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("CITYRISK_") and name not in KEPT_VARIABLES]:
            patch.delenv(name)
        yield


# ── which worker does what ────────────────────────────────────────────────────────────────────────────────────────────
class OneWorkerScheduling(LoadFileScheduling):
    """A file is one worker's; so is a folder of ONE_WORKER."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWorkerScheduling | None:
    """Ours, where files go to workers; xdist's own else."""
    return OneWorkerScheduling(config, log) if config.getoption("dist") == "loadfile" else None


def _scope(file: str) -> str:
    folder = file.rpartition("/")[0]
    return folder if folder in ONE_WORKER else file


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that workers end together; within a file nothing moves."""
    slow = {_file(item) for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (_scope(_file(item)) not in ONE_WORKER, _file(item) not in slow))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


# ── nothing skipped in CI, a floor under the number of tests ─────────────────────────────────────
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI a skip is a failure: the machine lacks something that it was meant to have."""
    report: Any = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """The same for a module that skips itself as a whole."""
    report: Any = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Record proofs; set the floor under full runs in CI, a chosen part of the suite has none."""
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.pluginmanager.register(Proofs(), "proofs")
    chosen = config.option.keyword or config.option.markexpr or config.getoption("lf", default=False)
    full = config.args == config.getini("testpaths") and not chosen and not config.option.collectonly
    if IN_CI and full and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Floor(), "floor")
