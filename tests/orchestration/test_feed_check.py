"""`cityrisk feed check` looks the contract over; a draft is looked at, never derived."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from core.catalogue import contract_path, load_contracts
from core.settings import Home
from core.system import SYSTEMS_ROOT
from orchestration.derive import contract_texts


@pytest.fixture
def contracts(tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of contracts of one's own."""
    root = tmp_path / "contracts"
    shutil.copytree(SYSTEMS_ROOT, root)
    monkeypatch.setenv("CITYRISK_SYSTEMS", str(root))
    return root


def check(feed_id: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["feed", "check", feed_id])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


def edit(root: Path, *changes: tuple[str, str]) -> None:
    path = contract_path("weather.station", root)
    text = path.read_text("utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    path.write_text(text, encoding="utf-8")


@pytest.mark.case("engineer.11")
def test_a_contract_in_order_passes(contracts: Path) -> None:
    code, text = check("weather.station")
    assert code == 0, text
    assert "CITYRISK_WEATHER_URL is not set" in text


@pytest.mark.case("engineer.11")
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("name: 气象局", "name: 气象局  # CHECK: is this its name?", "is this its name?"),
        ("role: owner", "role: reader", "no owner"),
        ("kind: DataContract", "kind: DataContract\nslaDefaultElement: x", "slaDefaultElement is not used"),
        ("{property: concept, value: device_id}", "{property: mask, value: none}", "concept device_id"),
        ("businessName: 站名", "businessName: 联系人", "speaks of a person"),
        ("minimum: -200, maximum: 6000", "minimum: 6000, maximum: -200", "not below"),
    ],
)
def test_what_is_open_is_named(contracts: Path, before: str, after: str, said: str) -> None:
    edit(contracts, (before, after))
    code, text = check("weather.station")
    assert code == 1
    assert said in text


@pytest.mark.case("engineer.11")
def test_a_draft_is_checked_and_not_derived(contracts: Path) -> None:
    edit(contracts, ("status: active", "status: draft"))
    code, text = check("weather.station")
    assert code == 0, text
    assert "weather.station" not in load_contracts(contracts)
    assert "weather.station" in load_contracts(contracts, with_drafts=True)
    made = {Path(name).name for name in contract_texts(load_contracts(contracts))}
    assert "stg_weather__station.sql" not in made
    assert "stg_weather__observation.sql" in made


def test_every_contract_of_the_product_is_in_order(contracts: Path) -> None:
    from ingest.lint import look_over

    loaded = load_contracts(contracts)
    errors = [
        (feed, finding.found)
        for feed, contract in loaded.items()
        for finding in look_over(contract, contract_path(feed, contracts).read_text("utf-8"), loaded, ())
        if finding.severity == "error"
    ]
    assert errors == []
