"""Write the checks of a feed as a suite of Great Expectations that runs without us, on one batch of landed files.

Beside the suite: a script, the dialect that it needs, and of each register that the feed refers to the values that it
knows. What needs the ledger, the clock or earlier batches is named in the suite as not portable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import duckdb
import sqlalchemy as sa

from core.contract import Contract
from core.settings import Home
from quality.checks import COUNTED_KINDS, Check, checks_of
from quality.engine import library, quiet
from quality.landed import known_column, name_of, text_of
from quality.scope import File, known_files
from quality.suite import Inputs, suite_of

_SCRIPTS = {"run.py": "exported_run.py", "buffered_duckdb.py": "dialect.py"}
_WHY: Mapping[str, tuple[str, str]] = {
    "refused": ("看隔离区中的份额，须台账", "looks at what was refused, which the ledger knows"),
    "freshness": ("看所有已到数据与当前时间", "looks at all that arrived, and at the clock"),
    "distribution_drift": ("与前 28 天的批次比较", "compares with the batches of 28 days before"),
    "sum": ("与登记数及当日其他批次合计", "adds up other batches of the same days"),
}
_COPIES = ("与以往批次重复的行", "rows that repeat rows of earlier batches")
_NO_REGISTER = ("{feed} 尚无数据，无从导出", "{feed} has no rows here that could be exported")


def export_checks(
    home: Home, engine: sa.Engine, contract: Contract, folder: Path, *, with_docs: bool = False
) -> list[Path]:
    """Write the suite and all it needs into a folder; gives the files written.

    Raises EngineAbsentError without the library, UnknownRuleError for a rule that no check can stand on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checks = checks_of(contract)
    inputs, left_out = _references(home, engine, checks, folder)
    portable = [
        c for c in checks if c.kind in (*COUNTED_KINDS, "volume") or known_column(c) in {i["as"] for i in inputs}
    ]
    left_out += [_not_portable(check.id, _WHY[check.kind]) for check in checks if check.kind in _WHY]
    left_out += [
        _not_portable(check.id, _COPIES)
        for check in checks
        if check.kind == "unique_key" and not check.arguments["is_whole"]
    ]
    gx = library()
    with quiet():
        suite = suite_of(contract.id, portable, Inputs(columns=[c.landed_name for c in contract.landed_columns]))
        suite.meta |= {
            "feed_id": contract.id,
            "contract_version": contract.version,
            "inputs": inputs,
            "not_portable": left_out,
        }
        path = folder / "suite.json"
        path.write_text(json.dumps(suite.to_json_dict(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        if with_docs:
            from quality.exported_run import write_docs

            context = gx.get_context(mode="ephemeral")
            context.suites.add(suite)
            write_docs(context, folder / "docs")
    for name, source in _SCRIPTS.items():
        (folder / name).write_text(files("quality").joinpath(source).read_text(encoding="utf-8"), encoding="utf-8")
    written = [path, *(folder / name for name in _SCRIPTS), *(folder / one["file"] for one in inputs)]
    return [*written, folder / "docs"] if with_docs else written


def _references(
    home: Home, engine: sa.Engine, checks: Sequence[Check], folder: Path
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The values that registers know, one file a reference; and the references whose register has no rows here."""
    inputs, left_out = [], []
    for check in checks:
        if check.kind != "reference":
            continue
        feed = str(check.arguments["feed"])
        with engine.connect() as connection:
            known = known_files(connection, home.landing, feed, run_id="")
        if not known:
            zh, en = _NO_REGISTER
            left_out.append(_not_portable(check.id, (zh.format(feed=feed), en.format(feed=feed))))
            continue
        name = f"known_{check.id}.parquet"
        _write_known(known, str(check.arguments["to"]), folder / name)
        inputs.append(
            {"column": check.column or "", "file": name, "to": str(check.arguments["to"]), "as": known_column(check)}
        )
    return inputs, left_out


def _write_known(known: Sequence[File], column: str, path: Path) -> None:
    landed = ", ".join(text_of(str(file.path)) for file in known)
    to = name_of(column)
    with duckdb.connect(":memory:") as connection:
        connection.execute(
            f"copy (select distinct {to} from read_parquet([{landed}], union_by_name = true) where {to} is not null "
            f"order by 1) to {text_of(str(path))} (format parquet)"
        )


def _not_portable(check_id: str, why: tuple[str, str]) -> dict[str, str]:
    return {"check_id": check_id, "why_zh": why[0], "why_en": why[1]}
