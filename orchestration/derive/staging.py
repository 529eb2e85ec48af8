"""One staging view per feed: typed contract columns, the newest row of each key."""

from __future__ import annotations

from collections.abc import Iterable

from core.contract import Contract, ContractError
from orchestration.derive.rendering import render

# Words that an engine keeps for itself; a column of that name would need quotes everywhere, each engine its own.
RESERVED_WORDS = frozenset(
    {
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "default",
        "deferrable",
        "desc",
        "describe",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "from",
        "grant",
        "group",
        "having",
        "in",
        "initially",
        "intersect",
        "into",
        "lambda",
        "lateral",
        "leading",
        "limit",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "pivot",
        "placing",
        "primary",
        "qualify",
        "references",
        "returning",
        "select",
        "show",
        "some",
        "summarize",
        "symmetric",
        "table",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "unpivot",
        "using",
        "variadic",
        "when",
        "where",
        "window",
        "with",
    }
)


def models(contracts: Iterable[Contract]) -> dict[str, str]:
    """File name → SQL. Raises ContractError for a column whose name is a reserved word."""
    contracts = list(contracts)
    for contract in contracts:
        for name in RESERVED_WORDS & {column.landed_name for column in contract.columns}:
            raise ContractError(f"{contract.id}: column {name!r} is a reserved word of SQL; choose another `name`")
    return {f"{model_name(c)}.sql": render("staging.sql.jinja", contract=c, key=row_key(c)) for c in contracts}


def model_name(contract: Contract) -> str:
    """`stg_<department>__<feed>`."""
    return f"stg_{contract.slug}"


def landed_key(contract: Contract) -> list[str]:
    """The primary key under its landed names."""
    return [contract.column(name).landed_name for name in contract.key]


def row_key(contract: Contract) -> list[str]:
    """What is unique in the staging view: of a register, every batch that names a thing has a row of its own."""
    return [*landed_key(contract), *(["_batch_id"] if contract.is_register else [])]
