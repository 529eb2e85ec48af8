"""Private database servers for tests: real PostgreSQL and MariaDB on free loopback ports, gone at the end.

Nothing is read from, or left in, their configuration or data.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pymysql

from own_ports import own_port
from waiting import PATIENCE_S

USER = "city"
STOP_SIGNAL = {"postgres": signal.SIGINT, "mysql": signal.SIGTERM}  # SIGINT is PostgreSQL's fast shutdown


class ServerAbsentError(RuntimeError):
    """The server's programs are not on this machine; says what to install."""


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server with one empty UTF-8 database; yields its SQLAlchemy URL (psycopg 3)."""
    initdb = _program("initdb", Path("/usr/lib/postgresql"), "*/bin/initdb", "postgresql")
    password = secrets.token_hex(12)
    with _folder("postgres") as folder:
        data, password_file = folder / "data", folder / "password"
        password_file.write_text(password, encoding="utf-8")
        _give(password_file, "postgres")
        _run(
            [
                *(initdb, "-D", data, "-U", USER, "-E", "UTF8", "--locale=C"),
                *("-A", "scram-sha-256", f"--pwfile={password_file}", "--no-sync"),
            ],
            folder,
            "postgres",
        )
        port = own_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(folder),
            "shared_buffers": "32MB",
            "fsync": "off",
            "timezone": "UTC",
        }
        command = [initdb.with_name("postgres"), "-D", data, *(f"--{name}={value}" for name, value in options.items())]

        def connect(database: str = "postgres") -> psycopg.Connection:
            return psycopg.connect(
                host="127.0.0.1", port=port, user=USER, password=password, dbname=database, autocommit=True
            )

        with _serving(command, folder, "postgres", lambda: connect().close(), psycopg.OperationalError):
            with connect() as connection:
                connection.execute("CREATE DATABASE city")
            yield f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{port}/city"


@contextmanager
def mariadb() -> Iterator[str]:
    """A MariaDB server with one empty utf8mb4 database; yields its SQLAlchemy URL (PyMySQL)."""
    server = _program("mariadbd", Path("/usr/sbin"), "mariadbd", "mariadb-server")
    password = secrets.token_hex(12)
    with _folder("mysql") as folder:
        data, init_file = folder / "data", folder / "init.sql"
        init_file.write_text(
            "CREATE DATABASE city;\n"
            f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
            f"CREATE USER '{USER}'@'localhost' IDENTIFIED BY '{password}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'127.0.0.1';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'localhost';\n",
            encoding="utf-8",
        )
        _give(init_file, "mysql")
        installer = _program("mariadb-install-db", Path("/usr/bin"), "mariadb-install-db", "mariadb-server")
        _run([installer, "--no-defaults", f"--datadir={data}", "--skip-test-db"], folder, "mysql")
        port = own_port()
        command = [
            server,
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={folder / 'mariadb.sock'}",
            f"--pid-file={folder / 'mariadb.pid'}",
            f"--init-file={init_file}",
            "--bind-address=127.0.0.1",
            f"--port={port}",
            "--character-set-server=utf8mb4",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0",
            "--default-time-zone=+00:00",
        ]

        def connect() -> None:
            pymysql.connect(host="127.0.0.1", port=port, user=USER, password=password, database="city").close()

        with _serving(command, folder, "mysql", connect, pymysql.OperationalError):
            yield f"mysql+pymysql://{USER}:{password}@127.0.0.1:{port}/city?charset=utf8mb4"


@contextmanager
def _serving(
    command: list[object], folder: Path, account: str, connect: Callable[[], None], not_yet: type[Exception]
) -> Iterator[None]:
    """Run a server until the block ends; enter the block once `connect` works."""
    log_path = folder / "server.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(_as_account(command, account), cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                connect()
                break
            except not_yet as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    log_text = log_path.read_text("utf-8", "replace")
                    raise RuntimeError(f"{command[0]} did not come up:\n{log_text}") from error
                time.sleep(0.05)
        yield
    finally:
        process.send_signal(STOP_SIGNAL[account])
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _folder(account: str) -> Iterator[Path]:
    # Not pytest's own folder: its parents are closed to every account but ours.
    folder = Path(tempfile.mkdtemp(prefix=f"cityrisk-{account}-"))
    _give(folder, account)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[object], folder: Path, account: str) -> None:
    done = subprocess.run(_as_account(command, account), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")


def _as_account(command: list[object], account: str) -> list[str]:
    """The command line for `account` when we are root (the servers refuse root); it dies with us in any case."""
    change = ["--reuid", account, "--regid", account, "--init-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *change, "--pdeathsig", STOP_SIGNAL[account].name.removeprefix("SIG"), *map(str, command)]


def _give(path: Path, account: str) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, account, account)


def _program(name: str, folder: Path, pattern: str, package: str) -> Path:
    """A program on PATH or, newest first, under `folder`. Raises ServerAbsentError."""
    on_path = shutil.which(name)
    found = [Path(on_path)] if on_path else sorted(folder.glob(pattern), key=_version, reverse=True)
    if not found:
        raise ServerAbsentError(f"{name} is not installed; as root: apt-get install {package}")
    return found[0]


def _version(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.parts if part.isdigit())
