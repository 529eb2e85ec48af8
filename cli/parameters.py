"""Values of the command line that are plainly what they should be, taken as they are.

Typer holds every value against pydantic, whose import costs as much as a light verb. A text, a whole number within its
bounds and what was not given need none of it; everything else, every error among it, goes on to Typer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from typer._coercion import RuntimeParam, TypeDescriptor, build_runtime_param
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_MOST_DIGITS = 15


class PlainParameters:
    """A command or group whose parameters, `--help` among them, look at a value themselves before they ask Typer."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, each made so once."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for one in parameters:
            if isinstance(one, TyperArgument | TyperOption) and one._runtime_param is None:
                descriptor = one.type_descriptor
                one._runtime_param = _Plain(descriptor.parameter_info, descriptor.annotation, descriptor)
        return parameters


class Command(PlainParameters, TyperCommand):
    """A verb."""


class Group(PlainParameters, TyperGroup):
    """A group of verbs."""


@dataclass(frozen=True)
class _Plain(RuntimeParam):
    descriptor: TypeDescriptor

    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
        if self.annotation is str and isinstance(value, str):
            return value
        if self.annotation == list[str] and _is_texts(value):
            return list(value)
        if self.annotation is int and (number := _whole(value)) is not None and self._is_within(number):
            return number
        return build_runtime_param(self.descriptor).coerce(value, param, ctx)

    def _is_within(self, number: int) -> bool:
        least, most = cast("Any", self.parameter_info.min), cast("Any", self.parameter_info.max)
        return (least is None or least <= number) and (most is None or number <= most)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS else None
    return value if type(value) is int else None
