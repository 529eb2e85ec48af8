"""Drop folders: what is new, what changed, what cannot be read."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from departments import Drop, at, take
from fsspec.implementations.local import LocalFileSystem

from core.settings import Home
from ingest.connect import ConnectError


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


def test_changed_file_comes_again_and_others_are_not_opened(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.add([("a", at(1)), ("b", at(2)), ("c", at(3))])
    _, cursor = take(drop)
    (drop.folder / "b.csv").write_text("b changed", encoding="utf-8")
    opened: list[str] = []
    read = LocalFileSystem.cat_file

    def watched(self: Any, path: str, **options: Any) -> bytes:
        opened.append(Path(path).name)
        return bytes(read(self, path, **options))

    monkeypatch.setattr(LocalFileSystem, "cat_file", watched)
    ids, cursor = take(drop, cursor)
    assert ids == ["b", "changed"]
    assert opened == ["b.csv"]
    assert take(drop, cursor)[0] == []


def test_oldest_change_first_then_name(drop: Drop) -> None:
    drop.add([("z", at(1)), ("b", at(5)), ("a", at(5)), ("m", at(3))])
    assert take(drop)[0] == ["z", "m", "a", "b"]


def test_cursor_names_what_was_seen_and_forgets_what_is_gone(drop: Drop) -> None:
    drop.add([("a", at(1)), ("b", at(2))])
    _, cursor = take(drop)
    assert list(json.loads(cursor or "")) == ["a.csv", "b.csv"]
    size, changed_ns, sha8 = json.loads(cursor or "")["a.csv"].split(":")
    assert (size, len(sha8)) == ("1", 8)
    assert int(changed_ns) == (drop.folder / "a.csv").stat().st_mtime_ns
    (drop.folder / "a.csv").unlink()
    drop.add([("c", at(3))])
    _, cursor = take(drop, cursor)
    assert list(json.loads(cursor or "")) == ["b.csv", "c.csv"]


def test_other_names_and_folders_are_left(drop: Drop) -> None:
    drop.add([("a", at(1))])
    (drop.folder / "a.csv.tmp").write_text("half", encoding="utf-8")
    (drop.folder / "folder.csv").mkdir()
    assert take(drop)[0] == ["a"]


def test_file_that_grows_while_it_is_read_waits(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.add([("a", at(1)), ("b", at(2))])
    read = LocalFileSystem.cat_file

    def growing(self: Any, path: str, **options: Any) -> bytes:
        body = bytes(read(self, path, **options))
        if path.endswith("a.csv"):
            with Path(path).open("ab") as file:
                file.write(b" more")
        return body

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "cat_file", growing)
        ids, cursor = take(drop)
    assert ids == ["b"]
    assert take(drop, cursor)[0] == ["a", "more"]


def test_one_unreadable_file_does_not_keep_the_others_back(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.add([("a", at(1)), ("b", at(2)), ("c", at(3))])
    read = LocalFileSystem.cat_file

    def refused(self: Any, path: str, **options: Any) -> bytes:
        if path.endswith("b.csv"):
            raise PermissionError(13, "Permission denied")
        return bytes(read(self, path, **options))

    ids: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "cat_file", refused)
        payloads = drop.pull()
        for payload in islice(payloads, 2):
            ids += drop.ids(payload)
            cursor = payload.cursor
        with pytest.raises(ConnectError, match=r"1 of 3 files.*b\.csv \(Permission denied\)"):
            next(payloads)
    assert ids == ["a", "c"]
    assert take(drop, cursor)[0] == ["b"]


def test_file_taken_away_between_listing_and_reading(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.add([("a", at(1)), ("b", at(2))])
    payloads = drop.pull()
    next(payloads)
    (drop.folder / "b.csv").unlink()
    assert list(payloads) == []


def test_address_without_a_driver(drop: Drop) -> None:
    drop.home = Home(drop.home.root, {"SAMPLE_DROP": "s3://bucket/folder"})
    with pytest.raises(ConnectError, match=r"install the fsspec driver"):
        list(drop.pull())


@pytest.mark.case("security.held.H6")
@pytest.mark.timeout(20)  # who opens the FIFO waits for ever
def test_links_and_fifos_in_a_drop_are_not_opened(drop: Drop, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="utf-8")
    (drop.folder / "link.csv").symlink_to(secret)
    (drop.folder / "gone.csv").symlink_to(tmp_path / "nothing")
    os.mkfifo(drop.folder / "fifo.csv")
    drop.add([("a", at(1))])
    assert take(drop)[0] == ["a"]
