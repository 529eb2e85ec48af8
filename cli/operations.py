"""`cityrisk backup | restore | doctor`: keeping a home safe and finding what ails it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.shell import Json, all_contracts, contract_of, current_home, failed, now, ops_engine, os_user, print_rows, verb

app = typer.Typer()


@app.command("backup")
@verb
def backup_command(target: Path) -> None:
    """Write the ops store and the encrypted archive into one tar file; keys are not in it."""
    from core.runtime.backup import BackupError, backup
    from core.runtime.run_lock import HomeBusyError

    try:
        n_files = backup(current_home(), target, now())
    except (BackupError, HomeBusyError, FileExistsError) as error:
        failed(str(error))
    typer.echo(f"wrote {n_files} files to {target}; keep the keys (secrets.env or the environment) somewhere else")


@app.command("restore")
@verb
def restore_command(
    source: Path,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Accept a backup from before they were signed.")] = False,
) -> None:
    """Bring a backup back into an empty home; the next run rebuilds landing, warehouse and pages from it."""
    from core.runtime.backup import BackupError, restore

    try:
        n_files = restore(current_home(), source, unsigned=unsigned)
    except BackupError as error:
        failed(str(error))
    typer.echo(f"restored {n_files} files; give the keys of the old home, then `cityrisk run`")


@app.command("withdraw")
@verb
def withdraw_command(
    batch_id: str, reason: Annotated[str, typer.Option(help="Why it is taken back; kept with the action.")]
) -> None:
    """Take a landed batch back: its rows leave the warehouse with the next run; alerts stay as they were."""
    import sqlalchemy as sa

    from core.runtime.run_lock import HomeBusyError, only_run
    from core.store import tables
    from ingest.pull import open_intake
    from ingest.reprocess.reland import RelandError, withdraw
    from orchestration.batch import new_run_id

    home = current_home()
    engine = ops_engine(home)
    with engine.connect() as connection:
        feed_id = connection.scalar(sa.select(tables.batch.c.feed_id).where(tables.batch.c.batch_id == batch_id))
    intake = open_intake(home, engine, new_run_id(now()), now)
    try:
        with only_run(home):
            days = withdraw(intake, all_contracts().get(str(feed_id)), batch_id, os_user(), reason)
    except (RelandError, HomeBusyError) as error:
        failed(str(error))
    typer.echo(f"{batch_id} is withdrawn; `cityrisk run` rebuilds {len(days)} days ({', '.join(days[:5])})")


@app.command("reland")
@verb
def reland_command(
    feed_id: str,
    reason: Annotated[str, typer.Option(help="Why it lands again; kept with the action.")],
    with_withdrawn: Annotated[bool, typer.Option(help="Also batches that were withdrawn.")] = False,
    as_json: Json = False,
) -> None:
    """Drop what one feed has landed and land it again from the archive under today's contract."""
    from core.runtime.run_lock import HomeBusyError, only_run
    from core.store.archive import ArchiveError
    from ingest.pull import open_intake
    from ingest.reprocess.reland import RelandError, reland
    from orchestration.batch import new_run_id

    home, contract = current_home(), contract_of(feed_id)
    intake = open_intake(home, ops_engine(home), new_run_id(now()), now)
    try:
        with only_run(home):
            done = reland(intake, contract, os_user(), reason, with_withdrawn=with_withdrawn)
    except (RelandError, HomeBusyError, ArchiveError) as error:
        failed(str(error))
    print_rows([asdict(done)], as_json)


@app.command("doctor")
@verb
def doctor_command(as_json: Json = False) -> None:
    """Look this home over; exit 1 when something is not well."""
    from orchestration.doctor import look_over

    findings = look_over(current_home(), all_contracts(), now())
    print_rows([asdict(finding) for finding in findings], as_json)
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)
