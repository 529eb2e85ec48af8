"""`cityrisk users add | close | passwd | logins`: who may log in to the pages."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Annotated

import typer

from cli.alerts import action
from cli.shell import Json, current_home, failed, now, os_user, print_rows

app = typer.Typer()


@app.command("add")
@action
def add(
    name: str,
    role: Annotated[
        str, typer.Option(help="viewer, duty_officer, shift_lead, department_head, data_engineer, administrator.")
    ],
    area: Annotated[str | None, typer.Option(help="Area code of the branch; the whole city without it.")] = None,
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    display_name: Annotated[str, typer.Option(help="As pages show the person.")] = "",
) -> None:
    """Let somebody in, or give a known name a new password; for administrators. The password is shown this once.

    A home's first user is an administrator. Who got a password from another changes it (`users passwd`) before
    approving what that other asks for.
    """
    from access import users
    from access.shell_user import acting

    home = current_home()
    password = secrets.token_urlsafe(12)
    users.let_in(
        home,
        acting(home, os_user()),
        name,
        password,
        role,
        now(),
        display_name=display_name,
        area_code=area,
        language=language,
    )
    typer.echo(f"{name}  {password}")


@app.command("close")
@action
def close(name: str) -> None:
    """Let somebody in no longer, for administrators; the name stays in every history."""
    from access import users
    from access.shell_user import acting

    home = current_home()
    users.shut_out(home, acting(home, os_user()), name, now())
    typer.echo(f"{name}: closed")


@app.command("passwd")
@action
def passwd(name: str) -> None:
    """Change a person's own password; the old one is asked for, and every session of theirs ends."""
    from access import users

    old = typer.prompt("old password", hide_input=True)
    new = typer.prompt("new password", hide_input=True, confirmation_prompt=True)
    try:
        users.change_password(current_home(), name, old, new, now())
    except users.LoginRefused as error:
        failed(str(error))
    typer.echo(f"{name}: changed")


@app.command("logins")
@action
def logins_command(limit: int = 50, as_json: Json = False) -> None:
    """The newest tries to log in, right and wrong, with their sources; for administrators."""
    from access import logins
    from access.shell_user import acting

    home = current_home()
    tries = logins.tries(home, acting(home, os_user()), limit)
    print_rows([asdict(one) for one in tries], as_json, empty="nobody tried yet")
