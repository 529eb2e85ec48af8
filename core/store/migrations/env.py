"""What Alembic runs to bring the ops store to the newest revision, on the connection that `upgrade` gives it."""

from __future__ import annotations

from alembic import context

from core.store.database import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
