"""dbt properties of the derived models: what each column is, in both languages, and the tests on its keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from core.contract import ENTITY_CONCEPTS, Column, Contract
from orchestration.derive.entities import ENTITY_KEYS, ENTITY_NAMES, Field, fields_of
from orchestration.derive.staging import model_name, row_key

HEADER = "# Derived from the contracts by `cityrisk derive`; not edited by hand.\n"

# Columns that landing adds to every feed.
META_FIELDS = (
    Field("_batch_id", "string", "批次编号", "Batch that brought the row"),
    Field("_row", "string", "源中位置(行号、要素号或键)", "Place in the source: line, feature number or key"),
    Field("_received_at", "timestamp", "接收时间", "When this product received the row"),
    Field("_flags", "string", "处理标记(逗号分隔的原因码)", "Reason codes of what was flagged or corrected"),
    Field("_extra", "string", "合同外字段(JSON)", "Columns that the contract does not know, as JSON"),
    Field("_area_code", "string", "由坐标或代码得到的区县代码", "County by point in polygon, or by code"),
    Field("_lon", "number", "经度(WGS 84)", "Longitude of the row, WGS 84", "deg"),
    Field("_lat", "number", "纬度(WGS 84)", "Latitude of the row, WGS 84", "deg"),
    Field("landed_on", "date", "落地分区日(北京时间)", "Beijing day of the event, or of receipt for registers"),
)


def staging(contracts: Iterable[Contract]) -> dict[str, str]:
    """File name → YAML: the landing sources and one staging model per feed."""
    feeds = list(contracts)
    sources = [{"name": c.slug, "description": _both(c.name_zh, c.name_en)} for c in feeds]
    return {
        "_landing.yml": _yaml(
            {
                "sources": [
                    {
                        "name": "landing",
                        "schema": "landing",
                        "description": _both(
                            "落地文件,以台账为准", "Landed Parquet files; the ledger says which are live"
                        ),
                        "tables": sources,
                    }
                ]
            }
        ),
        "_staging.yml": _yaml({"models": [_staging_model(contract) for contract in feeds]}),
    }


def conformed() -> dict[str, str]:
    """File name → YAML: one model per entity."""
    return {"_conformed.yml": _yaml({"models": [_conformed_model(entity) for entity in ENTITY_CONCEPTS]})}


def _staging_model(contract: Contract) -> dict[str, Any]:
    return {
        "name": model_name(contract),
        "description": _both(contract.name_zh, f"{contract.name_en}: {contract.grain}"),
        "config": {"meta": {"feed_id": contract.id, "owner": contract.owner}},
        "data_tests": [_key_test(row_key(contract))],
        "columns": [*map(_contract_column, contract.landed_columns), *map(_field_column, META_FIELDS)],
    }


def _conformed_model(entity: str) -> dict[str, Any]:
    return {
        "name": f"all_{entity}",
        "description": _both(*ENTITY_NAMES[entity]),
        "config": {"meta": {"key": list(ENTITY_KEYS[entity])}},
        "columns": [_field_column(field) for field in fields_of(entity)],
    }


def _key_test(key: Sequence[str]) -> dict[str, Any]:
    return {"key_holds": {"arguments": {"key": list(key)}}}


def _contract_column(column: Column) -> dict[str, Any]:
    return _column(column.landed_name, column.label_zh, column.description_en, column.unit, column.sensitivity)


def _field_column(field: Field) -> dict[str, Any]:
    return _column(field.name, field.zh, field.en, field.unit, field.sensitivity)


def _column(name: str, zh: str, en: str, unit: str | None, sensitivity: str) -> dict[str, Any]:
    meta = {"zh": zh, "en": en, "unit": unit or "", "sensitivity": sensitivity}
    return {"name": name, "description": _both(zh, en), "config": {"meta": meta}}


def _both(zh: str, en: str) -> str:
    return f"{zh} · {en}"


def _yaml(document: dict[str, Any]) -> str:
    return HEADER + yaml.safe_dump({"version": 2, **document}, allow_unicode=True, sort_keys=False, width=120)
