"""Any one folder of systems can be taken away, and a foreign one added, and everything else is derived and holds."""

from __future__ import annotations

import csv
import io
import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from alerting.notify.channels.channel_config import load_channel_config
from alerting.policy.notification_policies import load_notification_policies
from alerting.rules import load_rules
from core.system import SYSTEMS_ROOT, System, load_systems
from foreign_system import write_foreign_system
from orchestration.derive import project_texts, rules
from orchestration.derive.index import index_of, signals_of
from orchestration.derive.signs import signs_of
from orchestration.project import PROJECT, seed_folders
from orchestration.system_check import check_folders

SYSTEMS = load_systems()
HAND_WRITTEN = [folder for folder in seed_folders(PROJECT) if folder.is_relative_to(PROJECT / "seeds")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of systems of one's own."""
    shutil.copytree(SYSTEMS_ROOT, tmp_path / "systems")
    return tmp_path / "systems"


def table(texts: dict[str, str], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(texts[f"seeds/{name}.csv"])))


def confirm_alerting_reads(texts: dict[str, str], folder: Path) -> None:
    """Rules, duty desk and channels load from what is derived and the tables of the house."""
    folder.mkdir()
    for name, text in texts.items():
        if name.startswith("seeds/"):
            (folder / Path(name).name).write_text(text, encoding="utf-8")
    for given in HAND_WRITTEN:
        for path in given.glob("*.csv"):
            shutil.copy(path, folder)
    load_rules(folder)
    load_notification_policies(folder)
    load_channel_config(folder)


def names_of(system: System) -> set[str]:
    """Ids of rules, signals and signs that only this system's folder says."""
    rule_rows = csv.DictReader(io.StringIO(rules.tables([system])["alert_rules.csv"]))
    return {
        *(row["rule_id"] for row in rule_rows),
        *signs_of(system),
        *(code for _, code, _ in signals_of(index_of(system))),
    }


@pytest.mark.parametrize("taken", sorted(SYSTEMS), ids=lambda id: SYSTEMS[id].folder.name)
def test_any_folder_can_go(root: Path, tmp_path: Path, taken: str) -> None:
    system = SYSTEMS[taken]
    assert system.folder is not None
    shutil.rmtree(root / system.folder.relative_to(SYSTEMS_ROOT))
    assert check_folders(root) == ([], len(SYSTEMS) - 1)
    texts = project_texts(root, is_strict=True)
    confirm_alerting_reads(texts, tmp_path / "tables")
    rows = [row for name in texts if name.startswith("seeds/") for row in table(texts, name[6:-4])]
    assert {cell for row in rows for cell in row.values()} & names_of(system) == set()
    if all(one.subdomain != system.subdomain for one in load_systems(root).values()):  # fire has two folders
        kinds = {row.get(column) for row in rows for column in ("subdomain", "risk_type", "factor")}
        assert system.subdomain not in kinds
        matchers = [row[side] for row in table(texts, "alerting/inhibitions") for side in row if "matchers" in side]
        assert not any(f"subdomain={system.subdomain}" in one.split(";") for one in matchers)
    shares: dict[tuple[str, str], float] = defaultdict(float)  # of each version of the method and domain
    for row in table(texts, "risk_factor_weights"):
        if row["level"] == "subdomain":
            shares[row["method_version"], row["parent"]] += float(row["weight"])
    assert shares == pytest.approx(dict.fromkeys(shares, 1.0))


def test_a_foreign_folder_needs_no_other_file(root: Path, tmp_path: Path) -> None:
    write_foreign_system(root)
    assert check_folders(root) == ([], len(SYSTEMS) + 1)
    texts = project_texts(root, is_strict=True)
    confirm_alerting_reads(texts, tmp_path / "tables")
    weights = {
        row["factor"]: row["weight"] for row in table(texts, "risk_factor_weights") if row["parent"] == "work_safety"
    }
    assert {name: float(weight) for name, weight in weights.items()} == {
        "probe": pytest.approx(1 / 3),
        "major_hazard": pytest.approx(0.4),
        "tailings": pytest.approx(0.8 / 3),
    }
    policies = load_notification_policies(tmp_path / "tables")
    duties = {
        row["role"]: row["organisation_id"]
        for row in table(texts, "responsibilities")
        if (row["area_code"], row["risk_type"]) == ("420500", "probe")
    }
    assert duties == {
        "lead": "420500:safety_committee",
        "responsible": "420500:probing",
        "build": "420500:data",
        "monitor": "420500:probing",
        "command": "420500:emergency",
        "dispose": "420500:probing",
    }
    assert policies.guides.of("work_safety", "probe", "red").measures_zh == "撤离"
    assert [row["device_type"] for row in table(texts, "device_kinds") if row["feed_id"] == "probing.probe_device"] == [
        "probe_sensor"
    ]
