"""`cityrisk channels list | test | deliveries`: the ways out of the house, whether they work, and what went through."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from cli.shell import Json, current_home, failed, now, ops_engine, print_json, print_rows, verb, wrong_use
from core.settings import Home

if TYPE_CHECKING:
    from alerting.notify.channels.channel_config import ChannelConfig

STATES = ("waiting", "failed", "sent", "dead")
_SHOWN = (
    "channel_id",
    "kind",
    "state",
    "waiting",
    "failed",
    "sent",
    "dead",
    "oldest_waiting_at",
    "last_sent_at",
    "reason",
)

app = typer.Typer()


@app.command("list")
@verb
def list_command(as_json: Json = False) -> None:
    """Every channel, whether it is set up, and how its deliveries of the last day stand."""
    from alerting.notify.channels.health import states

    home = current_home()
    found = [asdict(one) for one in asyncio.run(states(ops_engine(home), home, _book(home), now()))]
    print_rows(found if as_json else [{name: row[name] for name in _SHOWN} for row in found], as_json)


@app.command("test")
@verb
def trial_command(
    channel_id: Annotated[str, typer.Argument(metavar="CHANNEL")],
    to: Annotated[str, typer.Option(help="Whom: a unit, an address, a number, as the channel takes it.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be sent.")] = False,
) -> None:
    """Send one message that says it is a test, and print the receipt; exit 1 when it is not taken."""
    from alerting.notify.channels.form import NotSetUp, NotTaken, Refused
    from alerting.notify.channels.trial import try_channel

    home = current_home()
    book = _book(home)
    if channel_id not in book.channels:
        wrong_use(f"no channel {channel_id!r}; known channels: {', '.join(book.channels)}")
    try:
        print_json(asyncio.run(try_channel(ops_engine(home), home, book, channel_id, to, dry_run, now())))
    except (NotSetUp, NotTaken, Refused) as error:
        failed(f"{channel_id}: {error}")


@app.command("deliveries")
@verb
def deliveries_command(
    channel_id: Annotated[str | None, typer.Option("--channel", help="Only this channel's.")] = None,
    state: Annotated[str | None, typer.Option(help=f"Only those that are {', '.join(STATES)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """The newest deliveries with their receipts."""
    from alerting.notify.channels.claims import newest

    if state is not None and state not in STATES:
        wrong_use(f"no state {state!r}; expected one of {', '.join(STATES)}")
    rows = []
    for one in newest(ops_engine(current_home()), channel_id, state, limit):
        receipt = orjson.loads(one.receipt or "{}")
        shown = receipt if as_json else receipt.get("reason") or receipt.get("answer") or receipt.get("result")
        rows.append({**asdict(one), "receipt": shown})
    print_rows(rows, as_json)


def _book(home: Home) -> ChannelConfig:
    """The home's channels; ends with code 1 when they cannot be read."""
    from alerting.notify.channels.channel_config import ChannelConfigError
    from orchestration.channels import book_of

    try:
        return book_of(home)
    except ChannelConfigError as error:
        failed(str(error))
