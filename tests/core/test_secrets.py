"""Keys of a new home."""

import stat
from pathlib import Path

from core.secrets import add_stream_secrets, create_secrets
from core.settings import ARCHIVE_KEY, HASH_KEY, NATS_PASSWORD, SECRET_NAMES, STREAM_KEY, open_home


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
    create_secrets(tmp_path / "other", dict.fromkeys(SECRET_NAMES, "given"))
    assert not (tmp_path / "other").exists()


def test_an_older_home_gets_what_the_stream_needs(tmp_path: Path) -> None:
    old = f"{ARCHIVE_KEY}=kept\n{HASH_KEY}=kept"
    (tmp_path / "secrets.env").write_text(old, encoding="ascii")
    add_stream_secrets(tmp_path, ["gas"], {NATS_PASSWORD: "given"})
    lines = (tmp_path / "secrets.env").read_text("ascii").splitlines()
    assert lines[:2] == old.splitlines()
    assert [line.partition("=")[0] for line in lines[2:]] == [STREAM_KEY, f"{NATS_PASSWORD}_GAS"]
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600
    add_stream_secrets(tmp_path, ["gas"], {NATS_PASSWORD: "given"})
    assert (tmp_path / "secrets.env").read_text("ascii").splitlines() == lines


def test_departments_get_a_password_each(tmp_path: Path) -> None:
    create_secrets(tmp_path, departments=["gas", "water"])
    home = open_home({}, tmp_path)
    names = [NATS_PASSWORD, f"{NATS_PASSWORD}_GAS", f"{NATS_PASSWORD}_WATER"]
    assert len({home.secret(name) for name in names}) == 3
