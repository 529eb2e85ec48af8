"""The ops store: ledger, outcomes, quarantine, verdicts and everything else that processes must remember.

SQLite (WAL) by default, PostgreSQL by URL. One list of tables for all rooms; the warehouse gets a snapshot of them.
Not here: what the rows mean (`ingest.landing`, `quality`, `orchestration.publish`, `access`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, event, exc
from sqlalchemy.types import TypeDecorator

REVISION = "0014"  # the newest step in ingest/migrations/versions; a change of these tables needs a further one

BUNDLE = "raw-"  # how the medium of a batch begins whose archived bytes are a stream's messages

metadata = MetaData()


class UtcText(TypeDecorator[Any]):
    """Instants as ISO 8601 text in UTC with microseconds, so that both engines sort and compare them alike."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Aware datetime → text. Raises ValueError for a naive one."""
        from datetime import UTC

        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}; give an aware one")
        return str(value.astimezone(UTC).isoformat(timespec="microseconds"))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        """Text → aware datetime."""
        from datetime import datetime

        return datetime.fromisoformat(value) if value else None


# One pulled or pushed payload that was looked at; its id is a hash of feed, content and source.
batch = Table(
    "ledger_batch", metadata,
    Column("batch_id", String(32), primary_key=True),
    Column("feed_id", String(80), nullable=False),
    Column("contract_version", String(20), nullable=False),
    Column("source_ref", Text, nullable=False),
    Column("media", String(12), nullable=False),
    Column("archive_sha256", String(64), nullable=False),
    Column("received_at", UtcText, nullable=False),
    Column("rows_in", Integer, nullable=False),
    Column("rows_landed", Integer, nullable=False),
    Column("rows_quarantined", Integer, nullable=False),
    Column("rows_ignored", Integer, nullable=False),
    # landed: waits for its checks; admitted: the warehouse reads it; held: a blocking check failed;
    # rejected: nothing of it landed; withdrawn: a person took it back; relanded: another batch has its bytes now
    Column("state", String(12), nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("judged_on", String(64)),  # hash of all that its last verdicts stood on: the same again says the same
    Index("ix_batch_feed", "feed_id", "state"),
)  # fmt: skip

# The manifest: the files that are live are the landing zone, whatever else lies in the folder.
file = Table(
    "ledger_file", metadata,
    Column("path", String(300), primary_key=True),
    Column("batch_id", String(32), ForeignKey("ledger_batch.batch_id"), nullable=False),
    Column("feed_id", String(80), nullable=False),
    Column("landed_on", String(10), nullable=False),  # Beijing day of the rows
    Column("rows", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("state", String(10), nullable=False),  # live, replaced (by compaction), expired, withdrawn
    Column("replaced_by", String(300)),  # the compacted file that holds these rows now
    Column("sha256", String(64)),  # of the file as it was written; null: from before digests were kept
    Column("built_at", UtcText),  # when a published build first read it; null: new to the warehouse
    Index("ix_file_feed", "feed_id", "state"),
)  # fmt: skip

cursor = Table(
    "feed_cursor", metadata,
    Column("feed_id", String(80), primary_key=True),
    Column("value", Text, nullable=False),
    Column("moved_at", UtcText, nullable=False),
)  # fmt: skip

fetch_outcome = Table(
    "fetch_outcome", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("feed_id", String(80), nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("started_at", UtcText, nullable=False),
    Column("ended_at", UtcText, nullable=False),
    Column("result", String(20), nullable=False),  # landed, nothing_new, rejected, failed, or a Trouble
    Column("payloads", Integer, nullable=False),
    Column("rows_landed", Integer, nullable=False),
    Column("rows_quarantined", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_outcome_feed", "feed_id", "started_at"),
)  # fmt: skip

# Everything found that was not clean, whatever became of it; quarantined rows point to their raw bytes.
quarantine = Table(
    "quarantine", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("feed_id", String(80), nullable=False),
    Column("batch_id", String(32), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("grain", String(8), nullable=False),
    Column("outcome", String(12), nullable=False),  # quarantined, flagged, corrected, ignored, withdrawn
    Column("source_ref", Text, nullable=False),  # payload source and row place
    Column("locator", Text, nullable=False),
    Column("column_name", String(80)),
    Column("found", Text),  # masked
    Column("expected", Text),
    Column("n_rows", Integer, nullable=False),
    Column("archive_sha256", String(64), nullable=False),
    Column("contract_version", String(20), nullable=False),
    Column("at", UtcText, nullable=False),
    Column("replayed_at", UtcText),
    Column("replayed_batch_id", String(32)),
    Index("ix_quarantine_feed", "feed_id", "reason"),
    Index("ix_quarantine_batch", "batch_id"),
)  # fmt: skip

# A person's word on a value that a feed keeps sending wrong; applied to the raw text before conform.
override = Table(
    "value_override", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("feed_id", String(80), nullable=False),
    Column("column_name", String(80), nullable=False),
    Column("found", Text, nullable=False),
    Column("use", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcText, nullable=False),
)  # fmt: skip

check_verdict = Table(
    "check_verdict", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(40), nullable=False),
    Column("feed_id", String(80), nullable=False),
    Column("check_id", String(80), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("verdict", String(8), nullable=False),  # passed, failed, raised
    Column("observed", Float),
    Column("expected", Text, nullable=False),
    Column("message_zh", Text, nullable=False),
    Column("message_en", Text, nullable=False),
    Column("rows_checked", Integer, nullable=False),
    Column("at", UtcText, nullable=False),
    Column("samples", Text, nullable=False, server_default="[]"),  # JSON list: a few that broke it, persons masked
    Index("ix_verdict_feed", "feed_id", "at"),
)  # fmt: skip

generation = Table(
    "generation", metadata,
    Column("name", String(40), primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("published_at", UtcText, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("checks_failed", Integer, nullable=False),
    Column("checks_raised", Integer, nullable=False),
)  # fmt: skip

run = Table(
    "run", metadata,
    Column("run_id", String(40), primary_key=True),
    Column("started_at", UtcText, nullable=False),
    Column("ended_at", UtcText),
    Column("step", String(20), nullable=False),
    Column("result", String(20), nullable=False),  # running, done, failed
    Column("detail", Text, nullable=False),
)  # fmt: skip

notification = Table(
    "notification", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("feed_id", String(80), nullable=False),
    Column("kind", String(20), nullable=False),  # late, silent, broken, drifted, recovered, audit
    Column("text_zh", Text, nullable=False),
    Column("text_en", Text, nullable=False),
    Column("raised_at", UtcText, nullable=False),
    Column("cleared_at", UtcText),
    Column("delivered_at", UtcText),
    Column("attempts", Integer, nullable=False),
    Index("ix_notification_open", "feed_id", "kind", "cleared_at"),
)  # fmt: skip

# A person's word on one device of a gateway: banned, or allowed although no register lists it.
device_access = Table(
    "device_access", metadata,
    Column("raw_feed", String(80), primary_key=True),
    Column("device_id", String(80), primary_key=True),
    Column("verdict", String(8), nullable=False),  # banned, allowed
    Column("actor", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcText, nullable=False),
)  # fmt: skip

# How each device was last heard by a gateway or over MQTT; written every few seconds, counts since it was first heard.
device_link = Table(
    "device_link", metadata,
    Column("raw_feed", String(80), primary_key=True),
    Column("device_id", String(80), primary_key=True),
    Column("carrier", String(4), nullable=False),  # tcp, udp, mqtt
    Column("standing", String(8), nullable=False),  # known, unknown, banned
    Column("address", String(64), nullable=False),  # '' over MQTT: the broker does not tell
    Column("is_connected", sa.Boolean, nullable=False),
    Column("first_heard_at", UtcText, nullable=False),
    Column("last_frame_at", UtcText),
    Column("last_bad_at", UtcText),
    Column("last_bad_reason", Text),
    Column("frames", BigInteger, nullable=False),
    Column("bad_frames", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("deviations", Text, nullable=False),  # JSON: lenient option → frames that needed it
)  # fmt: skip

# Clocks of devices that are off receipt, or were: written by intake when there is news of one.
device_clock = Table(
    "device_clock", metadata,
    Column("raw_feed", String(80), primary_key=True),
    Column("device_id", String(80), primary_key=True),
    Column("offset_s", BigInteger),  # median of the last readings, positive when ahead; null when they had no time
    Column("is_off", sa.Boolean, nullable=False),  # false once it is right again
    Column("since_at", UtcText, nullable=False),  # receipt of the first reading that was off
    Column("seen_at", UtcText, nullable=False),
    Column("jumped_at", UtcText),  # when it last moved by more than ten minutes between two readings
)  # fmt: skip

# How far intake has come in a stream: everything up to `sequence` is landed. One row a stream.
stream_position = Table(
    "stream_position", metadata,
    Column("stream", String(20), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("opened_at", UtcText, nullable=False),  # batches received before are history: they never enter LIVE
    Column("moved_at", UtcText, nullable=False),
)  # fmt: skip

# How each feed of a stream stands, for pages and assets; counts since intake first saw the feed.
stream_progress = Table(
    "stream_progress", metadata,
    Column("feed_id", String(80), primary_key=True),
    Column("raw_sequence", BigInteger, nullable=False),
    Column("watermark_at", UtcText),  # the newest event time that landed
    Column("lag", BigInteger, nullable=False),  # messages of the whole stream that wait for intake
    Column("rows_in", BigInteger, nullable=False),
    Column("rows_landed", BigInteger, nullable=False),
    Column("rows_quarantined", BigInteger, nullable=False),
    Column("rows_ignored", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),  # rows that came longer after their event than the feed's agreement
    Column("updated_at", UtcText, nullable=False),
)  # fmt: skip

# Batches of pulled and pushed feeds that LIVE has not seen, written where they land.
live_waiting = Table(
    "live_waiting", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("batch_id", String(32), nullable=False, unique=True),
)  # fmt: skip

operator_action = Table(
    "operator_action", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("actor", String(80), nullable=False),
    Column("action", String(40), nullable=False),  # reveal, replay, …
    Column("target", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcText, nullable=False),
)  # fmt: skip

# Clear values of hashed personal data, encrypted; read only through an audited reveal.
vault = Table(
    "vault", metadata,
    Column("hash", String(64), primary_key=True),
    Column("sealed", sa.LargeBinary, nullable=False),
)  # fmt: skip


def open_ops(url: str) -> sa.Engine:
    """An engine on the ops store, at the newest revision. SQLite runs in WAL mode with full synchronisation.

    Raises MigrationError for a store that this version cannot bring there.
    """
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
    if _revision(engine) != REVISION:
        from ingest.migrate import upgrade  # Alembic costs more to load than everything else here

        upgrade(engine.url, REVISION)
    return engine


@contextmanager
def opened(url: str) -> Iterator[sa.Engine]:
    """The ops store for the length of a block: `open_ops`, and its connections closed afterwards."""
    engine = open_ops(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _revision(engine: sa.Engine) -> str | None:
    """The revision that the store says it has, None for a new one."""
    stored = sa.table("alembic_version", sa.column("version_num"))
    with engine.connect() as connection:
        try:
            found: str | None = connection.scalar(sa.select(stored.c.version_num))
        except (exc.OperationalError, exc.ProgrammingError):  # no such table
            return None
    return found


def _set_pragmas(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
