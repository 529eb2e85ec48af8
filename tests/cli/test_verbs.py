"""The list of verbs says what the verbs say, and defers them without a difference that a person could see."""

from __future__ import annotations

import inspect

import pytest
import typer
from typer.testing import CliRunner

from cli import app
from cli.verbs import VERBS, Deferred, Verbs


@pytest.fixture(scope="module")
def verbs() -> Verbs:
    found = typer.main.get_command(app)
    assert isinstance(found, Verbs)
    return found


def real(verbs: Verbs, name: str) -> typer.core.TyperCommand:
    deferred = verbs.commands[name]
    assert isinstance(deferred, Deferred)
    return deferred.real


@pytest.mark.parametrize("name", VERBS)
def test_the_list_says_what_the_verb_says(verbs: Verbs, name: str) -> None:
    first = inspect.cleandoc(real(verbs, name).help or "").partition("\n\n")[0]
    assert VERBS[name].help == " ".join(first.split())


@pytest.mark.parametrize("name", VERBS)
def test_its_own_help_is_that_of_the_real_verb(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: root {name}" in result.output


def test_every_module_of_verbs_is_listed() -> None:
    from importlib import import_module
    from pkgutil import iter_modules

    import cli

    for module in iter_modules(cli.__path__):
        made = getattr(import_module(f"cli.{module.name}"), "app", None)
        if made is None or made is app:
            continue
        of_module = {name: verb for name, verb in VERBS.items() if verb.module == module.name}
        listed = set(of_module)
        if any(verb.is_group for verb in of_module.values()):
            assert len(listed) == 1
        else:
            assert listed == {info.name for info in made.registered_commands}


def test_a_slip_is_told_with_what_was_meant() -> None:
    result = CliRunner().invoke(app, ["feeed"])
    assert result.exit_code == 2
    assert "Did you mean 'feed'?" in result.output


def test_words_are_completed_down_to_the_options(verbs: Verbs) -> None:
    context = verbs.make_context("cityrisk", [], resilient_parsing=True)
    assert [item.value for item in verbs.shell_complete(context, "qua")] == ["quarantine"]
    group = verbs.commands["quarantine"].make_context("quarantine", [], parent=context, resilient_parsing=True)
    assert [item.value for item in group.command.shell_complete(group, "li")] == ["list"]
    verb = group.command.commands["list"].make_context("list", [], parent=group, resilient_parsing=True)  # type: ignore[attr-defined]
    assert [item.value for item in verb.command.shell_complete(verb, "--re")] == ["--reason"]


# ── values taken as they are, and values that are held against their type ─────────────────────────────────────────────
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["alerts", "list", "--limit", "x"], 2, "Input should be a valid integer"),
        (["alerts", "list", "--limit", "-1"], 2, "greater than or equal to 0"),
        (["channels", "deliveries", "--limit", "0"], 2, "greater than or equal to 1"),
        (["quarantine", "show"], 2, "Missing argument"),
    ],
)
def test_what_is_no_value_of_its_type_is_refused_as_before(words: list[str], code: int, told: str) -> None:
    result = CliRunner().invoke(app, words, terminal_width=200)
    assert (result.exit_code, told in result.output) == (code, True)
