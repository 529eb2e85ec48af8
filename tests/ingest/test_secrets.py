"""Keys of a new home."""

import stat
from pathlib import Path

from ingest.secrets import create_secrets
from ingest.settings import ARCHIVE_KEY, HASH_KEY, open_home


def test_fresh_keys_for_the_owner_only(tmp_path: Path) -> None:
    create_secrets(tmp_path / "var")
    home = open_home({}, tmp_path / "var")
    assert len({home.secret(ARCHIVE_KEY), home.secret(HASH_KEY)}) == 2
    assert stat.S_IMODE((home.root / "secrets.env").stat().st_mode) == 0o600
    assert [path.name for path in home.root.iterdir()] == ["secrets.env"]


def test_never_overwrites(tmp_path: Path) -> None:
    create_secrets(tmp_path)
    before = (tmp_path / "secrets.env").read_text("ascii")
    create_secrets(tmp_path)
    assert (tmp_path / "secrets.env").read_text("ascii") == before
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.env"]


def test_given_keys_are_not_doubled(tmp_path: Path) -> None:
    create_secrets(tmp_path, {ARCHIVE_KEY: "given"})
    text = (tmp_path / "secrets.env").read_text("ascii")
    assert HASH_KEY in text
    assert ARCHIVE_KEY not in text
    create_secrets(tmp_path / "other", {ARCHIVE_KEY: "given", HASH_KEY: "given"})
    assert not (tmp_path / "other").exists()
