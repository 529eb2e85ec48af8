"""`cityrisk rules publish | shadow | list | show`: the rules that alerting runs by."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.alerts import Actor, action, reader_of
from cli.shell import Json, current_home, failed, now, ops_engine, print_json, print_rows, verb, wrong_use

app = typer.Typer()


@app.command("publish")
@action
def publish_command(
    source: Annotated[Path | None, typer.Option("--from", help="A folder whose CSVs stand in for the seeds.")] = None,
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why; the second person decides by it.")] = "",
    actor: Actor = None,
) -> None:
    """Make the rule tables the newest generation, if they load whole; alerting takes it up within seconds.

    Where a rule is added, changed or removed, they run in shadow first, until a second person approves: `rules shadow`,
    then `requests approve`.
    """
    from access.alerts import STEP_ROLES
    from access.rights import require_role
    from alerting.lifecycle.steps import Verb
    from alerting.notify.channels.channel_config import ChannelConfigError
    from alerting.policy.notification_policies import NotificationPolicyError
    from alerting.rules import RuleError
    from orchestration.rules import RulesError, propose_rules

    home = current_home()
    reader = reader_of(home, actor)
    require_role(reader, STEP_ROLES[Verb.ACKNOWLEDGED], "propose rules")
    try:
        done = propose_rules(home, ops_engine(home), now(), reader.name, comment, source)
    except (RuleError, NotificationPolicyError, ChannelConfigError, RulesError) as error:
        failed(f"not published: {error}")
    if done.request_id is not None:
        until = f"{done.until:%Y-%m-%d %H:%M}Z"
        typer.echo(f"{done.request_id}: not in force, runs in shadow until {until} ({done.changes.description[1]})")
        typer.echo(f"`cityrisk rules shadow` compares; a second person: `cityrisk requests approve {done.request_id}`")
        return
    name = done.folder.name
    typer.echo(f"published {name}" if done.is_new else f"nothing new: {name} says the same")


@app.command("shadow")
@action
def shadow_command(as_json: Json = False) -> None:
    """Rules that wait for a second person: what they opened in shadow, beside those in force, on the same readings."""
    from access import requests
    from access.live import ops_reader
    from access.rights import require_role

    home = current_home()
    reader = reader_of(home, None)
    require_role(reader, requests.SEEING_ROLES, "see what waits for a second person")
    with ops_reader(home) as live:
        waiting = requests.waiting(live, reader, now()) if live is not None else []
        found = [(one, rule) for one in waiting for rule in requests.shadow_of(live, one)] if live is not None else []
    rows = [
        {
            "request_id": one.request_id,
            "rule_id": rule.rule_id,
            "opened_now": rule.n_now,
            "opened_in_shadow": rule.n_shadow,
            "only_now": _some(rule.only_now, as_json),
            "only_in_shadow": _some(rule.only_shadow, as_json),
        }
        for one, rule in found
    ]
    print_rows(rows, as_json, empty="no rules wait")


def _some(names: tuple[str, ...], as_json: bool) -> Any:
    """All of them, or on a screen the number and the first three."""
    if as_json:
        return list(names)
    return f"{len(names)}: {' '.join(names[:3])}" if names else "0"


@app.command("list")
@verb
def list_command(
    unmatched_days: Annotated[
        int | None, typer.Option("--unmatched", help="Only rules that opened nothing in so many days.")
    ] = None,
    feed: Annotated[str | None, typer.Option(help="Only rules on this feed.")] = None,
    as_json: Json = False,
) -> None:
    """Rules of the newest generation, with their colours, standard and how well it is known."""
    from orchestration.rules import unmatched

    home, ruleset = current_home(), _ruleset()
    chosen = list(ruleset.rules)
    if feed is not None:
        chosen = [rule for rule in chosen if feed in rule.feeds]
    if unmatched_days is not None:
        quiet = set(unmatched(ops_engine(home), ruleset, unmatched_days, now()))
        chosen = [rule for rule in chosen if rule.rule_id in quiet]
    rows = [
        {
            "rule_id": rule.rule_id,
            "kind": rule.kind,
            "feeds": " ".join(rule.feeds) or " ".join(rule.members),
            "colours": " ".join(rule.colours),
            "hold_s": rule.hold_s,
            "clear_s": rule.clear_s,
            "standard": rule.conditions[0].standard,
            "evidence_grade": " ".join(sorted({c.evidence_grade for c in rule.conditions})),
            "name_zh": rule.name_zh,
        }
        for rule in chosen
    ]
    print_rows(rows, as_json, empty="no such rule")


@app.command("show")
@verb
def show_command(rule_id: str, as_json: Json = False) -> None:
    """One rule with its conditions, overrides and the clause behind each number."""
    ruleset = _ruleset()
    rule = ruleset.by_id.get(rule_id)
    if rule is None:
        wrong_use(f"no rule {rule_id!r}; see `cityrisk rules list`")
    ids = {c.condition_id for c in rule.conditions}
    overrides = [asdict(o) for o in ruleset.overrides if o.condition_id in ids]
    plain = asdict(rule)
    conditions = plain.pop("conditions")
    if as_json:
        print_json({"generation": ruleset.generation, **plain, "conditions": conditions, "overrides": overrides})
        return
    for name, value in plain.items():
        if value not in (None, "", (), 0, False):
            typer.echo(f"{name:16}{_text(value)}")
    print_rows([_condition(c) for c in conditions], as_json)
    if overrides:
        print_rows(overrides, as_json)


def _ruleset() -> Any:
    from alerting.rules import RuleError
    from alerting.rules.generations import NoRulesError, load_newest

    try:
        return load_newest(current_home().root)
    except (NoRulesError, RuleError) as error:
        failed(str(error))


def _condition(c: dict[str, Any]) -> dict[str, Any]:
    limit = c["threshold"]
    if c["limit_attribute"]:
        limit = f"{c['factor']:g} x {c['limit_attribute']}" + (f" {c['offset']:+g}" if c["offset"] else "")
    if c["values"]:
        limit = " or ".join(c["values"])
    window = f" {c['aggregate']} {c['window_s'] // 60} min" if c["window_s"] else ""
    return {
        "condition": c["condition_id"],
        "colour": c["colour"],
        "group": c["group"],
        "says": f"{c['metric']}{window} {c['comparison']} {limit} {c['unit']}".rstrip(),
        "standard": c["standard"],
        "clause": c["clause"],
        "grade": c["evidence_grade"],
        "label": c["source_label"],
    }


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
