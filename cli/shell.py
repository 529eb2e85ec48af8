"""What every verb shares: the home it works on, printing, and errors as one clear line."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, ParamSpec

import typer

from core.errors import ExplainedError
from core.settings import Home, home_folder, open_home

if TYPE_CHECKING:
    import sqlalchemy as sa

    from core.contract import Contract

P = ParamSpec("P")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def now() -> datetime:
    """The wall clock, read here and handed down."""
    return datetime.now(UTC)


def os_user() -> str:
    """The name behind the process's user id, since anybody can set USER; the number when the machine has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def current_home() -> Home:
    """The home that the environment names, `./var` without one."""
    return open_home(os.environ)


def ops_engine(home: Home) -> sa.Engine:
    """The home's ops store."""
    from core.store.database import open_ops

    return open_ops(home.ops_url)


def systems() -> Path:
    """The folder of systems that the environment names."""
    from core.system import systems_root

    return systems_root(os.environ)


def project_root() -> Path:
    """The folder of the dbt project and of derived files: this checkout, or that in CITYRISK_PROJECT."""
    return Path(os.environ.get("CITYRISK_PROJECT") or Path(__file__).parents[1])


def all_contracts(*, with_drafts: bool = False) -> dict[str, Contract]:
    """Every contract; drafts only where asked for."""
    from core.catalogue import load_contracts

    return load_contracts(systems(), with_drafts=with_drafts)


def contract_of(feed_id: str, *, with_drafts: bool = False) -> Contract:
    """One contract by feed id; ends with code 2 and the known ids when there is none."""
    contracts = all_contracts(with_drafts=with_drafts)
    if feed_id not in contracts:
        wrong_use(f"no feed {feed_id!r}; known feeds: {', '.join(contracts)}")
    return contracts[feed_id]


def instant_of(text: str) -> datetime:
    """A Beijing day or instant as one in UTC; ends with code 2 for what is neither."""
    from core.civil_time import CIVIL_ZONE

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        wrong_use(f"{text!r} is no day or instant; write 2026-01-31 or 2026-01-31T08:00")
    return (found if found.tzinfo else found.replace(tzinfo=CIVIL_ZONE)).astimezone(UTC)


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Turn explained errors, and a disk that is full or closed, into one line on stderr and exit code 1."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        os.umask(0o077)  # what a home holds is for its owner only, in every process that a verb starts
        try:
            function(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except ExplainedError as error:
            failed(str(error))
        except Exception as error:
            from core.runtime.disk import disk_trouble

            trouble = disk_trouble(error, home_folder(os.environ))
            if trouble is None:
                raise
            failed(f"{trouble.found}; {trouble.next_step}")

    return wrapped


def failed(text: str) -> NoReturn:
    """Say why on stderr and end with code 1."""
    typer.echo(text, err=True)
    raise typer.Exit(1)


def wrong_use(text: str) -> NoReturn:
    """Say what was wrong with the call on stderr and end with code 2."""
    typer.echo(text, err=True)
    raise typer.Exit(2)


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, empty: str = "nothing") -> None:
    """Rows as JSON, or as an aligned text table with the columns of the first row."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        typer.echo(empty)
        return
    names = list(rows[0])
    cells = [names, *([_text(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    for line in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_json(value: Any) -> None:
    """One JSON document; times as ISO text."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=_plain)
    sys.stdout.write("\n")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        if value.tzinfo is None:  # civil time of a zone that the statement chose: Z would be a lie
            return value.strftime("%Y-%m-%d %H:%M:%S")
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"cannot print {type(value).__name__} as JSON")
