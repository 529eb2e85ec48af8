"""Look a home over and say, per thing, whether it is well and what to do when it is not. Changes nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import nats.errors
import sqlalchemy as sa

from access.serving import by_age, published_at, readable
from alerting.heartbeat_standing import standing as standing_of_heartbeat
from core.contract import Contract
from core.environment import names_of
from core.running import read_running
from core.runtime.disk import disk_trouble
from core.runtime.run_lock import HomeBusyError, only_run
from core.runtime.supervisor import status
from core.settings import ARCHIVE_KEY, Home, SettingsError
from core.store import database, tables
from core.store.archive import Archive, ArchiveError
from core.store.keys import CHECKED, compare
from core.store.refusal import standing
from core.stream.client import connected
from core.stream.mqtt_store import left_behind
from orchestration.damage import damage_of, wrecks
from orchestration.publish import generations, is_newest_whole
from orchestration.schema import schema_changes
from orchestration.services import services

Look = Callable[[], tuple[bool, str, str]]  # well, what was found, next step

LEAST_FREE_BYTES = 2 << 30
OLDEST_GENERATION = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at."""

    subject: str
    well: bool
    found: str
    next_step: str


def examine(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], now: datetime) -> list[Diagnosis]:
    """Every finding, well or not. A look that fails is a finding itself and never hides the others."""
    return _found(home, _looks_at_home(home, contracts, now) | _looks_at_store(home, engine, contracts, now))


def _looks_at_home(home: Home, contracts: Mapping[str, Contract], now: datetime) -> dict[str, Look]:
    """What can be looked at without the ops store."""
    return {
        "disk": lambda: _disk(home),
        "file rights": lambda: _file_rights(home),
        "settings": lambda: _settings(home, contracts),
        "run lock": lambda: _lock(home),
        "warehouse": lambda: _warehouse(home),
        "schedules": lambda: _schedules(home),
        "processes": lambda: _processes(home),
        "left messages": lambda: _left_messages(home),
        "heartbeat": lambda: _heartbeat(home, now),
    }


def _looks_at_store(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], now: datetime) -> dict[str, Look]:
    """What the ops store tells, itself or beside the files."""
    return {
        "ops store": lambda: _ops_store(engine),
        "keys": lambda: _keys(home, engine),
        "landing": lambda: _landing(home, engine),
        "last run": lambda: _last_run(home, engine),
        "generation": lambda: _generation(home, engine, now),
        "held batches": lambda: _held(engine),
        "refused feeds": lambda: _refused(engine),
        "contracts": lambda: _contracts(home, engine, contracts),
    }


def _found(home: Home, looks: Mapping[str, Look]) -> list[Diagnosis]:
    findings = []
    for subject, look in looks.items():
        try:
            well, found, next_step = look()
        except Exception as error:  # noqa: BLE001 - the doctor must see the rest of the patient
            well, found, next_step = False, *_told(home, error, "read the error; the rest was looked at")
        findings.append(Diagnosis(subject, well, found, "" if well else next_step))
    return findings


def _told(home: Home, error: Exception, next_step: str) -> tuple[str, str]:
    """An error in one line, and what to do."""
    trouble = disk_trouble(error, home.root)
    if trouble is not None:
        return trouble.found, trouble.next_step
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}", next_step


def look_over(home: Home, contracts: Mapping[str, Contract], now: datetime) -> list[Diagnosis]:
    """Every finding of a home in whatever state: a store that cannot be opened is a finding, never a trace.

    What the store would tell is then left out: nothing is said to be well that nobody saw.
    """
    if not home.root.is_dir():
        return [
            Diagnosis("home", False, f"{home.root} does not exist", "set CITYRISK_HOME, or `cityrisk run` to begin")
        ]
    try:
        engine = database.open_ops(home.ops_url)
    except Exception as error:  # noqa: BLE001 - corrupt, locked, full disk, unreadable: all are told alike
        said, _ = _told(home, error, "")
        store = Diagnosis("ops store", False, said, "free some room, or `cityrisk restore` a backup into another home")
        return [store, *_found(home, _looks_at_home(home, contracts, now))]
    try:
        return examine(home, engine, contracts, now)
    finally:
        engine.dispose()


def _disk(home: Home) -> tuple[bool, str, str]:
    free = shutil.disk_usage(home.root).free
    return free >= LEAST_FREE_BYTES, f"{free / 2**30:.1f} GiB free", "free some room: a build needs twice its size"


