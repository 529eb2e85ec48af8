"""Run a suite with Great Expectations on an in-memory DuckDB, guarded by a known-bad row.

Not here: measuring landed files (`quality.measure`). Library and dialect are an extra and cost seconds to import, so
they are loaded when a judge is made. Nothing leaves the machine: analytics are off, the context lives
in memory only.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import registry

from quality.checks import Check
from quality.suite import suite_of

if TYPE_CHECKING:
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource

_DIALECT_NAME = "cityrisk_duckdb"


class EngineAbsentError(ImportError):
    """The library that gives verdicts is not installed; says how to install it."""


class Judge:
    """A Great Expectations context on an in-memory DuckDB. Making one costs seconds once per process."""

    def __init__(self) -> None:
        with _quiet():
            self._gx = _library()
            self._context = self._gx.get_context(mode="ephemeral", project_config=_settings(self._gx))
            registry.register(_DIALECT_NAME, "quality.dialect", "BufferedDialect")
            # A named in-memory database is shared by the connections of this process while one is open.
            url = f"{_DIALECT_NAME}:///:memory:{uuid4().hex}"
            self._engine = sa.create_engine(url)
            self._anchor = self._engine.connect()
            self._source: SQLDatasource = self._context.data_sources.add_sql("measured", connection_string=url)

    def close(self) -> None:
        """Let the database go."""
        self._anchor.close()
        self._engine.dispose()

    def successes(self, checks: Sequence[Check], observed: Mapping[str, float]) -> dict[str, bool | str]:
        """Whether each check holds for its observed value; a text says what the library died of instead.

        `observed` has a value for every check.
        """
        if not checks:
            return {}
        table = f"measured_{uuid4().hex}"
        with _quiet():
            self._write(table, {c.id: observed[c.id] for c in checks})
            batch = self._source.add_table_asset(table, table_name=table).add_batch_definition_whole_table("row")
            try:
                result = batch.get_batch().validate(suite_of(table, checks), result_format="BASIC")
            finally:
                self._source.delete_asset(table)
                self._anchor.execute(sa.schema.DropTable(sa.Table(table, sa.MetaData())))
                self._anchor.commit()
        outcome: dict[str, bool | str] = {c.id: "no result came back" for c in checks}
        for one in result.results:
            config: Any = one.expectation_config
            outcome[config.meta["check_id"]] = _fault(one.exception_info) or bool(one.success)
        return outcome

    def _write(self, name: str, values: Mapping[str, float]) -> None:
        table = sa.Table(name, sa.MetaData(), *(sa.Column(check_id, sa.Double) for check_id in values))
        self._anchor.execute(sa.schema.CreateTable(table))
        self._anchor.execute(table.insert(), [dict(values)])
        self._anchor.commit()


def judge(
    engine: Judge, checks: Sequence[Check], observed: Mapping[str, float], bad: Mapping[str, float]
) -> dict[str, bool | str]:
    """Whether each check holds; a text, where that cannot be trusted, says why.

    `bad` holds for each check what it observes on a row known to be bad: a check that passes there is blind, whatever
    it says about the data. The library is trusted only where it agrees with the plain comparison.
    """
    try:
        on_data, on_bad = engine.successes(checks, observed), engine.successes(checks, bad)
    except Exception as error:  # noqa: BLE001 - a library that dies gives no verdict, and must not take the run along
        return {c.id: f"{type(error).__name__}: {error}" for c in checks}
    return {c.id: _trusted(c, observed[c.id], on_data[c.id], on_bad[c.id]) for c in checks}


def _trusted(check: Check, observed: float, on_data: bool | str, on_bad: bool | str) -> bool | str:
    if isinstance(on_data, str) or isinstance(on_bad, str):
        return on_data if isinstance(on_data, str) else f"on the known-bad row: {on_bad}"
    if on_bad:
        return "the known-bad row passed"
    if on_data != check.admits(observed):
        return f"the engine says {on_data} for {observed:g}, limits {check.expected}"
    return on_data


def _fault(info: Any) -> str:
    """What an expectation died of, or ''. Some carry one record, some one per metric."""
    records = [info] if "raised_exception" in info else list(info.values())
    return "; ".join(str(r["exception_message"]) for r in records if r["raised_exception"])


def _settings(gx: Any) -> Any:
    """No analytics, no progress bars, no folder for pages: ours are made from the verdict rows (`quality.page`)."""
    base = gx.data_context.types.base
    return base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=base.ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )


def _library() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    try:
        import duckdb_engine  # noqa: F401 - `quality.dialect` stands on it
        import great_expectations
    except ImportError as error:
        raise EngineAbsentError(
            f"checks cannot run: {error}; install the extra: pip install 'cityrisk[quality]'"
        ) from error
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return great_expectations


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's own deprecation warnings from our users and from tests that make warnings errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
