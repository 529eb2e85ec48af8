"""A digest of each landed file; see `core.store.tables`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; files that landed before have none and are not compared."""
    op.add_column("ledger_file", sa.Column("sha256", sa.String(64)))
