"""Look into the ops store without being able to change it.

The published generation says how feeds stood when it was made; what happened since is only here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from core.settings import Home

OpsReader = sa.Connection
_SQLITE = "sqlite:///"


@contextmanager
def ops_reader(home: Home) -> Iterator[sa.Connection | None]:
    """A connection that the engine itself keeps read-only; None while the home has no ops store yet."""
    url = home.ops_url
    if url.startswith(_SQLITE):
        path = Path(url.removeprefix(_SQLITE)).absolute()
        if not path.is_file():
            yield None
            return
        engine = sa.create_engine(f"sqlite:///file:{path}?mode=ro&uri=true", poolclass=sa.NullPool)
    else:
        engine = sa.create_engine(url, poolclass=sa.NullPool, execution_options={"postgresql_readonly": True})
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
