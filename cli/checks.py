"""`cityrisk checks export`: the checks of a feed for those who judge a batch without us."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.shell import contract_of, current_home, failed, ops_engine, verb

app = typer.Typer()


@app.command("export")
@verb
def export_command(
    feed_id: str,
    out: Annotated[Path, typer.Option(help="Folder to write into; made when it is not there.")],
    docs: Annotated[bool, typer.Option("--docs", help="With the library's own pages about the suite.")] = False,
) -> None:
    """A feed's checks as a suite of Great Expectations with a script that runs it on a landed batch, without us."""
    from quality.engine import EngineAbsentError
    from quality.export import export_checks

    home = current_home()
    try:
        written = export_checks(home, ops_engine(home), contract_of(feed_id), out, with_docs=docs)
    except EngineAbsentError as error:
        failed(str(error))
    for path in written:
        typer.echo(path)
    typer.echo(f"judge a batch with: python {out / 'run.py'} LANDED.parquet (0 passed, 1 failed, 2 raised)", err=True)
