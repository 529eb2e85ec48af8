"""Great Expectations on an in-memory DuckDB: asks it what holds, and reads its answers.

Library and dialect are an extra and cost seconds to import, so they are loaded when an engine is made. Nothing leaves
the machine: analytics are off, the context lives in memory only.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import duckdb
import sqlalchemy as sa
from sqlalchemy.dialects import registry

from quality.checks import Check
from quality.suite import COUNT, N_SAMPLES, SAMPLES, Inputs, suite_of

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource

MEMORY_LIMIT = "4GB"
_DIALECT_NAME = "cityrisk_duckdb"

# How much the library shall tell. Rows that break a promise may be millions: they are counted, and a few are shown.
Detail = Literal["whether", "how_many", "samples"]
_FORMATS: Mapping[Detail, Any] = {
    "whether": "BOOLEAN_ONLY",
    "how_many": "BASIC",
    "samples": {"result_format": "SUMMARY", "partial_unexpected_count": N_SAMPLES},
}
_OF_QUERIES = "COMPLETE"  # the only one that shows what a query found; ours find one row at most


class EngineAbsentError(ImportError):
    """The library that gives verdicts is not installed; says how to install it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the library says of one check; `fault` is what it died of."""

    success: bool
    observed: float | None = None
    samples: tuple[str, ...] = ()
    fault: str = ""


class ExpectationEngine:
    """A Great Expectations context on an in-memory DuckDB that spills to a folder. Making one costs seconds."""

    def __init__(self, spill: Path) -> None:
        with quiet():
            gx = library()
            self._context = gx.get_context(mode="ephemeral", project_config=_settings(gx))
            registry.register(_DIALECT_NAME, "quality.dialect", "BufferedDialect")
            # A named in-memory database is shared by the connections of this process while one is open.
            url = f"{_DIALECT_NAME}:///:memory:{uuid4().hex}"
            self._engine = sa.create_engine(url)
            self._anchor = self._engine.raw_connection()
            self._source: SQLDatasource = self._context.data_sources.add_sql("landed", connection_string=url)
        self.connection.execute("set memory_limit = ?", [MEMORY_LIMIT])
        self.connection.execute("set temp_directory = ?", [str(spill)])

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The database itself: what is made here can be judged."""
        connection: Any = self._anchor.driver_connection
        return connection  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let the database go."""
        self._anchor.close()
        self._engine.dispose()

    def ask(self, table: str, checks: Sequence[Check], inputs: Inputs, detail: Detail) -> dict[str, Answer]:
        """What holds on a table or view, by check id.

        The library asks for many numbers in one scan; where one of them breaks it, each check is asked by itself, so
        that only the guilty one is lost.
        """
        if not checks:
            return {}
        answers = self._asked(table, checks, inputs, detail)
        broken = [check for check in checks if answers[check.id].fault]
        if len(broken) > 1:
            for check in broken:
                answers |= self._asked(table, [check], inputs, detail)
        return answers

    def _asked(self, table: str, checks: Sequence[Check], inputs: Inputs, detail: Detail) -> dict[str, Answer]:
        name = f"asked_{uuid4().hex}"
        answers = {check.id: Answer(success=False, fault="no result came back") for check in checks}
        try:
            with quiet():
                suite = suite_of(name, checks, inputs)
                batch = self._source.add_table_asset(name, table_name=table).add_batch_definition_whole_table("rows")
                try:
                    results = batch.get_batch().validate(suite, result_format=_format(checks, detail)).results
                finally:
                    self._source.delete_asset(name)
        except Exception as error:  # noqa: BLE001 - a library that dies gives no verdict, and must not take the run along
            fault = f"{type(error).__name__}: {error}"
            return {check.id: Answer(success=False, fault=fault) for check in checks}
        for result in results:
            config: Any = result.expectation_config
            answers[config.meta["check_id"]] = answer_of(result)
        return answers


def answer_of(result: ExpectationValidationResult) -> Answer:
    """What one result says: rows that break the promise, or per cent of them where some may, or the number itself."""
    fault = _fault(result.exception_info)
    if fault:
        return Answer(success=False, fault=fault)
    told: Mapping[str, Any] = result.result
    config: Any = result.expectation_config
    found = (told.get("details") or {}).get("unexpected_rows")
    if found is not None:  # of a query
        row = found[0] if found else {COUNT: 0, SAMPLES: []}
        return Answer(bool(result.success), float(row[COUNT]), _texts(row[SAMPLES]))
    number = next((told[name] for name in ("observed_value", "unexpected_count") if name in told), None)
    if config.meta["kind"] == "reference" and "unexpected_percent_nonmissing" in told:
        number = told["unexpected_percent_nonmissing"]
    number = None if number is None else float(number)
    return Answer(bool(result.success), number, _texts(told.get("partial_unexpected_list") or ()))


def _format(checks: Sequence[Check], detail: Detail) -> Any:
    if detail == "samples" and all(is_query(check) for check in checks):
        return _OF_QUERIES
    return _FORMATS[detail]


def is_query(check: Check) -> bool:
    """Whether a check is said as a query that finds the rows which break it."""
    return check.kind == "pattern" or (check.kind == "unique_key" and not check.arguments["is_whole"])


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    """Samples as short texts, each once."""
    texts = (", ".join(map(str, v.values())) if isinstance(v, Mapping) else str(v) for v in values)
    return tuple(dict.fromkeys(texts))


def _fault(info: Any) -> str:
    """What an expectation died of, or ''. Some carry one record, some one per metric."""
    records = [info] if "raised_exception" in info else list(info.values())
    return "; ".join(dict.fromkeys(str(r["exception_message"]) for r in records if r["raised_exception"]))


def _settings(gx: Any) -> Any:
    """No analytics, no progress bars, no folder for pages: ours are made from the verdict rows (`quality.page`)."""
    base = gx.data_context.types.base
    return base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=base.ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )


def library() -> Any:
    """The library, which sends nothing anywhere. Raises EngineAbsentError where it is not installed."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    try:
        with quiet():
            import duckdb_engine  # noqa: F401 - `quality.dialect` stands on it
            import great_expectations
    except ImportError as error:
        raise EngineAbsentError(
            f"checks cannot run: {error}; install the extra: pip install 'cityrisk[quality]'"
        ) from error
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return great_expectations


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's own deprecation warnings from our users and from tests that make warnings errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
