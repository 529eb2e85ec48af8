"""`cityrisk requests list | approve | reject`: what waits for a second person."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.alerts import action, reader_of
from cli.shell import Json, current_home, now, print_json, print_rows

app = typer.Typer()

Comment = Annotated[str, typer.Option("--comment", "-m", help="Why; kept with the answer.")]
Id = Annotated[str, typer.Argument(help="Id of the request, or its beginning.")]


@app.command("list")
@action
def list_command(
    everything: Annotated[bool, typer.Option("--all", help="With those that were answered in the last day.")] = False,
    as_json: Json = False,
) -> None:
    """Requests that wait, the first to expire first; those that nobody answered expire and hold nothing."""
    from access import requests
    from access.live import ops_reader
    from access.rights import require_role

    at, home = now(), current_home()
    reader = reader_of(home, None)
    require_role(reader, requests.SEEING_ROLES, "see what waits for a second person")
    with ops_reader(home) as live:
        found = requests.waiting(live, reader, at) if live is not None else []
        if everything and live is not None:
            found += requests.answered(live, reader, at)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        {
            "request_id": one.request_id,
            "kind": one.kind.value,
            "state": one.state,
            "asked_by": one.actor,
            "expires_at": one.expires_at,
            "what": _subject(one.subject),
            "covers": one.covers[1],
            "reason": one.reason,
            "decided_by": one.decided_by,
            "answer": one.answer,
        }
        for one in found
    ]
    print_rows(rows, False, empty="no request waits")


@app.command("approve")
@action
def approve_command(request_id: Id, comment: Comment = "", as_json: Json = False) -> None:
    """Let a request stand, as the second person: somebody else than who asked, with a lead's role."""
    from access import requests

    home = current_home()
    _say(requests.approve(home, reader_of(home, None), request_id, comment, now()), as_json)


@app.command("reject")
@action
def reject_command(request_id: Id, comment: Comment, as_json: Json = False) -> None:
    """Refuse a request, or take back one's own; nothing of it ever holds."""
    from access import requests

    home = current_home()
    _say(requests.reject(home, reader_of(home, None), request_id, comment, now()), as_json)


def _say(done: Any, as_json: bool) -> None:
    if as_json:
        print_json(asdict(done))
        return
    stands = f"; {done.kind} {done.result} stands" if done.result else ""
    typer.echo(f"{done.request_id}: {done.state} by {done.decided_by}{stands}")


def _subject(subject: Any) -> str:
    if "labels" in subject:
        return " ".join(f"{label}={value}" for label, value in sorted(subject["labels"].items()))
    if "target" in subject:
        return f"{subject['target_kind']}={subject['target']}"
    return str(subject.get("alert_id") or subject.get("generation") or "")
