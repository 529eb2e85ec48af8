"""`cityrisk alerts list | show | ack | …`: the life cycle of alerts from a shell.

The actor is the user of the machine; an administrator may act for another with `--actor`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from cli.shell import Json, current_home, failed, now, os_user, print_json, print_rows, verb, wrong_use
from core.errors import ExplainedError
from core.settings import Home

if TYPE_CHECKING:
    from access.alerts_view import AlertDetail, ListedAlert

app = typer.Typer()

P = ParamSpec("P")
Actor = Annotated[str | None, typer.Option(help="In whose name, for administrators; else the user of this machine.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="What was seen or done; kept in the history.")]
Minutes = Annotated[float, typer.Option(help="For how many minutes.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would cover, and change nothing.")]
LONGEST_MINUTES = 366 * 24 * 60
ROWS_A_PAGE = 50
_LISTED = (
    "alert_id",
    "colour",
    "state",
    "object_name_zh",
    "matters_zh",
    "opened_at",
    "due_at",
    "disposing_unit_zh",
    "n_reports",
    "is_exercise",
    "marks",
)


def action(function: Callable[P, None]) -> Callable[P, None]:
    """A verb whose refusals (not allowed, no such alert, illegal step) are one line on stderr and exit code 1."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (ExplainedError, LookupError, ValueError) as error:
            failed(str(error))

    return verb(wrapped)


def reader_of(home: Home, actor: str | None) -> Any:
    """Who acts: the user of the machine by its name in the product, or another in whose name an administrator acts."""
    from access.shell_user import acting

    return acting(home, os_user(), actor)


