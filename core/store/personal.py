"""Clear values of personal data, sealed. Not here: sealing and revealing (`core.store.vault`)."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, String, Table

from core.store.database import metadata

# Clear values of hashed personal data, encrypted; read only through an audited reveal.
vault = Table(
    "vault",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)
