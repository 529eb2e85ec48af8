"""Say checks as expectations of Great Expectations: the one module that knows which expectation says what.

The library costs seconds to import, so it is imported when an expectation is made, never with this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quality.checks import BATCH_ID, Check
from quality.landed import AGE_H, RATIO, Usual, known_column, name_of, text_of

if TYPE_CHECKING:
    import great_expectations as gx

N_SAMPLES = 5
_BATCH = "\0"  # stands for the rows under judgement until the query is a template
COUNT, SAMPLES = "unexpected_count", "samples"  # what a query tells of the rows that it found


@dataclass(frozen=True, slots=True)
class Inputs:
    """What expectations stand on beside the rows: the same promise says another number when these differ."""

    columns: Sequence[str] = ()  # of the rows under judgement
    history: str | None = None  # a view of rows that new ones may repeat
    history_columns: Sequence[str] = ()
    rows_resent: int = 0  # good rows that were sent again unchanged
    usual: Mapping[str, Usual] = field(default_factory=dict)  # by check id


def suite_of(name: str, checks: Iterable[Check], inputs: Inputs) -> gx.ExpectationSuite:
    """One expectation a check, in order; its `meta` names the check."""
    import great_expectations as gx

    return gx.ExpectationSuite(name=name, expectations=[expectation_of(check, inputs) for check in checks])


def expectation_of(check: Check, inputs: Inputs) -> Any:
    """The expectation that says a check about landed rows. Raises ValueError for a kind that speaks of something else.

    A reference, an age and a ratio are columns of the view (`quality.landed`).
    """
    from great_expectations import expectations

    gxe: Any = expectations  # which names it means to export it does not say
    column, arguments = check.column or "", check.arguments
    meta = {"check_id": check.id, "kind": check.kind, "severity": check.severity, "expected": check.expected}
    match check.kind:
        case "not_null":
            return gxe.ExpectColumnValuesToNotBeNull(column=column, meta=meta)
        case "range":
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=arguments["minimum"], max_value=arguments["maximum"], meta=meta
            )
        case "allowed":
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(arguments["values"]), meta=meta)
        case "pattern":
            return gxe.UnexpectedRowsExpectation(unexpected_rows_query=_pattern_query(check), meta=meta)
        case "unique_key" if arguments["is_whole"]:
            return gxe.ExpectCompoundColumnsToBeUnique(
                column_list=[*arguments["key"], BATCH_ID], ignore_row_if="never", meta=meta
            )
        case "unique_key":
            return gxe.UnexpectedRowsExpectation(unexpected_rows_query=_repeated_query(check, inputs), meta=meta)
        case "volume":
            fewest, most = (None if v is None else max(int(v) - inputs.rows_resent, 0) for v in (check.low, check.high))
            return gxe.ExpectTableRowCountToBeBetween(min_value=fewest, max_value=most, meta=meta)
        case "reference":
            mostly = 1 - (check.high or 0.0) / 100
            return gxe.ExpectColumnValuesToBeInSet(
                column=known_column(check), value_set=[True], mostly=mostly, meta=meta
            )
        case "distribution_drift":
            low, high = inputs.usual[check.id].limits(check.high or 0.0)
            return gxe.ExpectColumnMeanToBeBetween(column=column, min_value=low, max_value=high, meta=meta)
        case "freshness":
            return gxe.ExpectColumnMinToBeBetween(column=AGE_H, max_value=check.high, meta=meta)
        case "sum":
            return gxe.ExpectColumnMaxToBeBetween(column=RATIO, max_value=check.high, meta=meta)
    raise ValueError(f"{check.feed_id}: {check.id}: no expectation on landed rows says a {check.kind}")


def _pattern_query(check: Check) -> str:
    """Nothing, or one row: how many values have another shape, and the first of them."""
    value = name_of(check.column or "")
    return _as_template(
        f"select count(*) as {COUNT}, min({value}, {N_SAMPLES}) as {SAMPLES} from {_BATCH} "
        f"where not regexp_matches({value}, {text_of(check.arguments['pattern'])}) having count(*) > 0"
    )


def _repeated_query(check: Check, inputs: Inputs) -> str:
    """Nothing, or one row: new rows whose key stands twice in one batch, or whose content stands in another batch.

    The same key with other values in a later batch is a correction, and right. Only rows whose key has a hash that was
    seen twice are compared; a column that older files lack counts as absent there.
    """
    key = [name_of(name) for name in check.arguments["key"]]
    content = sorted({c for c in (*inputs.columns, *inputs.history_columns) if not c.startswith("_")})
    sides = [(_BATCH, inputs.columns, "true")]
    if inputs.history:
        sides.append((inputs.history, inputs.history_columns, "false"))
    hash_of_key = f"hash({', '.join(key)})"
    seen = " union all ".join(f"select {hash_of_key} as h from {side}" for side, _, _ in sides)
    rows = " union all ".join(
        f"select {', '.join(f'{k} as k{i}' for i, k in enumerate(key))}, {name_of(BATCH_ID)} as batch, "
        f"hash({', '.join(name_of(c) if c in has else 'null' for c in content)}) as content, {is_new} as is_new "
        f"from {side} where {hash_of_key} in (select h from suspect)"
        for side, has, is_new in sides
    )
    keys = ", ".join(f"k{i}" for i in range(len(key)))
    sample = f"min(concat_ws(', ', {keys}), {N_SAMPLES})"
    return _as_template(
        f"with suspect as (select h from ({seen}) group by h having count(*) > 1), rows as ({rows}), "
        f"counted as (select *, count(*) over (partition by {keys}, batch) as in_batch, "
        f"count(*) over (partition by {keys}, content) as alike from rows) "
        f"select count(*) as {COUNT}, {sample} as {SAMPLES} from counted "
        "where is_new and (in_batch > 1 or alike > 1) having count(*) > 0"
    )


def _as_template(query: str) -> str:
    """The query as the library wants it: it fills braces, and takes a word after a colon for a parameter."""
    query = query.replace("{", "{{").replace("}", "}}").replace(":", "\\:")
    return query.replace(_BATCH, "{batch}")
