"""`cityrisk quarantine list | show | replay | override`: what was refused, and giving it another chance."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from cli.shell import (
    Json,
    all_contracts,
    contract_of,
    current_home,
    failed,
    now,
    ops_engine,
    os_user,
    print_json,
    print_rows,
    verb,
)

app = typer.Typer()

SHOWN = 400  # characters of a value; a note on many rows names all their places


@app.command("list")
@verb
def list_quarantine(
    feed: Annotated[str | None, typer.Option(help="Only this feed.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also rows that were flagged, corrected or ignored.")
    ] = False,
    limit: Annotated[int, typer.Option(help="At most so many rows, newest first; 0 for all.")] = 200,
    as_json: Json = False,
) -> None:
    """Rejected rows that wait, newest first."""
    from core.store.quarantine import found_rows

    feed_id = contract_of(feed).id if feed else None
    rows = found_rows(ops_engine(current_home()), feed_id, reason, only_waiting=not everything, limit=limit or None)
    print_rows(rows, as_json, empty="quarantine is empty")


@app.command("show")
@verb
def show_quarantine(row_id: int, as_json: Json = False) -> None:
    """One rejected row: where it came from, what was found, what was expected."""
    from core.store.quarantine import found_row

    row = found_row(ops_engine(current_home()), row_id)
    if row is None:
        failed(f"no quarantine row {row_id}")
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        typer.echo(f"{name:18}{'-' if value is None else textwrap.shorten(str(value), SHOWN, placeholder=' …')}")
    typer.echo("next: correct the contract (new version) or add an override, then `cityrisk quarantine replay`")


@app.command("replay")
@verb
def replay_quarantine(
    feed: Annotated[str | None, typer.Option(help="Only this feed.")] = None, as_json: Json = False
) -> None:
    """Conform waiting rows again under the present contracts and overrides; land those that pass."""
    from ingest.pull import open_intake
    from ingest.reprocess.quarantine import replay
    from orchestration.batch import new_run_id

    home = current_home()
    intake = open_intake(home, ops_engine(home), new_run_id(now()), now)
    done = replay(intake, all_contracts(), contract_of(feed).id if feed else None)
    rows = [
        {
            "feed_id": r.feed_id,
            "batch_id": r.batch_id,
            "rows_asked": r.rows_asked,
            "rows_landed": r.rows_landed,
            "why": r.why,
        }
        for r in done
    ]
    print_rows(rows, as_json, empty="nothing waits")


@app.command("override")
@verb
def add_override(
    feed: Annotated[str, typer.Option(help="The feed.")],
    column: Annotated[str, typer.Option(help="Our name of the column.")],
    found: Annotated[str, typer.Option(help="The value as the department sends it.")],
    use: Annotated[str, typer.Option(help="The value to read instead.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the override.")],
) -> None:
    """Read one value of a column as another from now on, and on replay."""
    from core.store.quarantine import read_as

    contract = contract_of(feed)
    name = contract.column(column).name
    read_as(ops_engine(current_home()), contract.id, name, found, use, os_user(), reason, now())
    typer.echo(f"{contract.id}: {name} {found!r} is read as {use!r}; `cityrisk quarantine replay --feed {feed}` next")
