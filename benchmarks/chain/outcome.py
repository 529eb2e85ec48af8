"""What became of what was sent: landed once, in LIVE once, the episodes that the rules give, each alert once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from nats.aio.client import Client

from alerting.engine import Engine
from alerting.engine.episode import EpisodeChange
from benchmarks.chain.generator import PAIR
from benchmarks.chain.messages import Template
from core.settings import Home
from core.store import database, tables
from core.store.landed import live_files
from core.stream import live, mqtt_store
from core.stream.broker import mqtt_accounts
from core.stream.client import connected
from core.stream.live import LiveBatch
from core.stream.streams import LIVE, RAW

FEEDS = ("urban.gas_reading", "urban.tunnel_reading")
CONSUMER_OF_ALERTING = "alerting"


def settle(condition: Callable[[], bool], within_s: float, what: str) -> float:
    """Wait until something holds; gives the seconds it took. Raises TimeoutError naming it."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"{what} did not happen within {within_s:g} s")
        time.sleep(0.1)
    return time.monotonic() - began


# ── how far everybody is ──────────────────────────────────────────────────────────────────────────────────────────────
async def last_sequences(home: Home) -> tuple[int, int]:
    """The last sequences of RAW and LIVE."""
    async with connected(home, "judge") as client:
        manager = client.jsm()
        return (await manager.stream_info(RAW)).state.last_seq, (await manager.stream_info(LIVE)).state.last_seq


async def waiting_in_sessions(home: Home) -> int:
    """Messages that devices were answered for and that the bridge's MQTT sessions have not acknowledged."""
    waiting = 0
    for account in mqtt_accounts(home):
        async with connected(home, "judge", account) as client:
            sessions = await client.jsm().consumers_info(mqtt_store.STREAM)
        waiting += sum((one.num_pending or 0) + (one.num_ack_pending or 0) for one in sessions)
    return waiting


def landed_to(engine: sa.Engine) -> int:
    """How far RAW has landed."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.max(tables.stream_position.c.sequence))) or 0)


def alerted_to(engine: sa.Engine) -> int:
    """How far alerting has applied LIVE."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.max(tables.alert_position.c.sequence))) or 0)


# ── readings ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Readings:
    """Rows acknowledged, and how they stand somewhere."""

    acknowledged: int
    found: int
    lost: int
    twice: int

    @property
    def is_exact(self) -> bool:
        """Nothing lost, nothing twice."""
        return not self.lost and not self.twice


def acknowledged_rows(file: Path, templates: Sequence[Template]) -> pl.DataFrame:
    """(feed_id, device_id, at_ms) of every row that was acknowledged to its sender, each once."""
    pairs = [PAIR.unpack_from(body, at) for body in (file.read_bytes(),) for at in range(0, len(body), PAIR.size)]
    sent = pl.DataFrame(pairs, schema={"template": pl.UInt32, "at_ms": pl.Int64}, orient="row").unique()
    known = pl.DataFrame(
        {
            "template": pl.Series(range(len(templates)), dtype=pl.UInt32),
            "feed_id": [template.feed_id for template in templates],
            "device_id": [list(template.devices) for template in templates],
        }
    ).explode("device_id")
    return sent.join(known, on="template").select("feed_id", "device_id", "at_ms")


def landed_rows(home: Home, feeds: Iterable[str] = FEEDS) -> pl.DataFrame:
    """(feed_id, device_id, at_ms) of everything in live files."""
    engine = database.open_ops(home.ops_url)
    parts = []
    for feed_id in feeds:
        files = live_files(engine, home, feed_id)
        if files:
            rows = pl.scan_parquet(files, missing_columns="insert", extra_columns="ignore")
            at_ms = pl.col("observed_at").dt.epoch("ms").alias("at_ms")
            parts.append(rows.select(pl.lit(feed_id).alias("feed_id"), "device_id", at_ms).collect())
    engine.dispose()
    return pl.concat(parts) if parts else _no_rows()


def quarantined_rows(engine: sa.Engine) -> dict[str, int]:
    """Rows in quarantine by reason: they are not lost, but devices that say nothing wrong should have none."""
    row = tables.quarantine.c
    query = sa.select(row.reason, sa.func.sum(row.n_rows)).where(row.outcome == "quarantined").group_by(row.reason)
    with engine.connect() as connection:
        return {str(reason): int(n) for reason, n in connection.execute(query)}


