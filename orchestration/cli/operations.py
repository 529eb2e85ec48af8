"""`cityrisk backup | restore | doctor`: keeping a home safe and finding what ails it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from orchestration.cli.shell import Json, all_contracts, app, current_home, failed, now, print_rows, verb


@app.command("backup")
@verb
def backup_command(target: Path) -> None:
    """Write the ops store and the encrypted archive into one tar file; keys are not in it."""
    from orchestration.backup import BackupError, backup
    from orchestration.batch import BatchError

    try:
        n_files = backup(current_home(), target, now())
    except (BackupError, BatchError, FileExistsError) as error:
        failed(str(error))
    typer.echo(f"wrote {n_files} files to {target}; keep the keys (secrets.env or the environment) somewhere else")


@app.command("restore")
@verb
def restore_command(source: Path) -> None:
    """Bring a backup back into an empty home; the next run rebuilds landing, warehouse and pages from it."""
    from orchestration.backup import BackupError, restore

    try:
        n_files = restore(current_home(), source)
    except BackupError as error:
        failed(str(error))
    typer.echo(f"restored {n_files} files; give the keys of the old home, then `cityrisk run`")


@app.command("doctor")
@verb
def doctor_command(as_json: Json = False) -> None:
    """Look this home over; exit 1 when something is not well."""
    from orchestration.doctor import look_over

    findings = look_over(current_home(), all_contracts(), now())
    print_rows([asdict(finding) for finding in findings], as_json)
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)
