"""`cityrisk users add | close`: who may log in to the pages."""

from __future__ import annotations

import getpass
import secrets
from typing import Annotated

import typer

from orchestration.cli.alerts import deed
from orchestration.cli.shell import app, current_home, now

users_app = typer.Typer(help="People who may log in: add, close.", no_args_is_help=True)
app.add_typer(users_app, name="users")


@users_app.command("add")
@deed
def add(
    name: str,
    role: Annotated[str, typer.Option(help="viewer, duty_officer, shift_lead, department_head or administrator.")],
    area: Annotated[str | None, typer.Option(help="Area code of the branch; the whole city without it.")] = None,
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    display_name: Annotated[str, typer.Option(help="As pages show the person.")] = "",
) -> None:
    """Let somebody in, or give a known name a new password; the password is shown this once."""
    from access import users

    password = secrets.token_urlsafe(12)
    users.add_user(
        current_home(), name, password, role, now(),
        display_name=display_name, area_code=area, language=language, actor=getpass.getuser(),
    )  # fmt: skip
    typer.echo(f"{name}  {password}")


@users_app.command("close")
@deed
def close(name: str) -> None:
    """Let somebody in no longer; the name stays in every history."""
    from access import users

    users.close_user(current_home(), name, now(), getpass.getuser())
    typer.echo(f"{name}: closed")
