"""An element of a contract is used or refused, never ignored."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from core.catalogue import contract_path, load_contract, load_contracts
from core.contract import ContractError, parse_contract
from core.elements import WORDS, unused
from core.geo import to_wgs84
from core.system import SYSTEMS_ROOT

FEEDS = {
    "sql": "fire.unit",
    "api": "weather.station",
    "csv": "urban.gas_device",
    "xlsx": "market.elevator",
    "gpkg": "urban.pipe",
    "mqtt": "urban.gas_reading",
    "framed": "housing.dust_reading",
}
Path_ = tuple[str | int, ...]


def document(kind: str) -> Any:
    return yaml.safe_load(contract_path(FEEDS[kind]).read_text("utf-8"))


def custom(element: Any, name: str, value: Any = 1) -> None:
    element.setdefault("customProperties", []).append({"property": name, "value": value})


@pytest.mark.parametrize("kind", FEEDS)
def test_contracts_in_use_hold_nothing_unused(kind: str) -> None:
    assert list(unused(document(kind))) == []


@pytest.mark.case("ingest.D5")
@pytest.mark.parametrize(
    ("kind", "where", "name", "value", "said"),
    [
        ("api", "document", "driftmode", "evolve", "did you mean driftMode"),
        ("api", "schema", "cursorfield", "x", "property cursorfield is not used"),
        ("api", "schema", "overlap", "1 h", "property overlap is not used"),  # without a cursor
        ("csv", "schema", "cursorField", "x", "property cursorField is not used"),  # files have a list of their own
        ("csv", "schema", "explode", "x", "property explode is not used"),
        ("csv", "server", "headerRows", 2, "property headerRows is not used"),
        ("csv", "server", "encodings", "gbk", "did you mean encoding"),
        ("xlsx", "server", "layer", "x", "property layer is not used"),
        ("gpkg", "server", "encoding", "gbk", "property encoding is not used"),
        ("sql", "server", "where", "state = 1", "property where is not used"),
        ("sql", "server", "pageSize", 10, "property pageSize is not used"),
        ("api", "server", "urlEnv", "X", "property urlEnv is not used"),
        ("mqtt", "server", "lenient", ["x"], "property lenient is not used"),
        ("framed", "server", "unwrap", "x", "property unwrap is not used"),
        ("framed", "server", "topic", "a/b", "property topic is not used"),
        ("api", "column", "sourceFormats", ["%Y"], "property sourceFormats is not used"),  # the first column is text
        ("api", "column", "unit", "m", "property unit is not used"),
        ("api", "column", "maskk", "hash", "did you mean mask"),
        ("api", "column", "mask", "hashed", "mask 'hashed' is not known"),
        ("api", "column", "codeList", "streets", "codeList 'streets' is not known"),
        ("api", "column", "checkDigit", "luhn", "checkDigit 'luhn' is not known"),
        ("api", "column", "concept", "object_id", "stands there 2 times"),
    ],
)
def test_a_property_that_nothing_uses_is_refused(kind: str, where: str, name: str, value: Any, said: str) -> None:
    changed = document(kind)
    element = {
        "document": changed,
        "schema": changed["schema"][0],
        "server": changed["servers"][0],
        "column": changed["schema"][0]["properties"][0],
    }[where]
    custom(element, name, value)
    with pytest.raises(ContractError, match=said):
        parse_contract(changed, "feed.odcs.yaml")


@pytest.mark.case("ingest.D5")
@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("slaDefaultElement",), "x", "slaDefaultElement is not used"),
        (("schema", 0, "properties", 0, "unique"), True, "unique is not used"),
        (("schema", 0, "properties", 0, "quality"), [], "quality is not used"),
        (("schema", 0, "properties", 0, "logicalTypeOptions"), {"maxLength": 5}, "maxLength is not used"),
        (("schema", 0, "properties", 0, "classification"), "Personal", "classification 'Personal' is not known"),
        (("schema", 0, "properties", 1, "primaryKey"), True, "primaryKeyPosition stand together"),
        (("schema", 0, "quality", 0, "schedule"), "0 0 * * *", "schedule is not used"),
        (("servers", 0, "endpointUrl"), "x", "endpointUrl is not used"),
        (("servers", 0, "format"), "xml", "format 'xml' is not read here"),
        (("slaProperties", 0, "valueExt"), 2, "valueExt is not used"),
        (("slaProperties", 0, "property"), "latency", "latency is not used"),
    ],
)
def test_a_standard_element_that_nothing_uses_is_refused(path: Path_, value: Any, said: str) -> None:
    changed = deepcopy(document("xlsx"))
    element = changed
    for part in path[:-1]:
        element = element[part]
    element[path[-1]] = value
    with pytest.raises(ContractError, match=said):
        parse_contract(changed, "feed.odcs.yaml")


@pytest.mark.case("ingest.D5")
def test_every_way_in_refuses_it(tmp_path: Path) -> None:
    text = contract_path("market.elevator").read_text("utf-8")
    path = tmp_path / "elevator.odcs.yaml"
    path.write_text(text.replace("property: headerRows", "property: headRows"), encoding="utf-8")
    with pytest.raises(ContractError, match=r"elevator.odcs.yaml: .*headRows is not used; did you mean headerRows"):
        load_contract(path)


def test_one_file_stops_no_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, before, after in (
        ("lifeline/elevator/feeds/elevator", "property: headerRows", "property: headRows"),
        ("natural_hazard/weather/feeds/station", "status: active", "status: draft\nold: element"),
    ):
        text = (SYSTEMS_ROOT / f"{name}.odcs.yaml").read_text("utf-8")
        assert before in text
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / f"{name}.odcs.yaml").write_text(text.replace(before, after), encoding="utf-8")
    contracts = load_contracts(tmp_path)
    assert list(contracts) == ["market.elevator"]
    (said,) = contracts["market.elevator"].unused
    assert "headRows is not used" in said
    assert "elevator/feeds/elevator.odcs.yaml" in caplog.text
    with pytest.raises(ContractError, match="headRows is not used"):
        load_contracts(tmp_path, is_strict=True)
    with pytest.raises(ContractError, match="'old' was unexpected"):
        load_contracts(tmp_path, with_drafts=True)


def test_datum_words_are_those_that_places_know() -> None:
    for datum in WORDS["datum"]:
        to_wgs84(np.array([111.0]), np.array([30.0]), datum)
