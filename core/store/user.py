"""Users, their sessions, and what each of them did."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from core.store.database import UtcText, metadata

app_user = Table(
    "app_user",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),  # argon2id
    Column("role", String(40), nullable=False),
    Column("area_code", String(12)),  # the branch; null: the whole city
    Column("language", String(2), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("disabled_at", UtcText),
    Column("n_failed", Integer, nullable=False),
    Column("locked_until", UtcText),
    Column("last_login_at", UtcText),
)

app_session = Table(
    "app_session",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("user_name", String(80), ForeignKey("app_user.name"), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("expires_at", UtcText, nullable=False),
    Column("ended_at", UtcText),
    Index("ix_app_session_user", "user_name"),
)

operator_action = Table(
    "operator_action",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("actor", String(80), nullable=False),
    Column("action", String(40), nullable=False),  # reveal, replay, …
    Column("target", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcText, nullable=False),
)
