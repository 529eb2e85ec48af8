"""Verdicts of the checks on feeds, and notices about feeds that ail."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from core.store.database import UtcText, metadata

check_verdict = Table(
    "check_verdict",
    metadata,
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
)

notification = Table(
    "notification",
    metadata,
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
)
