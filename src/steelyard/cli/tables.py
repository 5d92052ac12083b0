"""``steelyard tables NAME``: published tables beside the same figures counted by steelyard."""

from __future__ import annotations

import click

from steelyard.cli._output import FORMATS, Output, output_options


@click.group("tables")
def command() -> None:
    """Print a published table beside the same figures, counted from captured networks."""


@command.command("popular-networks")
@output_options(*FORMATS)
def popular_networks(output: Output) -> None:
    """LeNet-5, AlexNet, OverFeat, VGG-16, GoogLeNet and ResNet-50, published and counted.

    The published side is table 2.2 of Sze et al., "Efficient Processing of Deep Neural Networks",
    2020; each known difference stands beside its number.
    """
    from steelyard import tables

    with output.working("building and capturing the networks"):
        result = tables.popular_networks()
    output.show(result)


@command.command("networks")
@click.argument("pattern", default="*")
@output_options(*FORMATS)
def networks(pattern: str, output: Output) -> None:
    """Every published count of parameters and MACs of the zoo's networks, ours, and why they differ.

    \b
    steelyard tables networks "mobilenet*"
    """
    from steelyard import tables

    with output.steps() as step:
        result = tables.networks(pattern, progress=step)
    output.show(result)


@command.command("eyeriss-chip")
@click.argument("network", nargs=-1)
@output_options(*FORMATS)
def eyeriss_chip(network: tuple[str, ...], output: Output) -> None:
    """The Eyeriss chip as measured (AlexNet, VGG-16) and as modelled: latency, buffer and DRAM accesses.

    \b
    steelyard tables eyeriss-chip alexnet
    """
    from steelyard import tables

    with output.working("capturing the networks"):
        result = tables.eyeriss_chip(network) if network else tables.eyeriss_chip()
    output.show(result)


@command.command("row-stationary")
@output_options(*FORMATS)
def row_stationary(output: Output) -> None:
    """Energy of six dataflows on AlexNet: the row-stationary study (ISCA 2016) run again, and ours."""
    from steelyard import tables

    with output.steps() as step:
        result = tables.row_stationary(progress=step)
    output.show(result)


@command.command("dataflows")
@click.option(
    "--batch",
    "batches",
    multiple=True,
    type=int,
    default=(16,),
    show_default=True,
    help="Images at once: 1, 16, 64 (convolutions), 16, 64, 256 (fully connected layers); several.",
)
@output_options(*FORMATS)
def dataflows(batches: tuple[int, ...], output: Output) -> None:
    """The study's six dataflows through the mapper, on equal area, and what the free optimum saves."""
    from steelyard import tables

    with output.steps() as step:
        result = tables.dataflows(batches=batches, progress=step)
    output.show(result)


@command.command("network-energy")
@output_options(*FORMATS)
def network_energy(output: Output) -> None:
    """Statements of the literature on networks and energy, and ours: weights, reuse, batches, depthwise layers."""
    from steelyard import tables

    with output.steps() as step:
        result = tables.network_energy(progress=step)
    output.show(result)


@command.command("training-costs")
@output_options(*FORMATS)
def training_costs(output: Output) -> None:
    """What trainings and searches cost, as published and as devices x hours x a dated price."""
    from steelyard import metrics

    output.show(metrics.training_costs())
