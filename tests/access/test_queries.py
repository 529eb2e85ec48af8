"""Who reads more than a page shows leaves a row: who, when, what, and how much."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from access.queries import ask_sql, take_out
from access.rights import Reader
from access.sandbox import SandboxError
from cli import app
from cli.shell import os_user
from core.settings import Home
from core.store import database, tables
from published import publish_city, utc

NOW = utc(2026, 11, 20, 8)
ROOT = Path(__file__).resolve().parents[2]
READER = Reader("zhang", "data_engineer")


@pytest.fixture
def city_home(home: Home) -> Home:
    publish_city(home, NOW)
    return home


def audited(home: Home) -> list[tuple[str, str, str, str]]:
    action = tables.operator_action.c
    with database.opened(home.ops_url) as engine, engine.connect() as connection:
        query = sa.select(action.actor, action.action, action.target, action.reason).order_by(action.id)
        return [tuple(row) for row in connection.execute(query)]


@pytest.mark.case("security.M10")
def test_a_question_leaves_its_statement_and_rows(city_home: Home) -> None:
    text = "select * from mart.area"
    assert ask_sql(city_home, READER, text, NOW).frame.height == 14
    refused = "copy mart.area to 'x'"
    with pytest.raises(SandboxError):
        ask_sql(city_home, READER, refused, NOW)
    done, not_done = audited(city_home)
    assert done == ("zhang", "sql", text, "14 rows")
    assert not_done[:3] == ("zhang", "sql", refused)
    assert not_done[3].startswith("failed: SqlRefusedError")


@pytest.mark.case("security.M10")
def test_an_export_leaves_table_condition_file_and_rows(city_home: Home, tmp_path: Path) -> None:
    out = tmp_path / "area.csv"
    assert take_out(city_home, READER, "area", "csv", out, NOW, where="level = 'city'") == 1
    assert audited(city_home) == [("zhang", "export", f"area where level = 'city' to {out}", "1 rows")]


@pytest.mark.case("security.M10")
def test_the_row_is_there_before_anything_is_read(city_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that ends its process is known all the same."""
    seen: list[tuple[str, str, str, str]] = []

    def read(*_: object, **__: object) -> None:
        seen.extend(audited(city_home))
        raise KeyboardInterrupt

    monkeypatch.setattr("access.queries.run_sql", read)
    with pytest.raises(KeyboardInterrupt):
        ask_sql(city_home, READER, "select 1", NOW)
    assert seen == [("zhang", "sql", "select 1", "under way")]


@pytest.mark.case("security.M10")
def test_the_shell_asks_under_the_name_of_its_user(city_home: Home, tmp_path: Path) -> None:
    out = tmp_path / "area.csv"
    assert CliRunner().invoke(app, ["sql", "select 1 as n"]).exit_code == 0
    assert CliRunner().invoke(app, ["export", "area", "--out", str(out)]).exit_code == 0
    assert [row[0] for row in audited(city_home)] == [os_user(), os_user()]
    assert [row[3] for row in audited(city_home)] == ["1 rows", "14 rows"]


@pytest.mark.case("security.M10")
def test_there_is_no_other_way_out() -> None:
    """Pages offer no file and no table with a button for one; nobody else calls what knows no person."""
    offers = re.compile(r"st\.(download_button|dataframe|data_editor|table)\b")
    for path in (ROOT / "dashboards").rglob("*.py"):
        assert not offers.search(path.read_text(encoding="utf-8")), path
    for room in ("orchestration", "dashboards", "alerting"):
        for path in (ROOT / room).rglob("*.py"):
            assert not re.search(r"\brun_sql\(|\bexport\(", path.read_text(encoding="utf-8")), path
