"""`cityrisk feed list | show | check | new`: contracts and how their feeds are doing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    systems,
    verb,
    wrong_use,
)

if TYPE_CHECKING:
    from core.contract import Contract

app = typer.Typer()


@app.command("list")
@verb
def list_feeds(as_json: Json = False) -> None:
    """Every feed with its department, server kind and cadence."""
    rows = [
        {
            "feed_id": c.id,
            "name_zh": c.name_zh,
            "name_en": c.name_en,
            "version": c.version,
            "status": c.status,
            "server": c.server.kind,
            "entities": ",".join(c.entities),
            "cadence_h": c.cadence.total_seconds() / 3600,
            "drift_mode": c.drift_mode,
        }
        for c in all_contracts(with_drafts=True).values()
    ]
    print_rows(rows, as_json)


@app.command("show")
@verb
def show_feed(feed_id: str, as_json: Json = False) -> None:
    """One contract: its columns, units, keys and rules."""
    contract = contract_of(feed_id, with_drafts=True)
    if as_json:
        print_json(contract)
        return
    typer.echo(f"{contract.id}  {contract.name_zh} / {contract.name_en}  v{contract.version}")
    typer.echo(f"owner {contract.owner}, steward {contract.steward}, {contract.grain}, drift {contract.drift_mode}")
    rows = [
        {
            "column": c.landed_name,
            "theirs": c.physical_name,
            "label": c.label_zh,
            "type": c.logical_type,
            "unit": c.unit,
            "key": c.key_position,
            "range": f"{c.minimum}..{c.maximum}" if c.minimum is not None or c.maximum is not None else None,
            "sensitivity": c.sensitivity,
        }
        for c in contract.columns
    ]
    print_rows(rows, as_json=False)
    print_rows([{"rule": r.id, "kind": r.kind, "severity": r.severity} for r in contract.rules], as_json=False)


@app.command("check")
@verb
def check_feed_command(feed_id: str, as_json: Json = False) -> None:
    """Look the contract and its sample over, then run its checks on what landed and is not admitted yet.

    Exit 1 when the contract has an error, its sample is not as expected, or a check fails or is raised.
    """
    from core.catalogue import contract_path
    from ingest.lint import look_over
    from orchestration.batch import new_run_id

    home, contracts = current_home(), all_contracts(with_drafts=True)
    contract = contract_of(feed_id, with_drafts=True)
    text = contract_path(feed_id, systems()).read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = [
        {
            "check": f"contract line {f.line}" if f.line else "contract",
            "severity": f.severity,
            "verdict": "failed",
            "message": f"{f.found}; {f.next_step}",
        }
        for f in look_over(contract, text, contracts, home.environment)
    ]
    try:
        from quality.checks import checks_of
        from quality.run import check_feed

        checks_of(contract)  # raises what no check can stand on, whether rows wait or not
        verdicts = (
            []
            if contract.is_draft
            else check_feed(home, ops_engine(home), contract, all_contracts(), new_run_id(now()), now())
        )
    except ImportError as error:
        failed(f"the checks cannot run ({error}); install the extra `quality`")
    rows += [
        {"check": "sample", "severity": "error", "verdict": "failed", "message": fault}
        for fault in _sample_faults(contract, contract_path(feed_id, systems()))
    ]
    rows += [
        {"check": v.check_id, "severity": v.severity, "verdict": v.verdict, "message": v.message_en} for v in verdicts
    ]
    well = "the contract is in order; no batch waits for its checks"
    if contract.is_draft:
        well = "the contract is in order; set `status: active` when both sides have agreed, then `cityrisk derive`"
    print_rows(rows, as_json, empty=well)
    if any(row["verdict"] != "passed" and row["severity"] == "error" for row in rows):
        raise typer.Exit(1)


def _sample_faults(contract: Contract, path: Path) -> list[str]:
    """What is wrong with the sample; a draft may have none yet."""
    from ingest.sample import sample_faults

    is_there = any(path.parent.glob(f"{path.name.removesuffix('.odcs.yaml')}.sample.*"))
    return sample_faults(contract, path) if is_there or not contract.is_draft else []


@app.command("sample")
@verb
def show_sample(feed_id: str, at: Annotated[datetime, typer.Option(help="When it counts as received, UTC.")]) -> None:
    """What comes of the feed's sample today, in the form of its expected file: to be compared with the agreement."""
    from core.catalogue import contract_path
    from ingest.sample import SampleError, as_text, outcome, sample_of

    contract = contract_of(feed_id, with_drafts=True)
    try:
        sample = sample_of(contract, contract_path(feed_id, systems()))
        typer.echo(as_text(outcome(sample, at.replace(tzinfo=UTC))), nl=False)
    except SampleError as error:
        failed(str(error))


@app.command("held")
@verb
def list_held(as_json: Json = False) -> None:
    """Batches that a failed or raised check keeps out of the warehouse."""
    from core.store.ledger import held_batches

    rows = held_batches(ops_engine(current_home()))
    print_rows(rows, as_json, empty="no batch is held")


@app.command("release")
@verb
def release_batch(
    batch_id: str, reason: Annotated[str, typer.Option(help="Why it may pass; kept with the release.")]
) -> None:
    """Admit a held batch in spite of its checks, with your name and reason on record."""
    from quality.admit import ReleaseError, release

    try:
        release(ops_engine(current_home()), batch_id, os_user(), reason, now())
    except ReleaseError as error:
        failed(str(error))
    typer.echo(f"{batch_id} is admitted; the next `cityrisk run` builds it")


@app.command("new")
@verb
def new_feed(
    sample: Path,
    feed_id: Annotated[str | None, typer.Option("--id", help="<department>.<feed> of the new feed.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the contract here instead of printing it.")] = None,
) -> None:
    """Propose a contract from a sample file, with the reason for every guess on stderr."""
    from ingest.propose import SampleError, propose

    if not sample.is_file():
        wrong_use(f"no file {sample}")
    try:
        proposal = propose(sample, feed_id)
    except SampleError as error:
        failed(str(error))
    for reason in proposal.reasons:
        typer.echo(reason, err=True)
    if out is None:
        typer.echo(proposal.yaml_text)
        return
    if out.exists():
        failed(f"{out} exists; choose another name")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(proposal.yaml_text, encoding="utf-8")
    typer.echo(
        f"wrote {out}; read it, `cityrisk feed check` says what is open; set `status: active`, then `cityrisk derive`"
    )