def compare(acknowledged: pl.DataFrame, found: pl.DataFrame) -> Readings:
    """How acknowledged rows stand among those found."""
    keys = ["feed_id", "device_id", "at_ms"]
    lost = acknowledged.join(found, on=keys, how="anti")
    return Readings(acknowledged.height, found.height, lost.height, found.height - found.unique(keys).height)


def _no_rows() -> pl.DataFrame:
    return pl.DataFrame(schema={"feed_id": pl.String, "device_id": pl.String, "at_ms": pl.Int64})


# ── LIVE ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
async def live_batches(client: Client) -> AsyncIterator[LiveBatch]:
    """Everything in LIVE in stream order."""
    state = (await client.jsm().stream_info(LIVE)).state
    if not state.messages:
        return
    subscription = await client.jetstream().subscribe("live.>", stream=LIVE, ordered_consumer=True)
    while True:
        message = await asyncio.wait_for(subscription.next_msg(timeout=30), 30)
        batch = live.unpack(message.data, message.metadata.sequence.stream)
        yield batch
        if batch.sequence >= state.last_seq:
            await subscription.unsubscribe()
            return


@dataclass
class Folded:
    """Rows of LIVE, and what the rules say of them when they are folded from the first to the last."""

    rows: pl.DataFrame = field(default_factory=_no_rows)
    changes: list[EpisodeChange] = field(default_factory=list)
    messages: int = 0


async def fold_live(home: Home, engine: Engine, feeds: Iterable[str] = FEEDS) -> Folded:
    """Read LIVE once more, with an engine that knows nothing yet."""
    wanted, found, parts = set(feeds), Folded(), list[pl.DataFrame]()
    async with connected(home, "judge") as client:
        async for batch in live_batches(client):
            found.messages += 1
            found.changes += engine.fold(batch)
            if batch.feed_id in wanted:
                columns = {"device_id": batch.columns["device_id"], "at_us": batch.columns["observed_at"]}
                frame = pl.DataFrame(columns, schema={"device_id": pl.String, "at_us": pl.Int64})
                at_ms = (pl.col("at_us") // 1000).alias("at_ms")
                parts.append(frame.select(pl.lit(batch.feed_id).alias("feed_id"), "device_id", at_ms))
    if parts:
        found.rows = pl.concat(parts)
    return found


# ── alerts ────────────────────────────────────────────────────────────────────────────────────────────────────────────
_STATES = {"pending": "pending", "withdrawn": "withdrawn", "cleared": "cleared"}


def expected_members(changes: Iterable[EpisodeChange]) -> dict[str, tuple[int, str]]:
    """Episode → its last change and the state that leaves it in."""
    return {one.episode_id: (one.number, _STATES.get(one.change.value, "holding")) for one in changes}


def stored_members(engine: sa.Engine) -> dict[str, tuple[int, str]]:
    """The same, as the ops store has it."""
    member = tables.member.c
    with engine.connect() as connection:
        rows = connection.execute(sa.select(member.episode_id, member.last_number, member.state)).all()
    return {str(row[0]): (int(row[1]), str(row[2])) for row in rows}


def doubles(engine: sa.Engine) -> dict[str, int]:
    """What stands twice: open alerts of one object and rule, steps of one change, deliveries of one notice."""
    alert, event, delivery = tables.alert.c, tables.alert_event.c, tables.alert_delivery.c
    queries: dict[str, tuple[Any, ...]] = {
        "open_alerts": (alert.rule_id, alert.object_id, alert.is_exercise),
        "steps": (event.episode_id, event.number, event.kind),
        "deliveries": (delivery.notice_id, delivery.channel_id, delivery.target),
    }
    found: dict[str, int] = {}
    with engine.connect() as connection:
        for name, columns in queries.items():
            query = sa.select(*columns)
            if name == "open_alerts":
                query = query.where(alert.state.in_(tables.OPEN_STATES))
            if name == "steps":
                query = query.where(event.episode_id.is_not(None), event.actor == "rule")
            counts = Counter(tuple(row) for row in connection.execute(query))
            found[name] = sum(n - 1 for n in counts.values())
    return found
