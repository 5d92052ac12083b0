"""Options that several verbs take: how layers are mapped, and on which machines a search or sweep runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def mapping_options(when: str = "") -> Decorator:
    """``--objective`` and ``--dataflow``.

    Args:
        when: they count for anything, for their help: ``With --device: ``.
    """
    what = "what" if when else "What"
    objective = click.option(
        "--objective",
        type=click.Choice(("energy", "latency", "edp", "dram")),
        default="energy",
        show_default=True,
        help=f"{when}{what} each layer's mapping minimises.",
    )
    dataflow = click.option(
        "--dataflow",
        default="",
        metavar="NAME",
        help=f"{when}WS, OS-A, OS-B, OS-C, IS, NLR or RS. Default: any.",
    )
    return lambda function: objective(dataflow(function))


def cluster_options(what: str) -> Decorator:
    """``--engine`` and ``--address``.

    Args:
        what: runs there, for the help: ``Where --sweep runs``.
    """
    engine = click.option(
        "--engine",
        type=click.Choice(("local", "ray")),
        default="local",
        show_default=True,
        help=f"{what}: processes of this machine, or a Ray cluster.",
    )
    address = click.option(
        "--address",
        default="",
        metavar="ADDRESS",
        help="The cluster: auto (the default), local, HOST:PORT or ray://HOST:PORT.",
    )
    return lambda function: engine(address(function))
