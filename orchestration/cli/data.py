"""`cityrisk sql | export`: read the newest published generation within the caller's rights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingest.settings import Home
from orchestration.cli.shell import (
    Json,
    app,
    current_home,
    failed,
    now,
    ops_engine,
    os_user,
    print_rows,
    verb,
    wrong_use,
)  # fmt: skip

FORMATS = ("parquet", "csv", "xlsx", "geojson")


@app.command("sql")
@verb
def sql_command(
    text: Annotated[str, typer.Argument(help="One SELECT on the mart tables.")],
    limit: Annotated[int, typer.Option(help="At most so many rows.")] = 1000,
    as_json: Json = False,
) -> None:
    """Read-only SQL on the newest published generation, sandboxed."""
    from access.sandbox import SandboxError, run_sql
    from access.serving import NoGenerationError

    home = current_home()
    _record(home, "sql", text)
    try:
        result = run_sql(home, text, limit=limit)
    except (SandboxError, NoGenerationError) as error:
        failed(str(error))
    print_rows(result.frame.to_dicts(), as_json, empty="no rows")
    if result.is_truncated:
        typer.echo(f"only the first {limit} rows; ask for more with --limit", err=True)


@app.command("export")
@verb
def export_command(
    table: Annotated[str, typer.Argument(help="A mart table, such as risk_object.")],
    fmt: Annotated[str, typer.Option("--format", help="parquet, csv, xlsx or geojson.")] = "csv",
    out: Annotated[Path | None, typer.Option(help="File to write; <table>.<format> when left out.")] = None,
    where: Annotated[str | None, typer.Option(help="A condition on the table's columns.")] = None,
) -> None:
    """Write one published table to a file, within the caller's rights."""
    from access.export import ExportError, export
    from access.sandbox import SandboxError
    from access.serving import NoGenerationError

    if fmt not in FORMATS:
        wrong_use(f"--format {fmt!r}; expected one of {', '.join(FORMATS)}")
    target = out or Path(f"{table.removeprefix('mart.')}.{fmt}")
    home = current_home()
    _record(home, "export", f"{table} where {where or 'true'} to {target.absolute()}")
    try:
        rows = export(home, table, fmt, target, where=where)
    except (ExportError, SandboxError, NoGenerationError) as error:
        failed(str(error))
    typer.echo(f"wrote {rows} rows to {target}")


def _record(home: Home, action: str, target: str) -> None:
    """Who asked for what, written before anything is read."""
    import sqlalchemy as sa

    from ingest import ops

    engine = ops_engine(home)
    with engine.begin() as connection:
        values = {"actor": os_user(), "action": action, "target": target, "reason": "", "at": now()}
        connection.execute(sa.insert(ops.operator_action).values(values))
    engine.dispose()
