"""Raw bytes as departments sent them, compressed and encrypted, stored once by content.

Nothing on disk tells the content: names are keyed hashes, bytes are sealed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORM = b"CRA1"  # zstd, then AES-256-GCM; the 12 nonce bytes follow
NONCE_BYTES = 12
COMPRESSION_LEVEL = 3


class ArchiveError(RuntimeError):
    """Archived bytes that are not there or cannot be opened; says which, and what may be wrong."""


class Archive:
    """A folder of sealed bytes. One instance may serve many threads."""

    def __init__(self, root: Path, key: bytes) -> None:
        self._root = root
        self._key = key
        self._cipher = AESGCM(key)

    def put(self, body: bytes) -> str:
        """Keep bytes; returns their SHA-256 in hex. The same bytes are kept once."""
        sha256 = hashlib.sha256(body).hexdigest()
        path = self._path(sha256)
        if path.exists():
            return sha256
        nonce = secrets.token_bytes(NONCE_BYTES)
        packed = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(body)
        sealed = FORM + nonce + self._cipher.encrypt(nonce, packed, sha256.encode())
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
        try:
            with partial.open("wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)
        return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes with this SHA-256. Raises ArchiveError when absent, altered, or sealed with another key."""
        path = self._path(sha256)
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:
            raise ArchiveError(
                f"archive {self._root}: nothing with sha256 {sha256} under this key; check CITYRISK_ARCHIVE_KEY"
            ) from None
        start = len(FORM) + NONCE_BYTES
        if not sealed.startswith(FORM) or len(sealed) < start:
            raise ArchiveError(f"archive {path.name}: not one of our files, expected it to begin with {FORM!r}")
        try:
            packed = self._cipher.decrypt(sealed[len(FORM) : start], sealed[start:], sha256.encode())
        except InvalidTag:
            raise ArchiveError(
                f"archive {path.name}: cannot be opened; it was altered, or CITYRISK_ARCHIVE_KEY is another key"
            ) from None
        return bytes(zstandard.ZstdDecompressor().decompress(packed))

    def delete(self, sha256: str) -> bool:
        """Let bytes go whose retention is over; False when they were gone already."""
        path = self._path(sha256)
        present = path.exists()
        path.unlink(missing_ok=True)
        return present

    def __contains__(self, sha256: str) -> bool:
        """Whether bytes with this SHA-256 are kept."""
        return self._path(sha256).exists()

    def _path(self, sha256: str) -> Path:
        name = hmac.new(self._key, sha256.encode(), hashlib.sha256).hexdigest()
        return self._root / name[:2] / name


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
