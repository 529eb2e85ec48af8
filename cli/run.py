"""`cityrisk run`, `fetch`, `derive`: the batch and its first step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
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
    print_json,
    print_rows,
    project_root,
    verb,
    wrong_use,
)
from core.stages import Note
from ingest.pull import FAILURES, Outcome

DEFAULT_CITY = "420500"
UNWELL = (*FAILURES, "rejected", "would_reject")  # how a pull ends that somebody must look at


def days_of(day: str | None, first: str | None, last: str | None) -> list[date] | None:
    """The Beijing days of `--date` or `--from … --to …`. Ends with code 2 when they make no sense."""
    if day and (first or last):
        wrong_use("give --date, or --from with --to, not both")
    if bool(first) != bool(last):
        wrong_use("--from and --to go together")
    if not day and not first:
        return None
    try:
        start, end = (date.fromisoformat(text) for text in (day or first or "", day or last or ""))
    except ValueError as error:
        wrong_use(f"{error}; expected a day like 2026-11-22")
    if end < start:
        wrong_use(f"--from {start} is after --to {end}")
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


app = typer.Typer()


@app.command("run")
@verb
def run_command(
    select: Annotated[str | None, typer.Option(help="Feed ids, comma-separated; all when left out.")] = None,
    day: Annotated[str | None, typer.Option("--date", help="Fetch and build this Beijing day again.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First Beijing day.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last Beijing day.")] = None,
    full_refresh: Annotated[bool, typer.Option(help="Build the warehouse again from all landed files.")] = False,
    as_json: Json = False,
) -> None:
    """Run one batch: fetch → land → check → build → audit → publish."""
    from core.runtime.run_lock import HomeBusyError
    from core.store.archive import ArchiveError
    from ingest.reprocess.restore import RestoreError
    from orchestration.batch import Batch, BatchError, new_run_id, run_batch

    days = days_of(day, first, last)
    contracts = all_contracts()
    chosen = select.split(",") if select else None
    for feed_id in chosen or []:
        if feed_id not in contracts:
            wrong_use(f"no feed {feed_id!r}; known feeds: {', '.join(contracts)}")
    home = current_home()
    city_code = home.environment.get("CITYRISK_CITY_CODE", DEFAULT_CITY)
    batch = Batch(home, ops_engine(home), contracts, new_run_id(now()), now, city_code)
    try:
        result = run_batch(batch, select=chosen, days=days, full_refresh=full_refresh)
    except (BatchError, HomeBusyError, RestoreError, ArchiveError) as error:
        failed(str(error))
    if as_json:
        print_json(result)
    else:
        print_rows([_outcome_row(o) for o in result.outcomes], as_json=False)
        checks = ", ".join(f"{count} {verdict}" for verdict, count in result.verdicts.items())
        typer.echo(f"checks: {checks}" + (f"; held: {', '.join(result.held)}" if result.held else ""))
        typer.echo(f"published {result.generation.name}" if result.generation else "nothing new to publish")
    for told in result.left_out.values():
        typer.echo(f"not whole in this build: {told}", err=True)
    if result.left_out or any(o.result in UNWELL for o in result.outcomes):
        raise typer.Exit(1)


@app.command("fetch")
@verb
def fetch_command(
    feed_id: str,
    file: Annotated[Path | None, typer.Option(help="Land this file instead of asking the department.")] = None,
    since: Annotated[str | None, typer.Option(help="Ask again from this time on, ISO with offset.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Fetch and conform, land nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch one feed once and land it."""
    from ingest.pull import dry_pull, file_payload, open_intake, pull_feed
    from orchestration.batch import new_run_id

    contract, home = contract_of(feed_id, with_drafts=dry_run), current_home()
    if file is not None and not file.is_file():
        wrong_use(f"no file {file}")
    intake = open_intake(home, ops_engine(home), new_run_id(now()), now)
    payloads = [file_payload(contract, file, now())] if file else None
    instant = _instant(since)
    if dry_run:
        dry = dry_pull(intake, contract, payloads, instant)
        outcome, found = dry.outcome, reasons_of(dry.notes)
    else:
        outcome, found = pull_feed(intake, contract, payloads, instant), []
    if as_json:
        print_json({**_outcome_row(outcome), "found": found} if dry_run else [_outcome_row(outcome)])
    else:
        print_rows([_outcome_row(outcome)], as_json=False)
        if found:
            typer.echo("")
            print_rows(found, as_json=False)
    if outcome.result in UNWELL:
        raise typer.Exit(1)


def reasons_of(notes: Sequence[Note]) -> list[dict[str, object]]:
    """What was found, a line for each reason, outcome and column: how many rows, and the first as an example."""
    groups: dict[tuple[str, str, str | None], list[Note]] = {}
    for note in notes:
        groups.setdefault((note.outcome, note.reason, note.column), []).append(note)
    return [
        {
            "outcome": outcome,
            "reason": reason,
            "column": column,
            "rows": sum(n.n_rows for n in group),
            "first_at": group[0].locator,
            "found": group[0].found,
            "expected": group[0].expected,
        }
        for (outcome, reason, column), group in sorted(groups.items(), key=lambda pair: str(pair[0]))
    ]


@app.command("derive")
@verb
def derive_command(
    check: Annotated[bool, typer.Option("--check", help="Compare what is committed; exit 1 when it is stale.")] = False,
    only_build: Annotated[
        bool, typer.Option("--only-build", help="Only what dbt reads and nobody commits; builds do it by themselves.")
    ] = False,
) -> None:
    """Rewrite what the folders of systems imply: models, sources and seeds of the warehouse, docs, list of columns."""
    from orchestration.project import ROOT, is_checkout, project_of, refresh, stale, write_derived

    root = project_root()
    if root == ROOT and not is_checkout():
        typer.echo(f"an installed copy commits nothing; its dbt project is {project_of(current_home())}")
        return
    if only_build:
        changed = refresh(root / "dbt_project", root / "systems")
        typer.echo(f"wrote {len(changed)} files of dbt_project/.build" if changed else "the build folder is up to date")
        return
    if not check:
        for path in write_derived(root):
            typer.echo(f"wrote {path}")
        tell_schema_changes(root)
        return
    tell_schema_changes(root)
    changed = stale(root)
    if changed:
        failed("stale, run `cityrisk derive`: " + ", ".join(str(path) for path in changed))
    typer.echo("derived files are up to date")


def tell_schema_changes(root: Path) -> None:
    """Say on stderr how what this home has landed differs from the contracts, what that breaks and what mends it."""
    from core.catalogue import load_contracts
    from orchestration.schema import schema_changes

    home = current_home()
    if not home.landing.is_dir():
        return
    for change in schema_changes(home, ops_engine(home), load_contracts(root / "systems")):
        typer.echo(change.description, err=True)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        wrong_use(f"--since {text!r}; expected a time like 2026-11-22T08:00:00+08:00")
    if instant.tzinfo is None:
        wrong_use(f"--since {text!r} has no offset; expected a time like 2026-11-22T08:00:00+08:00")
    return instant


def _outcome_row(outcome: Outcome) -> dict[str, object]:
    return asdict(outcome)
