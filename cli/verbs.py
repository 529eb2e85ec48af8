"""Every verb of `cityrisk`, with the module that knows it: a verb is imported when it is called, and no other is.

So `cityrisk --help` reads this list alone. What it says of a verb is the first paragraph of the verb's own words, which
a test compares; what it says of a group of verbs stands nowhere else.
"""

from __future__ import annotations

import atexit
import gc
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperCommand
from typer.main import get_command_from_info
from typer.models import CommandInfo

from cli.parameters import Command, Group


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb, or a group of verbs: the module of this room whose `app` has it, and what it is for."""

    module: str
    help: str
    is_group: bool = False
    is_hidden: bool = False


_BACKTEST = "Fold landed rows by some rules; list the alerts gained, lost, earlier and later than what was."

VERBS: Mapping[str, Verb] = {
    "replay": Verb("backtest", _BACKTEST, is_hidden=True),  # its older name goes on working
    "backtest": Verb("backtest", _BACKTEST),
    "sql": Verb("data", "Read-only SQL on the newest published generation, or as known at an instant, sandboxed."),
    "export": Verb("data", "Write one published table to a file, within the caller's rights."),
    "decode": Verb(
        "decode",
        "One JSON line for each frame; exit 1 when any was refused. HJ 212 frames may also be given as text.",
    ),
    "up": Verb(
        "processes",
        "Start every process of this home, or bring them in line with its settings, and print the addresses.",
    ),
    "down": Verb("processes", "Stop every process of this home."),
    "status": Verb(
        "processes",
        "How every process of this home is, and its heartbeat outside; exit 1 when one is not well.",
    ),
    "demo": Verb("demo", "Build the simulated city, run the whole batch, start everything and print the addresses."),
    "backup": Verb(
        "operations", "Write the ops store and the encrypted archive into one tar file; keys are not in it."
    ),
    "restore": Verb(
        "operations",
        "Bring a backup back into an empty home; the next run rebuilds landing, warehouse and pages from it.",
    ),
    "withdraw": Verb(
        "operations",
        "Take a landed batch back: its rows leave the warehouse with the next run; alerts stay as they were.",
    ),
    "reland": Verb(
        "operations", "Drop what one feed has landed and land it again from the archive under today's contract."
    ),
    "doctor": Verb("operations", "Look this home over; exit 1 when something is not well."),
    "run": Verb("run", "Run one batch: fetch → land → check → build → audit → publish."),
    "fetch": Verb("run", "Fetch one feed once and land it."),
    "derive": Verb(
        "run",
        "Rewrite what the folders of systems imply: models, sources and seeds of the warehouse, docs, list of columns.",
    ),
    "broker": Verb(
        "serve", "Become the broker of this home: streams, and the MQTT listener behind the process `mqtt`."
    ),
    "listen": Verb(
        "serve", "Listen to devices (TCP, UDP, MQTT) and open the HTTP push door of feeds that have a token."
    ),
    "mqtt": Verb(
        "serve", "Take devices' MQTT connections on to the broker; a message too large costs itself and no connection."
    ),
    "intake": Verb("serve", "Take what came in: conform it, hand it to alerting, land it."),
    "alerting": Verb("serve", "Compare readings with the rules, open and follow alerts, tell people."),
    "pages": Verb("serve", "Serve the pages of this home."),
    "graph": Verb(
        "serve",
        "Run Dagster with its schedules and sensors for this home, and its page: read-only, behind a login.",
    ),
    "alerts": Verb("alerts", "Alerts: list, show, and every step of their life.", is_group=True),
    "channels": Verb("channels", "Channels: list, test, deliveries.", is_group=True),
    "checks": Verb("checks", "Checks made from contracts: take them elsewhere.", is_group=True),
    "feed": Verb("feeds", "Contracts: list, show, check, propose a new one.", is_group=True),
    "quarantine": Verb("quarantine", "Rejected rows: list, show, replay.", is_group=True),
    "requests": Verb("requests", "What waits for a second person: list, approve, reject.", is_group=True),
    "rules": Verb("rules", "Alert rules: publish, list, show.", is_group=True),
    "schedules": Verb("schedules", "Dagster's schedules and sensors: list, start, stop.", is_group=True),
    "system": Verb("systems", "Systems as folders: list, check, start a new one.", is_group=True),
    "users": Verb("users", "People who may log in: add, close, passwd, logins.", is_group=True),
}


class Deferred(TyperCommand):
    """A verb by name and words alone; whoever calls it, asks for its help or completes its words gets the real one."""

    def __init__(self, name: str, words: str | None, make: Callable[[], Any], *, is_hidden: bool = False) -> None:
        super().__init__(name, help=words, hidden=is_hidden)
        self._make = make

    @cached_property
    def real(self) -> Any:
        """The command with its parameters; of a group, with its verbs deferred in their turn."""
        return self._make()

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """The context of the real command, in which everything else happens."""
        return self.real.make_context(*arguments, **options)


class Verbs(Group):
    """The group of all verbs, in the order of the list."""

    def __init__(self, **options: Any) -> None:
        known = {
            name: Deferred(name, verb.help, partial(_imported, name, verb), is_hidden=verb.is_hidden)
            for name, verb in VERBS.items()
        }
        super().__init__(**{**options, "commands": known})


def _imported(name: str, verb: Verb) -> Command | Group:
    infos = {str(info.name): info for info in import_module(f"cli.{verb.module}").app.registered_commands}
    if not verb.is_group:
        return _command(infos[name])
    known: dict[str, Any] = {
        name: Deferred(name, inspect.getdoc(info.callback), partial(_command, info), is_hidden=info.hidden)
        for name, info in infos.items()
    }
    return Group(name=name, commands=known, help=verb.help, no_args_is_help=True, rich_markup_mode=app.rich_markup_mode)


def _command(info: CommandInfo) -> Command:
    info.cls = Command
    made = get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=app.rich_markup_mode)
    return cast("Command", made)


app = typer.Typer(
    cls=Verbs,
    help="City risk warehouse: feeds, checks, risk indices and pages.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _cityrisk() -> None:
    """Its help is that of `app`; a callback makes it a group before any verb is known."""
    # The last collection would walk all that libraries made, a tenth of a light verb; the system takes it back anyway.
    atexit.register(gc.freeze)
