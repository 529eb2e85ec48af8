"""`cityrisk backtest`, by its older name `replay`: rules on history, beside what was."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.shell import (
    Json,
    all_contracts,
    contract_of,
    current_home,
    failed,
    instant_of,
    ops_engine,
    print_json,
    print_rows,
    verb,
    wrong_use,
)
from core.civil_time import CIVIL_ZONE

app = typer.Typer()


@app.command("backtest")
@app.command("replay", hidden=True)  # its older name goes on working
@verb
def replay_command(
    start: Annotated[str, typer.Option("--from", help="Beijing day or instant, included.")],
    end: Annotated[str, typer.Option("--to", help="Beijing day or instant, not included.")],
    rules: Annotated[
        Path | None, typer.Option(help="A rule table or a folder of them, in place of the newest generation's.")
    ] = None,
    feed: Annotated[str | None, typer.Option(help="Only rules on this feed.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also episodes that are the same.")] = False,
    on_time: Annotated[
        bool,
        typer.Option("--on-time", help="Take rows when they happened, not when they came: for history fetched later."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Fold landed rows by some rules; list the alerts gained, lost, earlier and later than what was.

    Rows of at least a day before --from are read as well, as long as the longest window or silence of the rules, but
    none that came before alerting began. A future end is brought back to the last instant that anybody listened.

    What was is the alerts of that stretch; with --rules and no alert there, or with --on-time, it is what the present
    rules would have told. An alert counts as true until a person called it a false alarm in a comment (误报, 虚警,
    false alarm): a hit would come again under the rules tried, a miss would be lost. Confirmed are those of them that
    somebody was dispatched to; false alarms are counted apart, as those that would come again and those avoided.
    """
    from alerting.backtest.evaluation import compare, counts
    from alerting.rules import RuleError
    from alerting.rules.generations import NoRulesError
    from orchestration.backtest import tried

    since, until = instant_of(start), instant_of(end)
    if since >= until:
        wrong_use(f"--from {start} is not before --to {end}")
    feeds = None if feed is None else [contract_of(feed).id]
    try:
        home = current_home()
        trial = tried(home, ops_engine(home), all_contracts(), since, until, rules, feeds, is_on_time=on_time)
    except (RuleError, NoRulesError, FileNotFoundError) as error:
        failed(str(error))
    differences = compare(trial.would, trial.did)
    summary = {
        "from": since,
        "to": trial.until,
        "read_from": since - trial.warm_up,
        "compared_with": trial.compared_with,
        **counts(differences),
    }
    shown = [d for d in differences if everything or d.verdict != "same"]
    if as_json:
        print_json({**summary, "episodes": [asdict(d) for d in shown]})
        return
    print_rows([_line(d) for d in shown], as_json, empty="no difference")
    typer.echo(f"warmed up by rows from {_beijing(since - trial.warm_up)} on")
    if trial.until < until:
        typer.echo(f"until {_beijing(trial.until)} in Beijing, when alerting last heard")
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
        "finding": did.finding if did else None,
    }


def _beijing(at: datetime) -> str:
    return f"{at.astimezone(CIVIL_ZONE):%Y-%m-%d %H:%M:%S}"
