"""`Verb`: a command whose ``--help`` lists what many verbs share under titles of its own; `section` makes such options."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])

OWN = "Options"
OUTPUT = "Output"
LIMITS = "Limits, for continuous integration"


class _Option(click.Option):
    """An option that knows its title."""

    def __init__(self, *args: Any, section: str, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.section = section


def section(title: str) -> Callable[..., Callable[[_Function], _Function]]:
    """``click.option``, for options that ``--help`` lists under a title."""
    return partial(click.option, cls=_Option, section=title)


class Verb(click.Command):
    """A command with its own options first and those of its output last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes each section."""
        listed: dict[str, list[tuple[str, str]]] = {OWN: []}
        for param in self.get_params(ctx):
            title = getattr(param, "section", OWN)
            if (
                isinstance(param, click.Option)
                and (record := param.get_help_record(ctx)) is not None
            ):
                name, text = record
                listed.setdefault(title, []).append((_RANGE.sub(_short, name), text))
        for title in sorted(listed, key=_place):
            if listed[title]:
                with formatter.section(title):
                    formatter.write_dl(listed[title])


_RANGE = re.compile(r"\b(INTEGER|FLOAT)( RANGE)?$")


def _short(kind: re.Match[str]) -> str:
    return "N" if kind[1] == "INTEGER" else "X"


def _place(title: str) -> int:
    return {OWN: 0, OUTPUT: 2}.get(title, 1)