# ── look ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@app.command("list")
@action
def list_alerts(
    state: Annotated[list[str] | None, typer.Option(help="Only these states; living ones without it.")] = None,
    colour: Annotated[list[str] | None, typer.Option(help="Only these colours.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only this domain.")] = None,
    area: Annotated[str | None, typer.Option(help="Only this area and what lies in it.")] = None,
    page: Annotated[int, typer.Option(help="Which page, from 0 on.", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="Rows a page; 0 shows all.", min=0)] = ROWS_A_PAGE,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Alerts that people work on, the worst first."""
    from access import alerts_view
    from access.live import ops_reader

    home = current_home()
    wanted = alerts_view.AlertFilter(
        tuple(state or alerts_view.LISTED), tuple(colour or alerts_view.COLOURS), domain, area
    )
    with ops_reader(home) as live:
        reader = reader_of(home, actor)
        board = alerts_view.board(live, reader, wanted, page, limit or None) if live is not None else None
    rows = [asdict(one) for one in board.rows] if board else []
    shown = [] if board is None else [{**_cells(one), "marks": _marks(one)} for one in board.rows]
    if board is not None and page and not rows:
        last = max(-(-board.n_matching // limit) - 1, 0) if limit else 0
        failed(
            f"page {page} found, expected 0 to {last}: {board.n_matching} alerts match; --page {last} shows the last"
        )
    print_rows(rows if as_json else shown, as_json, empty="no alert")
    n_left = board.n_matching - page * limit - len(rows) if board else 0
    if n_left > 0:
        typer.echo(f"{n_left} more alerts; --page {page + 1} shows the next, --limit 0 all", err=True)


@app.command("show")
@action
def show_alert(alert_id: str, actor: Actor = None, as_json: Json = False) -> None:
    """One alert with all that is known of it, and its history."""
    from access import alerts, alerts_view, publication
    from access.live import ops_reader

    home = current_home()
    reader = reader_of(home, actor)
    whole_id = alerts.whole_id(home, reader, alert_id)
    with ops_reader(home) as live:
        alert = alerts_view.alert(live, reader, whole_id) if live is not None else None
        if alert is None or live is None:
            failed(f"no alert {alert_id}")
        row = {**asdict(alert), "shown_state": alert.shown_state, "publication": publication.state_of(live, alert)}
        history = [asdict(event) for event in alerts_view.history(live, whole_id)]
    if as_json:
        print_json({**row, "history": history})
        return
    for name, value in {**row, "marks": _marks(alert)}.items():
        typer.echo(f"{name:20}{'-' if value is None else value}")
    names = ("at", "kind", "to_state", "colour", "value", "actor", "reason")
    print_rows([{name: event[name] for name in names} for event in history], False)
    typer.echo(f"next: {', '.join(alerts_view.allowed(alert.state)) or 'nothing'}")


def _cells(alert: ListedAlert) -> dict[str, object]:
    return {name: getattr(alert, name) for name in _LISTED}


def _marks(alert: ListedAlert | AlertDetail) -> str:
    from access.alerts_view import marks_of

    return ", ".join(" ".join(mark) for mark in marks_of(alert))


# ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _step(alert_id: str, step: str, comment: str, actor: str | None, as_json: bool, to: str | None = None) -> None:
    from access import alerts

    home = current_home()
    alert = alerts.act(home, reader_of(home, actor), alert_id, step, comment, now(), to=to)
    if as_json:
        print_json(asdict(alert))
        return
    typer.echo(f"{alert.alert_id}: {alert.state}")


@app.command("ack")
@action
def ack(alert_id: str, comment: Comment = "", actor: Actor = None, as_json: Json = False) -> None:
    """Acknowledge: somebody has seen it and deals with it."""
    _step(alert_id, "acknowledged", comment, actor, as_json)


@app.command("dispatch")
@action
def dispatch(
    alert_id: str,
    to: Annotated[str | None, typer.Option(help="Organisation id; the disposing unit without it.")] = None,
    comment: Comment = "",
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Send the disposing unit."""
    _step(alert_id, "dispatched", comment, actor, as_json, to)


@app.command("resolve")
@action
def resolve(alert_id: str, comment: Comment, actor: Actor = None, as_json: Json = False) -> None:
    """Say that the danger is over, and how that was seen."""
    _step(alert_id, "resolved", comment, actor, as_json)


@app.command("close")
@action
def close(alert_id: str, comment: Comment = "", actor: Actor = None, as_json: Json = False) -> None:
    """Close a resolved alert."""
    _step(alert_id, "closed", comment, actor, as_json)


@app.command("archive")
@action
def archive(alert_id: str, comment: Comment = "", actor: Actor = None, as_json: Json = False) -> None:
    """File a closed alert."""
    _step(alert_id, "archived", comment, actor, as_json)


@app.command("comment")
@action
def comment_on(alert_id: str, comment: Comment, actor: Actor = None, as_json: Json = False) -> None:
    """Add a remark to the history."""
    _step(alert_id, "commented", comment, actor, as_json)


@app.command("publish")
@action
def publish(alert_id: str, comment: Comment, actor: Actor = None, as_json: Json = False) -> None:
    """Ask that a flagged alert (over range, late) go out over CAP; another person releases or refuses it."""
    from access import publication

    home = current_home()
    done = publication.ask(home, reader_of(home, actor), alert_id, comment, now())
    if as_json:
        print_json({"id": done.id, "waits": done.waits, "covers": done.covers[1], "until": done.until})
        return
    typer.echo(
        f"{done.id}: nothing is published yet; a second person must release it before {done.until:%Y-%m-%d %H:%M}Z:"
        f" `cityrisk requests approve {done.id}` or `reject`"
    )


# ── reports ───────────────────────────────────────────────────────────────────────────────────────────────────────────
Kind = Annotated[str, typer.Option(help="Domain and kind of risk, like lifeline/gas.")]
Colour = Annotated[str, typer.Option(help="red, orange, yellow or blue.")]
Area = Annotated[str, typer.Option(help="Area code, 6 to 12 digits.")]
Name = Annotated[str, typer.Option(help="Where, as people call it.")]
Text = Annotated[str, typer.Option(help="What was reported.")]
ObjectId = Annotated[str | None, typer.Option("--object", help="Object id, when one is concerned.")]
Key = Annotated[str | None, typer.Option(help="Number of the call, so that entering it twice is one report.")]


def _enter(
    kind: str,
    colour: str,
    area: str,
    name: str,
    text: str,
    object_id: str | None,
    key: str | None,
    actor: str | None,
    is_exercise: bool,
    as_json: bool,
) -> None:
    from access import alerts

    domain, slash, subdomain = kind.partition("/")
    if not slash:
        wrong_use(f"kind {kind!r} found, expected domain/kind, like lifeline/gas")
    home = current_home()
    report = alerts.Report(
        key or secrets.token_hex(8),
        domain,
        subdomain,
        colour,
        area,
        name,
        text,
        object_id=object_id,
        is_exercise=is_exercise,
    )
    alert_id = alerts.enter(home, reader_of(home, actor), report, now())
    if as_json:
        print_json({"alert_id": alert_id, "is_exercise": is_exercise})
        return
    typer.echo(f"{alert_id}: {'exercise ' if is_exercise else ''}{colour} {kind} at {name}")


@app.command("enter")
@action
def enter(
    kind: Kind,
    colour: Colour,
    area: Area,
    name: Name,
    text: Text,
    object_id: ObjectId = None,
    key: Key = None,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Enter an event that was phoned in."""
    _enter(kind, colour, area, name, text, object_id, key, actor, False, as_json)


@app.command("exercise")
@action
def exercise(
    kind: Kind,
    colour: Colour,
    area: Area,
    name: Name,
    text: Text,
    object_id: ObjectId = None,
    key: Key = None,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Enter an event of an exercise: marked everywhere, never told to the public."""
    _enter(kind, colour, area, name, text, object_id, key, actor, True, as_json)


# ── silences and maintenance ──────────────────────────────────────────────────────────────────────────────────────────
@app.command("silence")
@action
def silence(
    label: Annotated[list[str], typer.Argument(help="label=value, all of them must match, like object_id=water:S1.")],
    minutes: Minutes,
    reason: Annotated[str, typer.Option(help="Why; kept with the silence.")],
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Keep alerts quiet for a time; they are told when it ends. Beyond what one person may, a request waits."""
    from access import alerts

    home, at = current_home(), now()
    reader, labels, ends_at = reader_of(home, actor), _labels(label), _end(at, minutes)
    if dry_run:
        _say_covered(alerts.covered(home, reader, labels, ends_at - at, at), as_json)
        return
    _say_quieted(alerts.silence(home, reader, labels, reason, ends_at, at), as_json)


@app.command("silences")
@action
def list_silences(as_json: Json = False) -> None:
    """Silences that hold or are to come."""
    from access import alerts

    print_rows([asdict(one) for one in alerts.silences(current_home(), now())], as_json, empty="nothing is silenced")


@app.command("end-silence")
@action
def end_silence(silence_id: str, actor: Actor = None) -> None:
    """End a silence before its time."""
    from access import alerts

    home = current_home()
    alerts.end_silence(home, reader_of(home, actor), silence_id, now())
    typer.echo(f"{silence_id}: ended")


@app.command("maintenance")
@action
def maintenance(
    target: Annotated[str, typer.Argument(help="kind=id, like device=water:S1; kinds: device, object, area, feed.")],
    minutes: Minutes,
    reason: Annotated[str, typer.Option(help="What is being done.")],
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Announce work from now on: readings of the target neither start nor end an episode.

    Of a feed, a county, many devices or for long it is a request that a second person must approve.
    """
    from access import maintenance as announced

    home, at = current_home(), now()
    ((kind, code),) = _labels([target]).items()
    reader, ends_at = reader_of(home, actor), _end(at, minutes)
    if dry_run:
        _say_covered(announced.covered(home, reader, kind, code, ends_at - at, at), as_json)
        return
    _say_quieted(announced.announce(home, reader, kind, code, reason, at, ends_at, at), as_json)


@app.command("windows")
@action
def list_windows(as_json: Json = False) -> None:
    """Announced work that is on or to come."""
    from access import maintenance as announced
    from access.live import ops_reader

    with ops_reader(current_home()) as live:
        found = announced.windows(live, now()) if live is not None else []
    print_rows([asdict(one) for one in found], as_json, empty="no work is announced")


@app.command("end-maintenance")
@action
def end_maintenance(window_id: str, actor: Actor = None) -> None:
    """Take announced work back from now on."""
    from access import maintenance as announced

    home = current_home()
    announced.cancel(home, reader_of(home, actor), window_id, now())
    typer.echo(f"{window_id}: ended")


def _end(at: datetime, minutes: float) -> datetime:
    """The end of a span that somebody typed; a slip of the pen is no span of centuries."""
    if not 0 < minutes <= LONGEST_MINUTES:
        wrong_use(f"{minutes:g} minutes found, expected more than 0 and at most {LONGEST_MINUTES} (a year)")
    return at + timedelta(minutes=minutes)


def _say_quieted(done: Any, as_json: bool) -> None:
    """What it covers first, then whether it stands or waits."""
    if as_json:
        print_json({"id": done.id, "waits": done.waits, "covers": done.covers[1], "until": done.until})
        return
    typer.echo(done.covers[1])
    until = f"{done.until:%Y-%m-%d %H:%M}Z"
    if done.waits:
        typer.echo(
            f"{done.id}: nothing is quiet yet; a second person must approve it before {until}:"
            f" `cityrisk requests approve {done.id}`"
        )
        return
    typer.echo(f"{done.id}: until {until}")


def _say_covered(found: Any, as_json: bool) -> None:
    if as_json:
        print_json({"covers": found.description[1], "needs_second": found.needs_second})
        return
    typer.echo(f"{found.description[1]}; {'needs a second person' if found.needs_second else 'one person may'}")


def _labels(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        label, equals, value = text.partition("=")
        if not equals:
            wrong_use(f"{text!r} found, expected label=value")
        found[label] = value
    return found
