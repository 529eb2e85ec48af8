"""`cityrisk system list | check | new`: systems as folders."""

from __future__ import annotations

from pathlib import Path

import typer

from cli.shell import Json, failed, print_json, print_rows, systems, verb, wrong_use

app = typer.Typer()


@app.command("list")
@verb
def list_systems(as_json: Json = False) -> None:
    """Every system that the cities describe, with what is there of it."""
    from core.declarations import DeclarationError
    from core.system import SYSTEMS_ROOT
    from orchestration.proofs import CONDITIONS, recorded
    from orchestration.systems import system_rows

    try:
        root = systems()
        rows = system_rows(root, recorded() if root == SYSTEMS_ROOT else None)
    except DeclarationError as error:
        failed(str(error))
    if as_json:
        print_json([row.as_json() for row in rows])
        return
    words = {True: "proven", None: "not proven", False: "no"}
    print_rows(
        [
            {
                "id": row.system.id,
                "name_zh": row.system.name_zh,
                "name_en": row.system.name_en,
                "feeds": len(row.contracts),
                "rules": row.n_rules,
                **{name: words[row.conditions[name]] for name in CONDITIONS},
            }
            for row in rows
        ],
        as_json=False,
    )


@app.command("check")
@verb
def check_systems(system_id: str | None = typer.Argument(None, help="Id of one system; all without it.")) -> None:
    """Look folders over: every fault with file, line, found and expected. Exit 1 when there is one."""
    from city.check import simulation_faults
    from orchestration.system_check import check_folders

    faults, n_checked = check_folders(systems(), system_id)
    if not faults:
        faults = simulation_faults(systems(), system_id)
    if not n_checked and not faults:
        failed(f"no system {system_id!r} under {systems()}; `cityrisk system list` names those there are")
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise typer.Exit(1)
    typer.echo("1 system is in order" if n_checked == 1 else f"{n_checked} systems are in order")


@app.command("new")
@verb
def new_system(
    place: str = typer.Argument(..., metavar="DOMAIN/NAME", help="Where it goes, for example lifeline/bridge."),
    system_id: str | None = typer.Option(None, "--id", help="Its id; the next free one of the domain without it."),
) -> None:
    """Write the folder of a new system, which `system check` passes, into the checkout of the current folder."""
    from core.declarations import DeclarationError
    from orchestration.system_check import write_skeleton

    root = Path.cwd() / "systems"
    if not root.is_dir():
        wrong_use(f"no folder {root}; stand in a checkout of the product")
    try:
        folder = write_skeleton(root, place, system_id)
    except (DeclarationError, ValueError) as error:
        failed(str(error))
    typer.echo(
        f"wrote {folder}; replace the draft feed under feeds/ and its sample (`cityrisk feed new SAMPLE`), then "
        "`cityrisk system check`"
    )
