"""What the folders of systems imply is what is built and committed, and whatever happens to it is noticed."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from core.catalogue import contract_path, load_contracts
from core.contract import ENTITY_CONCEPTS, Contract, ContractError
from core.settings import Home
from orchestration.derive import contract_texts, document_texts
from orchestration.derive.entities import fields_of
from orchestration.derive.pages import pages, reasons_of
from orchestration.project import DERIVED, PROJECT, open_project, project_of, refresh, stale, write_derived

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return load_contracts()


def test_committed_files_are_current() -> None:
    assert stale(ROOT) == [], "run `cityrisk derive` and commit what it writes"


def test_every_feed_has_its_files(contracts: dict[str, Contract]) -> None:
    names = {*contract_texts(contracts), *document_texts(ROOT / "systems")}
    for contract in contracts.values():
        assert f"models/staging/stg_{contract.slug}.sql" in names
        assert f"docs/feeds/{contract.id}.md" in names
    assert {f"models/conformed/all_{entity}.sql" for entity in ENTITY_CONCEPTS} <= names


def test_changed_missing_and_leftover_pages_are_stale(tmp_path: Path) -> None:
    _copy_contracts(tmp_path)
    assert len(write_derived(tmp_path)) > 80
    assert stale(tmp_path) == []
    folder = tmp_path / "docs/feeds"
    changed, missing, leftover = (folder / f"fire.{name}.md" for name in ("unit", "inspection", "gone"))
    changed.write_text("by hand\n", "utf-8")
    missing.unlink()
    leftover.write_text("of a contract that is gone\n", "utf-8")
    assert stale(tmp_path) == sorted([changed, missing, leftover])
    assert write_derived(tmp_path) == sorted([changed, missing, leftover])
    assert stale(tmp_path) == []


def test_a_build_folder_mends_itself(tmp_path: Path) -> None:
    """By the next build, whatever somebody did in it; and what is as it must be is not written again."""
    project, systems = tmp_path / "dbt_project", ROOT / "systems"
    refresh(project, systems)
    folder = project / DERIVED / "models/staging"
    changed, missing, leftover = (
        folder / f"stg_{name}.sql" for name in ("fire__unit", "fire__inspection", "fire__gone")
    )
    changed.write_text("-- by hand\n", "utf-8")
    missing.unlink()
    leftover.write_text("-- of a contract that is gone\n", "utf-8")
    assert refresh(project, systems) == sorted([changed, missing, leftover])
    assert refresh(project, systems) == []
    assert not leftover.exists()


def test_a_changed_folder_of_a_system_is_taken_up(tmp_path: Path) -> None:
    _copy_contracts(tmp_path)
    refresh(tmp_path / "dbt_project", tmp_path / "systems")
    path = tmp_path / "systems/lifeline/gas/rules.yaml"
    path.write_text(path.read_text("utf-8").replace("可燃气体浓度", "燃气浓度"), "utf-8")
    (written,) = refresh(tmp_path / "dbt_project", tmp_path / "systems")
    assert written.name == "alert_rules.csv"
    assert "燃气浓度" in written.read_text("utf-8")


def test_a_checkout_builds_in_place_and_other_systems_under_the_home(tmp_path: Path) -> None:
    assert project_of(Home(tmp_path / "var", {})) == PROJECT
    _copy_contracts(tmp_path)
    shutil.rmtree(tmp_path / "systems/lifeline/gas")
    home = Home(tmp_path / "var", {"CITYRISK_SYSTEMS": str(tmp_path / "systems")})
    with open_project(home) as project:
        assert project == home.build / "project"
        names = {str(path.relative_to(project)) for path in project.rglob("*.*ml")}
        assert {
            "dbt_project.yml",
            "profiles.yml",
            "models/mart/_mart.yml",
            ".build/models/staging/_staging.yml",
        } <= names
        staged = (project / ".build/models/staging/_staging.yml").read_text("utf-8")
        assert "stg_urban__gas_reading" not in staged
        assert "stg_urban__tunnel_reading" in staged
    (project / "macros/names.sql").write_text("-- by hand\n", "utf-8")
    assert project_of(home) == project
    assert (project / "macros/names.sql").read_bytes() == (PROJECT / "macros/names.sql").read_bytes()


def test_an_installed_copy_composes_its_project_under_the_home(tmp_path: Path) -> None:
    """The wheel has no derived file; what it needs is made beside the home's other builds."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        assert not [name for name in packed.namelist() if f"/{DERIVED}/" in name]
        packed.extractall(tmp_path / "site")
    home = tmp_path / "home"
    derived = subprocess.run(
        [sys.executable, "-c", "from cli import app; app()", "derive"],
        cwd=tmp_path,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "CITYRISK_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert derived.returncode == 0, derived.stderr
    assert str(home / "build/project") in derived.stdout
    assert (home / "build/project/.build/models/conformed/all_object.sql").is_file()
    assert (home / "build/project/models/mart/risk_index.sql").is_file()
    assert not list((tmp_path / "site").rglob(DERIVED))


def test_two_processes_at_once_leave_one_whole_build_folder(tmp_path: Path) -> None:
    project, systems = tmp_path / "dbt_project", ROOT / "systems"
    command = [
        sys.executable,
        "-c",
        (
            "import sys; from pathlib import Path; from orchestration.project import refresh; "
            "print(len(refresh(Path(sys.argv[1]), Path(sys.argv[2]))))"
        ),
        str(project),
        str(systems),
    ]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(int(process.communicate(timeout=60)[0]) for process in both)
    assert said[0] == 0
    assert said[1] > 40
    assert refresh(project, systems) == []


def test_nobody_writes_a_build_folder_that_is_read(tmp_path: Path) -> None:
    project = tmp_path / "dbt_project"
    with open_project(Home(tmp_path, {}), project), (project / DERIVED / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # a second reader may
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_derived_files_fit_a_head(contracts: dict[str, Contract]) -> None:
    lengths = {name: text.count("\n") for name, text in contract_texts(contracts).items() if name.endswith(".sql")}
    assert {name: length for name, length in lengths.items() if length >= 500} == {}


def test_personal_columns_stay_out_of_attributes_and_pages_say_so(contracts: dict[str, Contract]) -> None:
    texts = contract_texts(contracts)
    conformed = {name: text for name, text in texts.items() if "conformed" in name and name.endswith(".sql")}
    documents = pages(contracts.values())
    for contract in contracts.values():
        personal = [column for column in contract.landed_columns if column.is_personal and column.concept is None]
        for column in personal:
            assert not any(column.landed_name in text for text in conformed.values()), column.landed_name
        page = documents[f"{contract.id}.md"]
        assert page.count(", hashed |") == sum(column.mask == "hash" for column in contract.columns)


def test_every_derived_column_is_described_in_both_languages(contracts: dict[str, Contract]) -> None:
    texts = contract_texts(contracts)
    documents = [
        yaml.safe_load(text) for name, text in texts.items() if name.endswith(("_staging.yml", "_conformed.yml"))
    ]
    models = [model for document in documents for model in document["models"]]
    assert len(models) == len(contracts) + len(ENTITY_CONCEPTS)
    for model in models:
        for column in model["columns"]:
            meta = column["config"]["meta"]
            assert meta["zh"], (model["name"], column["name"])
            assert meta["en"], (model["name"], column["name"])
            assert {"unit", "sensitivity"} <= meta.keys()


def test_seeds_hold_each_feed_metric_and_column_once(contracts: dict[str, Contract]) -> None:
    texts = {Path(name).name: text for name, text in contract_texts(contracts).items() if name.endswith(".csv")}
    rows = {name: list(csv.DictReader(io.StringIO(text))) for name, text in texts.items()}
    assert [row["feed_id"] for row in rows["feeds.csv"]] == list(contracts)
    metrics = [row["metric"] for row in rows["metrics.csv"]]
    assert metrics == sorted(set(metrics))
    assert set(metrics) == {c.name for contract in contracts.values() for c in contract.columns if c.is_metric}
    assert {(row["domain"], row["subdomain"]) for row in rows["kinds.csv"]} == {
        (contract.domain, contract.subdomain) for contract in contracts.values()
    }
    landed = sum(len(contract.landed_columns) for contract in contracts.values())
    assert len({(row["feed_id"], row["column_name"]) for row in rows["feed_columns.csv"]}) == landed


@pytest.mark.parametrize("entity", ENTITY_CONCEPTS)
def test_branches_of_an_entity_have_the_same_columns(entity: str, contracts: dict[str, Contract]) -> None:
    """A union goes by place: every branch gives the entity's columns, in the entity's order."""
    text = contract_texts(contracts)[f"models/conformed/all_{entity}.sql"]
    fed = sum(entity in contract.entities for contract in contracts.values())
    assert text.count("union all\n") == fed - 1
    assert len({field.name for field in fields_of(entity)}) == len(fields_of(entity))


def test_reasons_follow_from_the_contract(contracts: dict[str, Contract]) -> None:
    assert "unit_mismatch" in reasons_of(contracts["emergency.tailings_reading"])
    assert "empty_file" not in reasons_of(contracts["weather.observation"])
    assert "late" not in reasons_of(contracts["fire.unit"])


def test_a_reserved_word_is_refused(contracts: dict[str, Contract]) -> None:
    feed = contracts["weather.station"]
    bad = replace(feed, columns=(*feed.columns, replace(feed.columns[-1], name="order")))
    with pytest.raises(ContractError, match=r"weather\.station: column 'order' is a reserved word"):
        contract_texts({feed.id: bad})


def _copy_contracts(root: Path) -> None:
    shutil.copytree(ROOT / "systems", root / "systems")


@pytest.mark.case("engineer.7")
def test_the_sql_of_a_wide_new_feed_passes_the_lint(tmp_path: Path) -> None:
    """Long names and many of them: every derived statement keeps the style that `make check` asks for."""
    _copy_contracts(tmp_path)
    more = [f"a_column_that_a_department_named_in_whole_words_{n}" for n in range(12)]
    for source, feed_id in (("fire.inspection", "bridge.inspection"), ("urban.gas_reading", "bridge.strain")):
        document = yaml.safe_load(contract_path(source).read_text("utf-8"))
        document |= {"id": feed_id, "name": feed_id}
        schema = document["schema"][0]
        schema["quality"] = [rule for rule in schema["quality"] if rule["id"] == "unique_key"]
        is_metric = [{"property": "unit", "value": "mm"}, {"property": "metric", "value": True}]
        schema["properties"] += [
            {
                "name": name,
                "physicalName": name,
                "businessName": "列",
                "description": name,
                "logicalType": "number",
                "classification": "internal",
                **({"customProperties": is_metric} if "gas" in source else {}),
            }
            for name in more
        ]
        path = tmp_path / f"systems/lifeline/gas/feeds/{feed_id.partition('.')[2]}.odcs.yaml"
        path.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    texts = contract_texts(load_contracts(tmp_path / "systems"))
    derived = {Path(name).name: text for name, text in texts.items() if name.endswith(".sql")}
    assert not [(name, line) for name, text in derived.items() for line in text.splitlines() if len(line) > 200]
    folder = tmp_path / "linted"
    folder.mkdir()
    for name in ("stg_bridge__inspection.sql", "stg_bridge__strain.sql", "all_inspection.sql"):
        (folder / name).write_text(derived[name], "utf-8")
    linted = subprocess.run(
        [
            Path(sys.executable).with_name("sqlfluff"),
            "lint",
            "--disable-progress-bar",
            "--config",
            ROOT / ".sqlfluff",
            folder,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert linted.returncode == 0, linted.stdout
