"""The options by which verbs are told a network with weights, and the images it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])


def subject_options(
    *, split: Literal["train", "test"], batch: int
) -> Callable[[_Function], _Function]:
    """Adds the argument RUN|NET and ``--data --split --weights --checkpoint --transforms --batch``.

    Args:
        split: the part of the data unless one is named.
        batch: so many images at once unless a number is given.
    """
    options = (
        click.argument("network", metavar="RUN|NET"),
        click.option("--data", metavar="NAME[:PATH]", help="digits, fashion_mnist, folder:PATH ...; default: a run's own."),
        click.option("--split", type=click.Choice(["test", "train", "validation"]), default=split, show_default=True, help="Part of the data; validation: what a run kept from training."),
        click.option("--weights", help="Of a network by name: torchvision, another source, a file, or random; default: the first source known."),
        click.option("--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Of a run."),
        click.option("--transforms", multiple=True, metavar="TEXT", help="One step of the preprocessing, e.g. resize:256; may be repeated. Default: what the weights were trained for."),
        click.option("--batch", type=click.IntRange(1), default=batch, show_default=True, help="Images at once."),
    )  # fmt: skip

    def decorate(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate
