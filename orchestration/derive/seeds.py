"""Seeds that the folders of systems imply: systems, feeds, kinds of risk with their owners, metrics, columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from core.catalogue import load_contract, owners_of
from core.contract import Contract
from core.declarations import read_declaration
from core.system import System
from orchestration.derive.staging import model_name

FEEDS = (
    "feed_id",
    "department_code",
    "department_zh",
    "name_zh",
    "name_en",
    "domain",
    "subdomain",
    "owner",
    "steward",
    "cadence_s",
    "late_after_s",
    "silent_after_s",
    "retention_d",
    "snapshot",
    "closes_from_share",
    "raw_feed",
    "may_be_quiet",
    "version",
    "entities",
)
KINDS = ("domain", "subdomain", "department_code")
METRICS = ("metric", "unit", "name_zh", "name_en")
FEED_COLUMNS = (
    "feed_id",
    "table_name",
    "column_name",
    "label_zh",
    "description_en",
    "unit",
    "sensitivity",
    "concept",
)
SYSTEMS = ("system_id", "domain", "subdomain", "department_code", "name_zh", "name_en")
SYSTEM_MEMBERS = ("system_id", "kind", "member_id")


def system_tables(systems: Iterable[System]) -> dict[str, str]:
    """File name → CSV text: the systems, and which feeds, kinds of objects and rules are of which."""
    known = list(systems)
    members = [(system.id, *member) for system in known for member in _members(system)]
    rows = [(s.id, s.domain, s.subdomain, s.owner, s.name_zh, s.name_en) for s in known]
    return {"systems.csv": _csv(SYSTEMS, rows), "system_members.csv": _csv(SYSTEM_MEMBERS, members)}


def _members(system: System) -> Iterator[tuple[str, str]]:
    contracts = (load_contract(path, is_strict=False) for path in system.contract_paths)
    feeds = [contract for contract in contracts if not contract.is_draft]
    yield from (("feed", feed.id) for feed in feeds)
    yield from (("object_type", kind) for kind in sorted({feed.object_type for feed in feeds if feed.object_type}))
    if system.folder is not None and (system.folder / "rules.yaml").is_file():
        yield from (("rule", id) for id in read_declaration(system.folder / "rules.yaml", "rules")["rules"])


def tables(contracts: Iterable[Contract]) -> dict[str, str]:
    """File name → CSV text."""
    feeds = list(contracts)
    return {
        "feeds.csv": _csv(FEEDS, [_feed(contract) for contract in feeds]),
        "kinds.csv": _csv(KINDS, [(*kind, owner) for kind, owner in owners_of(feeds).items()]),
        "metrics.csv": _csv(METRICS, list(_metrics(feeds).values())),
        "feed_columns.csv": _csv(FEED_COLUMNS, [row for contract in feeds for row in _columns(contract)]),
    }


def _feed(contract: Contract) -> Sequence[object]:
    return (
        contract.id,
        contract.department_code,
        contract.department_zh,
        contract.name_zh,
        contract.name_en,
        contract.domain,
        contract.subdomain,
        contract.owner,
        contract.steward,
        int(contract.cadence.total_seconds()),
        int(contract.late_after.total_seconds()),
        int(contract.silent_after.total_seconds()),
        contract.retention.days,
        contract.snapshot,
        contract.closes_from_share,
        contract.raw_feed,
        str(contract.may_be_quiet).lower(),
        contract.version,
        ";".join(contract.entities),
    )


def _metrics(contracts: Iterable[Contract]) -> Mapping[str, Sequence[object]]:
    """Metric → row. The same quantity of two feeds has the same name and unit; the first one names it."""
    rows: dict[str, Sequence[object]] = {}
    for contract in contracts:
        for column in contract.columns:
            if column.is_metric:
                rows.setdefault(column.name, (column.name, column.unit or "1", column.label_zh, column.description_en))
    return dict(sorted(rows.items()))


def _columns(contract: Contract) -> Iterable[Sequence[object]]:
    for column in contract.landed_columns:
        yield (
            contract.id,
            model_name(contract),
            column.landed_name,
            column.label_zh,
            column.description_en,
            column.unit or "",
            column.sensitivity,
            column.concept or "",
        )


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
