"""`cityrisk sql | export`: read the newest published generation within the caller's rights."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.shell import Json, current_home, failed, instant_of, now, os_user, print_rows, verb, wrong_use

FORMATS = ("parquet", "csv", "xlsx", "geojson")
KnownAt = Annotated[
    str | None,
    typer.Option("--as-known-at", help="Beijing day or instant: the tables as readers had them then."),
]


app = typer.Typer()


@app.command("sql")
@verb
def sql_command(
    text: Annotated[str, typer.Argument(help="One SELECT on the mart tables.")],
    limit: Annotated[int, typer.Option(help="At most so many rows.")] = 1000,
    as_known_at: KnownAt = None,
    as_json: Json = False,
) -> None:
    """Read-only SQL on the newest published generation, or as known at an instant, sandboxed."""
    from access.queries import ask_sql
    from access.rights import Reader
    from access.sandbox import SandboxError
    from access.serving import NoGenerationError

    try:
        result = ask_sql(current_home(), Reader(os_user()), text, now(), limit, _known_at(as_known_at))
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
    as_known_at: KnownAt = None,
) -> None:
    """Write one published table to a file, within the caller's rights."""
    from access.export import ExportError
    from access.queries import take_out
    from access.rights import Reader
    from access.sandbox import SandboxError
    from access.serving import NoGenerationError

    if fmt not in FORMATS:
        wrong_use(f"--format {fmt!r}; expected one of {', '.join(FORMATS)}")
    target = out or Path(f"{table.removeprefix('mart.')}.{fmt}")
    try:
        known_at = _known_at(as_known_at)
        rows = take_out(current_home(), Reader(os_user()), table, fmt, target, now(), where, known_at)
    except (ExportError, SandboxError, NoGenerationError) as error:
        failed(str(error))
    typer.echo(f"wrote {rows} rows to {target}")


def _known_at(text: str | None) -> datetime | None:
    """The instant of `--as-known-at`; ends with code 2 for one to come."""
    if text is None:
        return None
    found = instant_of(text)
    if found > now():
        wrong_use(f"--as-known-at {text} is still to come; nobody knows what will be known then")
    return found
