"""The command line reference as Markdown: `python -m tests.support.cli_reference > docs/cli.md`.

It is built from the signatures and docstrings of the commands, so that it depends neither on the
terminal nor on how a version of typer formats `--help`.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from typer.models import ArgumentInfo, OptionInfo

from a2r.cli.app import app

INTRODUCTION = """\
# Command line

The commands of `a2r` with their arguments and options, generated from the source by \
`python -m tests.support.cli_reference`. Every command prints its help with `-h` or `--help`.
"""
METAVARS = {str: "TEXT", int: "INTEGER", float: "FLOAT", Path: "PATH"}
Command = Callable[..., Any]


def reference() -> str:
    """Return the Markdown document."""
    return "\n".join([INTRODUCTION, *_group(app, "a2r", level=1)])


def _group(group: typer.Typer, name: str, *, level: int) -> Iterator[str]:
    root = group.registered_callback
    if root is None or root.callback is None:
        yield f"{'#' * level} {name}\n\n{group.info.help}\n\n```text\n{name} COMMAND\n```\n"
    else:
        suffix = "" if root.invoke_without_command is True else "COMMAND"
        yield from _section(root.callback, name, name, suffix, level=max(2, level))
    for info in group.registered_commands:
        assert info.callback is not None
        command = f"{name} {info.name or info.callback.__name__.replace('_', '-')}"
        yield from _section(info.callback, command, command, level=level + 1)
    for child in group.registered_groups:
        assert child.typer_instance is not None
        yield from _group(child.typer_instance, f"{name} {child.name}", level=level + 1)


def _section(
    command: Command, title: str, usage: str, suffix: str = "", *, level: int
) -> Iterator[str]:
    parameters = list(_parameters(command))
    arguments = [parameter for parameter in parameters if not parameter.is_option]
    options = [parameter for parameter in parameters if parameter.is_option]
    words = [usage, *(["[OPTIONS]"] if options else []), *(p.usage for p in arguments), suffix]
    yield f"{'#' * level} {title}\n"
    for paragraph in (inspect.getdoc(command) or "").split("\n\n"):
        yield f"{' '.join(paragraph.split())}\n"
    yield f"```text\n{' '.join(words).strip()}\n```\n"
    if parameters:
        yield "\n".join(parameter.line for parameter in [*arguments, *options]) + "\n"


class _Parameter:
    """An argument or option as declared in the signature of a command."""

    def __init__(self, name: str, hint: Any, default: Any) -> None:
        self._type, self._info = typing.get_args(hint)
        assert isinstance(self._info, ArgumentInfo | OptionInfo)
        self._name = name
        self._default = default
        self.is_option = isinstance(self._info, OptionInfo)

    @property
    def usage(self) -> str:
        """The argument in the usage line, in brackets if it is optional."""
        required = self._default is inspect.Parameter.empty
        repeated = _is_list(self._type) and not self._metavar.endswith("...")
        name = self._metavar if required else f"[{self._metavar}]"
        return f"{name}..." if repeated else name

    @property
    def line(self) -> str:
        """The list item: names, metavar, help, range and default."""
        label = self._metavar
        if self.is_option:
            label = f"{', '.join(self._names)} {label}"
        notes = [note for note in (self._range, self._default_note) if note]
        return f"- `{label.strip()}`: {self._info.help}{''.join(f' ({note})' for note in notes)}"

    @property
    def _names(self) -> list[str]:
        # typer.Option takes the first name as its parameter `default`.
        declared = [self._info.default, *(self._info.param_decls or ())]
        names = [name for name in declared if isinstance(name, str)]
        return names or [f"--{self._name.replace('_', '-')}"]

    @property
    def _metavar(self) -> str:
        if self._info.metavar:
            return str(self._info.metavar)
        base = _base_type(self._type)
        if not self.is_option:
            return self._name.upper()
        if base is bool:
            return ""
        if issubclass(base, Enum):
            return "|".join(str(member.value) for member in base)
        return METAVARS[base]

    @property
    def _range(self) -> str:
        low, high = self._info.min, self._info.max
        if low is not None and high is not None:
            return f"{low} to {high}"
        return "" if low is None else f"at least {low}"

    @property
    def _default_note(self) -> str:
        value = self._default.value if isinstance(self._default, Enum) else self._default
        absent = value is inspect.Parameter.empty or value is None or isinstance(value, bool)
        return "" if absent else f"default: {value}"


def _parameters(command: Command) -> Iterator[_Parameter]:
    hints = typing.get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        if typing.get_origin(hints[name]) is typing.Annotated:
            yield _Parameter(name, hints[name], parameter.default)


def _is_list(hint: Any) -> bool:
    """Whether a type is `list[X]` or `list[X] | None`."""
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return any(typing.get_origin(part) is list for part in parts)


def _base_type(hint: Any) -> type:
    """The type behind `X | None` and `list[X]`."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is list:
        return _base_type(next(t for t in typing.get_args(hint) if t is not type(None)))
    assert isinstance(hint, type)
    return hint


if __name__ == "__main__":
    print(reference(), end="")
