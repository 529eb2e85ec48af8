"""Fill the text templates of this package.

dbt's own Jinja stands in them untouched: ours is written `<< >>` and `<% %>`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import jinja2

LINE = 118


def render(template: str, **values: Any) -> str:
    """One template of `templates/` with its values. Raises jinja2.UndefinedError for a value that is missing."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orchestration.derive"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"packed": packed, "quoted": lambda texts: list(map(repr, texts))}
    return environment


def packed(items: Sequence[str], indent: int = 2) -> str:
    """Items of a list or of a dict of Jinja over as few lines as they need, continued at an indent."""
    lines = [""]
    for item in items:
        # A list of names within an item may be long itself.
        for word in re.split(r"(?<=',) (?=')", f"{item},") if "[" in item else (f"{item},",):
            if lines[-1] and indent + len(lines[-1]) + 1 + len(word) > LINE:
                lines.append(word)
            else:
                lines[-1] += f" {word}" if lines[-1] else word
    return ("\n" + " " * indent).join(lines)
