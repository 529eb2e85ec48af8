"""Clear values behind the hashes of personal data, sealed, for people entitled to call a driver or a unit.

Every reveal is a row in `operator_action`, written in the same transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.dialects import postgresql, sqlite

from core.mask import keyed_hash
from core.store.parts import in_parts
from core.store.personal import vault
from core.store.user import operator_action

NONCE_BYTES = 12


class VaultError(RuntimeError):
    """A sealed value that cannot be opened, or a reveal without a name and a reason."""


class Vault:
    """Sealed clear values by hash, in the ops store."""

    def __init__(self, engine: sa.Engine, key: bytes) -> None:
        self._engine = engine
        self._cipher = AESGCM(key)

    def keep(self, values: Mapping[str, str]) -> None:
        """Add hash → clear value pairs; a hash that is known stays as it is."""
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        statement = insert(vault).on_conflict_do_nothing()
        hashes = sorted(values)
        with self._engine.begin() as connection:
            for part in in_parts(hashes):
                query = sa.select(vault.c.hash).where(vault.c.hash.in_(part))
                fresh = set(part).difference(connection.scalars(query).all())
                if fresh:
                    rows = [{"hash": one, "sealed": self._seal(one, values[one])} for one in sorted(fresh)]
                    connection.execute(statement, rows)

    def reveal(self, hash_: str, actor: str, reason: str, now: datetime) -> str | None:
        """The clear value, None when the vault has none; asking is recorded either way, before the answer.

        Raises VaultError when no actor or reason is given, or when the value cannot be opened.
        """
        if not actor.strip() or not reason.strip():
            raise VaultError("a reveal needs who asks and why; both are recorded")
        with self._engine.begin() as connection:
            sealed = connection.scalar(sa.select(vault.c.sealed).where(vault.c.hash == hash_))
            connection.execute(
                sa.insert(operator_action).values(actor=actor, action="reveal", target=hash_, reason=reason, at=now)
            )
        return None if sealed is None else self._open(hash_, sealed)

    def is_hashed_with(self, hash_key: bytes) -> bool:
        """Whether a kept value has its hash again under this key; yes while none is kept. No clear value leaves.

        Raises VaultError when the value cannot be opened.
        """
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(vault).limit(1)).first()
        return row is None or keyed_hash(hash_key, self._open(row.hash, row.sealed)) == row.hash

    def _seal(self, hash_: str, clear: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, clear.encode(), hash_.encode())

    def _open(self, hash_: str, sealed: bytes) -> str:
        try:
            clear = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], hash_.encode())
        except InvalidTag:
            raise VaultError(
                f"vault {hash_}: cannot be opened; the row was altered, or CITYRISK_ARCHIVE_KEY is another key"
            ) from None
        return clear.decode()
