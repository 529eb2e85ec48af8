"""Documents kept: used as long as nothing that decides them changed, made anew for every doubt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.compiled import KEPT_DAYS, Compiled, Document

TEXT = "name: 气\n"
DOCUMENT: Document = {"name": "气", "limits": [1, 2.5, None, True]}


class Reader:
    """Reads a document and counts how often it had to."""

    def __init__(self, document: Document = DOCUMENT) -> None:
        self.n, self._document = 0, document

    def __call__(self) -> Document:
        self.n += 1
        return self._document


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cityrisk"


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "schema.json"
    path.write_text("{}", encoding="utf-8")
    return path


def kept(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_the_same_text_is_read_once(cache: Path, schema: Path) -> None:
    read = Reader()
    assert [Compiled("kind", (schema,)).document(TEXT, read) for _ in range(2)] == [DOCUMENT, DOCUMENT]
    assert read.n == 1
    assert [path.suffix for path in kept(cache)] == [".json"]
    assert cache.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("what", ["text", "schema", "kind"])
def test_whatever_decides_it_makes_another(cache: Path, schema: Path, what: str) -> None:
    read = Reader()
    Compiled("kind", (schema,)).document(TEXT, read)
    if what == "schema":
        schema.write_text("{ }", encoding="utf-8")
    Compiled("other" if what == "kind" else "kind", (schema,)).document(TEXT + "#" * (what == "text"), read)
    assert read.n == 2


@pytest.mark.parametrize("damage", [b"", b"{}", b"0\n{}", b"not json"])
def test_a_damaged_file_is_made_anew(cache: Path, schema: Path, damage: bytes) -> None:
    read, compiled = Reader(), Compiled("kind", (schema,))
    compiled.document(TEXT, read)
    whole = kept(cache)[0].read_bytes()
    kept(cache)[0].write_bytes(damage)
    assert compiled.document(TEXT, read) == DOCUMENT
    assert (read.n, kept(cache)[0].read_bytes()) == (2, whole)


def test_a_folder_that_others_may_write_is_neither_read_nor_written(cache: Path, schema: Path) -> None:
    read, compiled = Reader(), Compiled("kind", (schema,))
    compiled.document(TEXT, read)
    cache.chmod(0o777)
    compiled.document(TEXT, read)
    compiled.document(TEXT + "#", read)
    assert (read.n, len(kept(cache))) == (3, 1)


def test_a_link_in_place_of_the_folder_is_not_followed(cache: Path, schema: Path, tmp_path: Path) -> None:
    cache.parent.mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache.symlink_to(tmp_path / "elsewhere")
    Compiled("kind", (schema,)).document(TEXT, Reader())
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_where_nothing_can_be_kept_it_is_read_all_the_same(schema: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(schema))  # a file: no folder can be made in it
    assert Compiled("kind", (schema,)).document(TEXT, Reader()) == DOCUMENT


@pytest.mark.parametrize("value", [{1: "a number as a name"}, float("inf"), 2**70])
def test_what_json_cannot_say_is_not_kept(cache: Path, schema: Path, value: object) -> None:
    read, compiled = Reader({"value": value}), Compiled("kind", (schema,))
    assert [compiled.document(TEXT, read) for _ in range(2)] == [{"value": value}] * 2
    assert read.n == 2


def test_an_error_is_raised_again_and_never_kept(cache: Path, schema: Path) -> None:
    def refuse() -> Document:
        raise ValueError("line 1")

    for _ in range(2):
        with pytest.raises(ValueError, match="line 1"):
            Compiled("kind", (schema,)).document(TEXT, refuse)
    assert not cache.exists()


def test_what_lay_there_for_long_goes(cache: Path, schema: Path) -> None:
    compiled = Compiled("kind", (schema,))
    compiled.document(TEXT, Reader())
    old = kept(cache)[0]
    long_ago = old.stat().st_mtime - (KEPT_DAYS + 1) * 86_400
    os.utime(old, (long_ago, long_ago))
    compiled.document(TEXT + "#", Reader())
    assert len(kept(cache)) == 1
    assert not old.exists()
