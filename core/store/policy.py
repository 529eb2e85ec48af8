"""Silences and maintenance windows: what people said alerts should not ring for, and for how long."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from core.store.database import UtcText, metadata

silence = Table(
    "silence",
    metadata,
    Column("silence_id", String(32), primary_key=True),
    Column("matchers", Text, nullable=False),  # JSON: label -> value; every one must match
    Column("reason", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("starts_at", UtcText, nullable=False),
    Column("ends_at", UtcText, nullable=False),
    Column("ended_at", UtcText),  # when the end was acted on; null: holds, or is still to come
    Column("ended_by", String(80)),
    Index("ix_silence_ended", "ended_at", "ends_at"),
)

# Work that was announced: readings of the target start no episode in that time.
maintenance_window = Table(
    "maintenance_window",
    metadata,
    Column("window_id", String(32), primary_key=True),
    Column("target_kind", String(10), nullable=False),  # object, device, area, feed
    Column("target", String(120), nullable=False),
    Column("starts_at", UtcText, nullable=False),
    Column("ends_at", UtcText, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("cancelled_at", UtcText),
    Index("ix_maintenance_ends", "ends_at"),
)
