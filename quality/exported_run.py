"""Judge one landed batch by the suite beside this file: `python run.py LANDED.parquet [MORE.parquet] [--docs FOLDER]`.

Exit 0: every expectation holds. 1: one failed. 2: one could not be judged, or the batch cannot be read.
Needs great_expectations and duckdb-engine, and the files that were exported with it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any
from uuid import uuid4

HERE = Path(__file__).parent


def main(arguments: list[str] | None = None) -> int:
    """Judge, print one line an expectation, give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("landed", nargs="+", help="the Parquet files of one batch")
    parser.add_argument("--docs", type=Path, help="write the library's data docs into this folder")
    chosen = parser.parse_args(arguments)
    exported = json.loads((HERE / "suite.json").read_text(encoding="utf-8"))
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    warnings.simplefilter("ignore")
    import great_expectations as gx
    import sqlalchemy as sa
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    sa.dialects.registry.register("buffered_duckdb", "buffered_duckdb", "BufferedDialect")
    url = f"buffered_duckdb:///:memory:{uuid4().hex}"
    engine = sa.create_engine(url)
    with engine.connect() as kept:  # the database lives as long as a connection does
        try:
            kept.exec_driver_sql(view_of(chosen.landed, exported["meta"]["inputs"]))
        except sa.exc.SQLAlchemyError as error:
            print(f"raised  the batch cannot be read: {error}")
            return 2
        kept.commit()
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = context.data_sources.add_sql("landed", connection_string=url)
        batch = source.add_table_asset("landed", table_name="landed").add_batch_definition_whole_table("batch")
        suite = context.suites.add(gx.ExpectationSuite(exported["name"], exported["expectations"]))
        definition = gx.ValidationDefinition(name="batch", data=batch, suite=suite)
        results = context.validation_definitions.add(definition).run(result_format="BASIC").results
        if chosen.docs:
            write_docs(context, chosen.docs)
    engine.dispose()
    words = sorted((word_of(result), id_of(result)) for result in results)
    for word, check_id in words:
        print(f"{word}  {check_id}")
    for one in exported["meta"]["not_portable"]:
        print(f"not judged  {one['check_id']}  {one['why_zh']} · {one['why_en']}")
    said = {word for word, _ in words}
    return 2 if "raised" in said else 1 if "failed" in said else 0


def view_of(paths: list[str], inputs: list[dict[str, str]]) -> str:
    """The rows, with a column for each reference that says whether the register knows the value."""
    known = ""
    for one in inputs:
        register = f"read_parquet({text_of(HERE / one['file'])})"
        known += f', "{one["column"]}" in (select "{one["to"]}" from {register}) as "{one["as"]}"'
    files = ", ".join(text_of(Path(path).resolve()) for path in paths)
    return f"create view landed as select *{known} from read_parquet([{files}], union_by_name = true)"


def text_of(path: Path) -> str:
    """A path as SQL text."""
    return "'" + str(path).replace("'", "''") + "'"


def word_of(result: Any) -> str:
    """The verdict: an expectation that died says nothing about the data."""
    info = result.exception_info
    records = [info] if "raised_exception" in info else info.values()
    if any(record["raised_exception"] for record in records):
        return "raised"
    return "passed" if result.success else "failed"


def id_of(result: Any) -> str:
    """The check that an expectation says."""
    return str(result.expectation_config.meta["check_id"])


def write_docs(context: Any, folder: Path) -> None:
    """The library's pages about the suites and results of a context."""
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())}
    site = {
        "class_name": "SiteBuilder",
        "store_backend": backend,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    context.add_data_docs_site(site_name="batch", site_config=site)
    context.build_data_docs(site_names=["batch"])


if __name__ == "__main__":
    sys.exit(main())