def _keys(home: Home, engine: sa.Engine) -> tuple[bool, str, str]:
    try:
        archive = Archive(home.archive, home.secret(ARCHIVE_KEY))
        for name in CHECKED:
            compare(home, name)
    except SettingsError as error:
        return False, str(error), "give the keys that this home was made with"
    with engine.connect() as connection:
        newest = connection.execute(
            sa.select(tables.batch.c.archive_sha256)
            .where(tables.batch.c.archive_sha256 != "")
            .order_by(tables.batch.c.received_at.desc())
            .limit(1)
        ).scalar()
    if newest is None:
        return True, "set; nothing archived yet", ""
    try:
        archive.get(newest)
    except ArchiveError as error:
        return False, str(error), "give the keys that this home was made with, or restore a backup of archive/"
    return True, "set; the newest archived bytes open", ""


def _settings(home: Home, contracts: Mapping[str, Contract]) -> tuple[bool, str, str]:
    missing = sorted(
        {name for contract in contracts.values() for name in names_of(contract) if not home.environment.get(name)}
    )
    if missing:
        return False, f"not set: {', '.join(missing)}", "set them, or the feeds that name them cannot be fetched"
    return True, "every address and credential that a contract names is set", ""


def _landing(home: Home, engine: sa.Engine) -> tuple[bool, str, str]:
    with engine.connect() as connection:
        live = [
            str(p) for (p,) in connection.execute(sa.select(tables.file.c.path).where(tables.file.c.state == "live"))
        ]
    lost = [path for path in live if not (home.landing / path).exists()]
    found = f"{len(live)} live files, {len(lost)} not on disk"
    return not lost, found, "`cityrisk run` brings them back from the archive"


def _lock(home: Home) -> tuple[bool, str, str]:
    try:
        with only_run(home):
            return True, "no batch is running", ""
    except HomeBusyError as error:
        return True, str(error), ""


def _last_run(home: Home, engine: sa.Engine) -> tuple[bool, str, str]:
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.run).order_by(tables.run.c.started_at.desc()).limit(1)).first()
    if row is None:
        return False, "none yet", "`cityrisk run`"
    found = f"{row.run_id}: {row.result} at step {row.step} {row.detail}".strip()
    if row.ended_at is None and _is_free(home):
        return False, f"{row.run_id}: died at step {row.step}; nobody holds its lock", "`cityrisk run` goes on"
    return row.result != "failed", found, "docs/runbooks.md; the next `cityrisk run` repairs what it left"


def _is_free(home: Home) -> bool:
    try:
        with only_run(home):
            return True
    except HomeBusyError:
        return False


def _file_rights(home: Home) -> tuple[bool, str, str]:
    """The ops store holds hashes of passwords, the keys everything: for their owner only."""
    held = [home.root / name for name in ("ops.db", "secrets.env")]
    open_ones = [path.name for path in held if path.exists() and path.stat().st_mode & 0o077]
    found = f"others may read {', '.join(open_ones)}" if open_ones else "only the owner may read"
    return not open_ones, found, f"chmod -R go= {home.root}"


def _ops_store(engine: sa.Engine) -> tuple[bool, str, str]:
    if engine.dialect.name != "sqlite":
        return True, f"{engine.dialect.name} looks after itself", ""
    with engine.connect() as connection:
        said = str(connection.execute(sa.text("pragma quick_check(1)")).scalar())
    return said == "ok", said, "`cityrisk restore` the last good backup into another home"


def _schedules(home: Home) -> tuple[bool, str, str]:
    """What somebody stopped in Dagster, read from its own store: a stopped schedule is silence."""
    store = home.root / "dagster" / "schedules" / "schedules.db"
    if not store.is_file():
        return True, "none was ever switched", ""
    switched = sa.table("instigators", sa.column("status"), sa.column("instigator_body"))
    query = sa.select(switched.c.instigator_body).where(switched.c.status == "STOPPED")
    engine = sa.create_engine(f"sqlite:///file:{store}?mode=ro&uri=true", poolclass=sa.NullPool)
    with engine.connect() as connection:
        bodies: Sequence[str] = connection.scalars(query).all()
    names = sorted(str(json.loads(body)["origin"].get("job_name", "?")) for body in bodies)
    found = f"stopped: {', '.join(names)}" if names else "all work"
    return not names, found, "`cityrisk schedules start NAME`"


