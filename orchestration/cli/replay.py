"""`cityrisk replay`: rules on history, beside what was."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from orchestration.cli.shell import (
    Json,
    all_contracts,
    app,
    contract_of,
    current_home,
    failed,
    ops_engine,
    print_json,
    print_rows,
    verb,
    wrong_use,
)

_BEIJING = ZoneInfo("Asia/Shanghai")


@app.command("replay")
@verb
def replay_command(
    start: Annotated[str, typer.Option("--from", help="Beijing day or instant, included.")],
    end: Annotated[str, typer.Option("--to", help="Beijing day or instant, not included.")],
    rules: Annotated[
        Path | None, typer.Option(help="A rule table or a folder of them, in place of the newest generation's.")
    ] = None,
    feed: Annotated[str | None, typer.Option(help="Only rules on this feed.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also episodes that are the same.")] = False,
    as_json: Json = False,
) -> None:
    """Fold landed rows by some rules; list the alerts gained, lost, earlier and later than what was."""
    from alerting.replay import compare, counts
    from alerting.rules import RuleError
    from alerting.rules.generations import NoRulesError
    from orchestration.replay import tried

    since, until = _instant(start), _instant(end)
    if since >= until:
        wrong_use(f"--from {start} is not before --to {end}")
    feeds = None if feed is None else [contract_of(feed).id]
    try:
        home = current_home()
        trial = tried(home, ops_engine(home), all_contracts(), since, until, rules, feeds)
    except (RuleError, NoRulesError, FileNotFoundError) as error:
        failed(str(error))
    differences = compare(trial.would, trial.did)
    summary = {"from": since, "to": until, "compared_with": trial.compared_with, **counts(differences)}
    shown = [d for d in differences if everything or d.verdict != "same"]
    if as_json:
        print_json({**summary, "episodes": [asdict(d) for d in shown]})
        return
    print_rows([_line(d) for d in shown], as_json, empty="no difference")
    typer.echo(", ".join(f"{name} {value}" for name, value in summary.items() if not isinstance(value, datetime)))


def _line(difference: Any) -> dict[str, Any]:
    one = difference.would or difference.did
    did, would = difference.did, difference.would
    colours = list(dict.fromkeys(e.colour for e in (did, would) if e))
    return {
        "verdict": difference.verdict,
        "rule": one.rule_id,
        "object": one.object_id,
        "device": one.device_id,
        "colour": " -> ".join(colours),
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "shift_s": round(difference.shift_s, 1) or None,
        "late": "late" if one.is_late else None,
    }


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        wrong_use(f"{text!r} is no day or instant; write 2026-01-31 or 2026-01-31T08:00")
    return (found if found.tzinfo else found.replace(tzinfo=_BEIJING)).astimezone(UTC)
