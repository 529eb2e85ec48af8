"""What one person asked for and a second one decides; versions of rules, and rules that run in shadow."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from core.store.database import UtcText, metadata

AS = " as "  # in an actor's name, between who acts and the name that is acted under

# What one person asked for and only a second one may let stand.
request = Table(
    "approval_request",
    metadata,
    Column("request_id", String(32), primary_key=True),
    Column("kind", String(12), nullable=False),  # silence, maintenance, rules, cap
    Column("subject", Text, nullable=False),  # JSON: what is asked for
    Column("covers_zh", Text, nullable=False),  # what it would reach, as it was when somebody asked
    Column("covers_en", Text, nullable=False),
    Column("area_code", String(12)),  # the branch that it lies in; null: the whole city
    Column("reason", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("created_at", UtcText, nullable=False),
    Column("expires_at", UtcText, nullable=False),
    Column("state", String(10), nullable=False),  # waiting, approved, rejected, expired, replaced
    Column("decided_by", String(80)),
    Column("decided_at", UtcText),
    Column("answer", Text),
    Column("result", String(120)),  # id of what stands now
    Index("ix_approval_request_state", "state", "expires_at"),
)

# Every version of a rule that may run: by the release, or by two names.
rule_version = Table(
    "rule_version",
    metadata,
    Column("rule_id", String(120), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("generation", String(40), nullable=False),  # that it came with
    Column("state", String(10), nullable=False),  # live, retired
    Column("proposed_by", String(80), nullable=False),
    Column("approved_by", String(80), nullable=False),
    Column("since", UtcText, nullable=False),
)

# What the rules of a request opened in shadow, beside what the rules in force opened by the same readings.
rule_shadow = Table(
    "rule_shadow",
    metadata,
    Column("request_id", String(32), primary_key=True),
    Column("side", String(6), primary_key=True),  # now, shadow
    Column("rule_id", String(120), primary_key=True),
    Column("object_id", String(120), primary_key=True),
    Column("device_id", String(120), primary_key=True),
    Column("colour", String(8), nullable=False),  # the worst
    Column("n_opened", Integer, nullable=False),
    Column("first_at", UtcText, nullable=False),
    Column("last_at", UtcText, nullable=False),
)