def _warehouse(home: Home) -> tuple[bool, str, str]:
    """The two files of the build; while a batch has them open, its own errors tell of them."""
    if not _is_free(home):
        return True, "a batch has it open", ""
    damaged = {path.name: damage_of(path) for path in (home.warehouse, home.mart)}
    if found := "; ".join(f"{name} is damaged: {damage}" for name, damage in damaged.items() if damage):
        return False, found, "`cityrisk run` sets it aside and makes it again from what has landed"
    kept = ", ".join(path.name for path in wrecks(home))
    return True, f"set aside and made again: {kept}; delete it when it was looked at" if kept else "opens", ""


def _generation(home: Home, engine: sa.Engine, now: datetime) -> tuple[bool, str, str]:
    served = generations(home.serving)
    with engine.connect() as connection:
        at = connection.execute(sa.select(sa.func.max(tables.generation.c.published_at))).scalar()
    if not served or at is None:
        return False, "nothing published yet", "`cityrisk run`"
    newest = by_age(home, now)[0]
    opened = readable(home)
    if opened != newest:
        return False, f"{newest.name} cannot be opened; readers are on {opened.name}", "`cityrisk run` publishes anew"
    if not is_newest_whole(home, engine):
        return False, f"{newest.name} is not as long as it was published", "`cityrisk run` publishes anew"
    if published_at(newest) > now:
        return False, f"{newest.name} is of the future: a clock was ahead", "mend the clock, then `cityrisk run`"
    age = now - min(at, published_at(newest))
    return age < OLDEST_GENERATION, f"{served[-1].name}, {age.total_seconds() / 3600:.1f} h old", "`cityrisk run`"


def _held(engine: sa.Engine) -> tuple[bool, str, str]:
    with engine.connect() as connection:
        n = connection.execute(sa.select(sa.func.count()).where(tables.batch.c.state == "held")).scalar() or 0
    return n == 0, f"{n} held", "`cityrisk feed held`, then docs/runbooks.md"


def _refused(engine: sa.Engine) -> tuple[bool, str, str]:
    """Feeds of whose newest delivery nothing landed."""
    with engine.connect() as connection:
        refused = standing(connection)
    found = "; ".join(f"{r.feed_id}: {r.source_ref}: {r.why}" for r in refused.values()) or "none"
    step = "correct the delivery or amend the contract, then `cityrisk quarantine replay`"
    return not refused, found, step


def _contracts(home: Home, engine: sa.Engine, contracts: Mapping[str, Contract]) -> tuple[bool, str, str]:
    """Contracts with elements that nothing uses; feeds that landed in another shape than their contract has now."""
    if said := [f"{feed}: {'; '.join(one.unused)}" for feed, one in contracts.items() if one.unused]:
        return False, "; ".join(said), "`cityrisk feed check FEED`, then mend its file: what stands there has no effect"
    broken = [change for change in schema_changes(home, engine, contracts) if change.is_broken]
    found = "; ".join(change.description for change in broken) or "what has landed fits them"
    return not broken, found, "`cityrisk reland FEED` lands it again from the archive"


def _processes(home: Home) -> tuple[bool, str, str]:
    """A home that is down on purpose is well: only what the manager runs can ail."""
    states = status(home, services(home))
    if all(state.health == "not asked" for state in states):
        return True, "none is running", ""
    unwell = [f"{state.name}: {state.detail}" for state in states if state.health != "well"]
    found = "; ".join(unwell) if unwell else f"{len(states)} are well"
    return not unwell, found, "`cityrisk status`, then docs/runbooks.md; `cityrisk up` starts what stopped"


def _left_messages(home: Home) -> tuple[bool, str, str]:
    """What devices were answered for before each department had an account of its own, and nobody reads now."""
    if not home.has_own_broker or read_running(home, "broker") is None:
        return True, "not asked: no broker of ours is running", ""

    async def asked() -> dict[str, int]:
        async with connected(home, "doctor") as client:
            return await left_behind(client.jsm())

    try:
        found = asyncio.run(asked())
    except (nats.errors.Error, OSError) as error:  # `processes` says what ails the broker
        return True, f"not asked: {str(error) or type(error).__name__}", ""
    said = ", ".join(f"{topic}: {count}" for topic, count in sorted(found.items()))
    return not found, said or "none wait in a session of an earlier release", "docs/runbooks.md, Messages left"


def _heartbeat(home: Home, now: datetime) -> tuple[bool, str, str]:
    """Whether something outside rings when alerting is dead. A home that is down on purpose does not beat."""
    found = standing_of_heartbeat(home, now)
    said = f"{found.state}: {found.detail}"
    if found.state != "failing" or read_running(home, "alerting") is None:
        return True, said, ""
    return False, said, "docs/runbooks.md, Heartbeat: look whether the watcher can be reached from this host"
