"""The archive: content once, nothing readable on disk, clear errors."""

import hashlib
import os
from pathlib import Path

import pytest

from core.store.archive import Archive, ArchiveError

KEY = bytes(range(32))
BODY = "身份证号,110101199003070097\n".encode("gb18030") * 100


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_put_and_get(tmp_path: Path) -> None:
    archive = Archive(tmp_path, KEY)
    sha256 = archive.put(BODY)
    assert sha256 == hashlib.sha256(BODY).hexdigest()
    assert archive.get(sha256) == BODY
    assert sha256 in archive
    assert "0" * 64 not in archive


def test_empty_body_is_kept(tmp_path: Path) -> None:
    archive = Archive(tmp_path, KEY)
    assert archive.get(archive.put(b"")) == b""


def test_same_content_once(tmp_path: Path) -> None:
    archive = Archive(tmp_path, KEY)
    assert archive.put(BODY) == archive.put(BODY)
    assert len(files(tmp_path)) == 1


def test_disk_tells_nothing(tmp_path: Path) -> None:
    sha256 = Archive(tmp_path, KEY).put(BODY)
    (path,) = files(tmp_path)
    raw = path.read_bytes()
    assert b"110101199003070097" not in raw
    assert len(raw) < len(BODY) / 5, "compressed before it is sealed"
    assert sha256 not in str(path), "a name that is the plain hash would confirm a guess"


def test_other_key_is_said(tmp_path: Path) -> None:
    sha256 = Archive(tmp_path, KEY).put(BODY)
    with pytest.raises(ArchiveError, match="CITYRISK_ARCHIVE_KEY"):
        Archive(tmp_path, bytes(32)).get(sha256)


@pytest.mark.parametrize("position", [0, 5, 40, -1])
def test_altered_bytes_are_found(tmp_path: Path, position: int) -> None:
    archive = Archive(tmp_path, KEY)
    sha256 = archive.put(BODY)
    (path,) = files(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ArchiveError, match=path.name):
        archive.get(sha256)


def test_swapped_files_are_found(tmp_path: Path) -> None:
    archive = Archive(tmp_path, KEY)
    first, second = archive.put(b"first"), archive.put(b"second")
    one, other = files(tmp_path)
    one_bytes, other_bytes = one.read_bytes(), other.read_bytes()
    one.write_bytes(other_bytes)
    other.write_bytes(one_bytes)
    for sha256 in (first, second):
        with pytest.raises(ArchiveError, match="altered"):
            archive.get(sha256)


def test_crash_while_writing_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path, KEY)

    def cut(_source: object, _target: object) -> None:
        raise OSError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut)
        with pytest.raises(OSError, match="power cut"):
            archive.put(BODY)
    assert not files(tmp_path)
    assert archive.get(archive.put(BODY)) == BODY
