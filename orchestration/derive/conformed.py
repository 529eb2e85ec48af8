"""One conformed view per entity: the union of what all feeds say about it, under the entity's own columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.contract import ENTITY_CONCEPTS, Column, Contract
from orchestration.derive.entities import ENTITY_KEYS, ENTITY_NAMES, FIELDS, GLOBAL_IDS, PLACED, Field, fields_of
from orchestration.derive.rendering import render
from orchestration.derive.staging import landed_key, model_name


@dataclass(frozen=True, slots=True)
class Branch:
    """One feed's part of an entity: what it reads, and how it gives those of the entity's columns that it gives."""

    contract: Contract
    staging: str
    relation: str
    given: tuple[str, ...]  # `'name': expression` of Jinja
    is_whole_batch: bool  # children of a full snapshot: only the newest batch that names their parent holds them
    is_repeated: bool  # the feed has several rows a key of this entity: only the newest stands
    is_by_device: bool  # an event that names a device and no object: the object is the one the device stands at


def models(contracts: Iterable[Contract]) -> dict[str, str]:
    """File name → SQL, for every entity, fed or not."""
    feeds = list(contracts)
    return {f"all_{entity}.sql": _model(entity, feeds) for entity in ENTITY_CONCEPTS}


def _model(entity: str, contracts: Sequence[Contract]) -> str:
    branches = [_branch(entity, contract) for contract in contracts if entity in contract.entities]
    return render(
        f"{'all_reading' if entity == 'reading' else 'all_entity'}.sql.jinja",
        entity=entity,
        title_zh=ENTITY_NAMES[entity][0],
        title_en=ENTITY_NAMES[entity][1],
        key=list(ENTITY_KEYS[entity]),
        fields=[f"{field.name!r}: {field.logical_type!r}" for field in fields_of(entity)],
        branches=branches,
    )


def _branch(entity: str, contract: Contract) -> Branch:
    # Columns of ours, as batch_id, are no concept of the source: a repeated row is one of the same batch.
    source_key = [column.landed_name for name in ENTITY_KEYS[entity] if (column := contract.by_concept(name))]
    is_repeated = entity != "reading" and set(landed_key(contract)) != set(source_key)
    return Branch(
        contract=contract,
        staging=model_name(contract),
        relation=contract.slug,
        given=tuple(_given(entity, contract)),
        is_whole_batch=entity == "substance" and contract.snapshot == "full",
        is_repeated=is_repeated,
        is_by_device=entity == "event" and _names_a_device_only(contract),
    )


def _names_a_device_only(contract: Contract) -> bool:
    return contract.by_concept("device_id") is not None and contract.by_concept("object_id") is None


def _given(entity: str, contract: Contract) -> Iterator[str]:
    for field in fields_of(entity):
        expression = _expression(entity, contract, field.name)
        if expression is not None:
            yield f"{field.name!r}: {expression}"


def _expression(entity: str, contract: Contract, name: str) -> str | None:
    """How a feed gives one column of an entity, in Jinja: a text of SQL or a macro that makes one; None: not at all."""
    constants = {
        "feed_id": contract.id,
        "department_code": contract.department_code,
        "domain": contract.domain,
        "subdomain": contract.subdomain,
        "object_type": contract.object_type,
        "protocol": contract.protocol,
        "metric_list": ",".join(contract.metrics),
    }
    meta = {"landed_on": "landed_on", "batch_id": "_batch_id", "received_at": "_received_at", "flags": "_flags"}
    column = contract.by_concept(name) if name in ENTITY_CONCEPTS[entity] else None
    match name:
        case _ if constants.get(name):
            return repr(f"'{constants[name]}'")
        case _ if name in meta:
            return repr(meta[name])
        case "is_late":
            return "has_word('_flags', 'late')"
        case "attributes":
            return f"json_of({_attributes(contract)})"
        case "area_code" if entity in PLACED:
            return repr(f"coalesce(_area_code, {column.landed_name})" if column else "_area_code")
        case "lon" | "lat" if entity in PLACED:
            return repr(f"_{name}")
        case "quality_flag":
            return repr(f"coalesce({column.landed_name}, 'normal')" if column else "'normal'")
        case _ if column and name in GLOBAL_IDS:
            return repr(f"'{_id_space(name, contract)}:' || {column.landed_name}")
        case _ if column:
            return _cast(column, FIELDS[name])
        case _:
            return None


def _id_space(name: str, contract: Contract) -> str:
    """What stands before a source's own id: things belong to the department, records to the feed that counts them."""
    return contract.department_code if name in ("object_id", "device_id") else contract.id


def _cast(column: Column, field: Field) -> str:
    """A feed's column as the type that the entity's column has."""
    if column.logical_type == field.logical_type:
        return repr(column.landed_name)
    return f"'cast({column.landed_name} as ' ~ sql_type({field.logical_type!r}) ~ ')'"


def _attributes(contract: Contract) -> list[str]:
    """Landed names of the non-personal columns that no concept carries."""
    return [c.landed_name for c in contract.landed_columns if not c.is_personal and c.concept is None]
