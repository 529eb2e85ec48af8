"""Where a home keeps its things, and which secrets it was given. Read once, by whoever starts a process.

Secrets come from the environment; `cityrisk demo` writes a `secrets.env` (mode 0600) for its own home, which is
read here only for names that the environment does not have. Who is who (`CITYRISK_OS_USERS`) counts only as written
there.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import ExplainedError

DEFAULT_HOME = Path("var")
ARCHIVE_KEY = "CITYRISK_ARCHIVE_KEY"  # 32 bytes, base64: encrypts archive and vault
HASH_KEY = "CITYRISK_HASH_KEY"  # 32 bytes, base64: keys the hashes of personal data
STREAM_KEY = "CITYRISK_STREAM_KEY"  # 32 bytes, base64: encrypts what the broker keeps on disk
NATS_PASSWORD = "CITYRISK_NATS_PASSWORD"  # our own; with `_<DEPARTMENT>` behind it, that of a department's devices
SECRET_NAMES = (ARCHIVE_KEY, HASH_KEY, STREAM_KEY, NATS_PASSWORD)


class SettingsError(ExplainedError, RuntimeError):
    """A setting is missing or cannot be used; says which and how to give it."""


@dataclass(frozen=True, slots=True)
class Home:
    """One installation's folder and the environment that its processes run with."""

    root: Path
    environment: Mapping[str, str]

    @property
    def archive(self) -> Path:
        """Encrypted raw bytes by content hash."""
        return self.root / "archive"

    @property
    def landing(self) -> Path:
        """Parquet files; the ledger says which of them are live."""
        return self.root / "landing"

    @property
    def build(self) -> Path:
        """What one warehouse build needs: file manifest, ops snapshot, dbt target."""
        return self.root / "build"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file that only the running dbt build opens."""
        return self.root / "warehouse" / "warehouse.duckdb"

    @property
    def mart(self) -> Path:
        """The second DuckDB file, attached by dbt, that holds `mart.*` and is copied when published."""
        return self.root / "warehouse" / "mart_db.duckdb"

    @property
    def serving(self) -> Path:
        """Published generations, one new name each."""
        return self.root / "serving"

    @property
    def published(self) -> Path:
        """What readers were shown, part by part (`core.store.published`)."""
        return self.root / "published"

    @property
    def rules(self) -> Path:
        """Rules generations, one folder each."""
        return self.root / "rules"

    @property
    def key_checks(self) -> Path:
        """Check values of the keys that the home was made with."""
        return self.root / "key_checks"

    @property
    def stream(self) -> Path:
        """What our own broker keeps: configuration, encrypted streams, MQTT sessions."""
        return self.root / "stream"

    @property
    def run(self) -> Path:
        """One small file per running process: its id, ports and start."""
        return self.root / "run"

    @property
    def ops_url(self) -> str:
        """SQLAlchemy URL of the ops store."""
        return self.environment.get("CITYRISK_OPS_URL") or f"sqlite:///{self.root / 'ops.db'}"

    @property
    def has_own_broker(self) -> bool:
        """Whether the home starts its own broker, or names another one in CITYRISK_NATS_URL."""
        return not self.environment.get("CITYRISK_NATS_URL")

    def require(self, name: str) -> str:
        """The value of an environment variable. Raises SettingsError when it is not set."""
        value = self.environment.get(name)
        if not value:
            raise SettingsError(f"{name} is not set; give it in the environment or in {self.root / 'secrets.env'}")
        return value

    def number(self, name: str, default: int) -> int:
        """A whole number from the environment, `default` when it is not set. Raises SettingsError for anything else."""
        text = self.environment.get(name) or str(default)
        if not (text.isascii() and text.isdigit()):
            raise SettingsError(f"{name} is {text!r}, expected a whole number such as {default}")
        return int(text)

    def secret(self, name: str) -> bytes:
        """A 32-byte key from the environment. Raises SettingsError when absent or of another length."""
        try:
            key = base64.b64decode(self.require(name), validate=True)
        except ValueError as error:
            raise SettingsError(f"{name} is not base64: {error}; give 32 random bytes in base64") from error
        if len(key) != 32:
            raise SettingsError(f"{name} holds {len(key)} bytes, expected 32")
        return key

    def expand(self, text: str) -> str:
        """Fill `${NAME}` from the environment. Raises SettingsError for a name that is not set."""
        head, *rest = text.split("${")
        for part in rest:
            name, _, tail = part.partition("}")
            head += self.require(name) + tail
        return head


def home_folder(environment: Mapping[str, str]) -> Path:
    """The folder that an environment names as the home, whatever its state."""
    return Path(environment.get("CITYRISK_HOME") or DEFAULT_HOME).absolute()


def open_home(environment: Mapping[str, str], root: Path | None = None) -> Home:
    """The home that an environment points to, with `secrets.env` and `city/city.env` of that home filled in."""
    folder = root.absolute() if root else home_folder(environment)
    return Home(folder, {**written_in(folder), **environment})


def written_in(folder: Path) -> dict[str, str]:
    """What a home's own files set, whatever the caller's environment says."""
    merged: dict[str, str] = {}
    for name in ("city/city.env", "secrets.env"):
        path = folder / name
        if path.is_file():
            merged |= dict(line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines() if "=" in line)
    return merged
