"""What dbt read of a project serves the next process, as long as nothing changed and nothing is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

from orchestration import parsed as module
from orchestration.parsed import keep, parsed
from orchestration.project import DERIVED, PARSED, refresh


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that was read, and a process that has not read it yet."""
    (tmp_path / DERIVED).mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.sql").write_text("select 1", encoding="utf-8")
    keep(tmp_path, module._key(tmp_path), Manifest())
    monkeypatch.setattr(module, "_KEPT", {})
    return tmp_path


class Reader:
    """Counts how often dbt would have had to read."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> Manifest:
        self.n += 1
        return Manifest()


@pytest.fixture
def reader() -> Iterator[Reader]:
    return Reader()


def test_what_another_process_read_is_not_read_again(project: Path, reader: Reader) -> None:
    first, second = parsed(project, reader), parsed(project, reader)
    assert first is not None
    assert first is not second, "compiled code of one command stays out of the next"
    assert reader.n == 0


def test_a_changed_project_is_read_again(project: Path, reader: Reader) -> None:
    (project / "models" / "one.sql").write_text("select 2", encoding="utf-8")
    assert parsed(project, reader) is not None
    assert parsed(project, reader) is not None
    assert reader.n == 1


@pytest.mark.parametrize("keep_bytes", [0, 40, -1])
def test_a_damaged_file_is_not_believed(project: Path, reader: Reader, keep_bytes: int) -> None:
    path = project / DERIVED / PARSED
    path.write_bytes(path.read_bytes()[:keep_bytes])
    assert parsed(project, reader) is not None
    assert reader.n == 1


def test_a_project_that_changes_while_it_is_read_is_read_again(project: Path, reader: Reader) -> None:
    model = project / "models" / "one.sql"
    model.write_text("select 2", encoding="utf-8")

    def changing() -> Manifest:
        model.write_text("select 3", encoding="utf-8")
        return Manifest()

    assert parsed(project, changing) is not None
    assert parsed(project, reader) is not None
    assert reader.n == 1


def test_a_full_disk_costs_the_next_process_and_no_build(project: Path, reader: Reader) -> None:
    (project / "models" / "one.sql").write_text("select 2", encoding="utf-8")
    (project / DERIVED / PARSED).unlink()
    (project / DERIVED / PARSED).mkdir()  # nothing can be put in its place
    assert parsed(project, reader) is not None
    assert [path.name for path in (project / DERIVED).iterdir()] == [PARSED]


def test_a_project_that_cannot_be_read_is_not_remembered(project: Path) -> None:
    (project / DERIVED / PARSED).unlink()
    assert parsed(project, lambda: None) is None
    assert not (project / DERIVED / PARSED).exists()


def test_deriving_leaves_it_alone(tmp_path: Path) -> None:
    systems = tmp_path / "systems"
    systems.mkdir()
    refresh(tmp_path / "dbt", systems)
    (tmp_path / "dbt" / DERIVED / PARSED).write_bytes(b"x")
    assert refresh(tmp_path / "dbt", systems) == []
    assert (tmp_path / "dbt" / DERIVED / PARSED).exists()
