"""``steelyard report SOURCE... -o out.html``: an interactive report in one file that needs no network."""

from __future__ import annotations

import sys
from typing import Any

import click

from steelyard.cli._output import Output, output_options
from steelyard.cli._sources import Source, capture_options
from steelyard.errors import UsageError


@click.command("report")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--title", help="Headline of the report.")
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="What it costs on a device, or a YAML file's; several are compared.",
)
@click.option(
    "--objective",
    type=click.Choice(("energy", "latency", "edp", "dram")),
    default="energy",
    show_default=True,
    help="With --device: what each layer's mapping minimises.",
)
@click.option(
    "--dataflow",
    default="",
    metavar="NAME",
    help="With --device: WS, OS-A, OS-B, OS-C, IS, NLR or RS; else any.",
)
@click.option(
    "--measured",
    is_flag=True,
    help="MACs against latency of what was measured on this machine, too.",
)
@capture_options
@output_options(files=(".html", ".htm", ".md", ".txt", ".csv", ".json"))
def command(
    sources: tuple[str, ...],
    title: str | None,
    devices: tuple[str, ...],
    objective: Any,
    dataflow: str,
    measured: bool,
    how: Source,
    output: Output,
) -> None:
    """Write a report on one network or several: charts, treemap and sortable tables on one HTML page.

    With --device energy by memory and type of data, utilisation, latency, roofline and each layer's mapping
    drawn as loops, too. With --measured latency against MACs, and against published accuracy, of all networks
    that `steelyard measure` has timed on this machine.

    The suffix of FILE chooses the form: .html, .md, .txt, .csv or .json. Without -o the HTML page goes
    to stdout, unless that is a terminal.

    \b
    steelyard report resnet50 -o resnet50.html
    steelyard report alexnet vgg16 net.onnx -o three.html
    steelyard report mobilenet_v2 --device eyeriss --device tpu_v1 -o devices.html
    """
    import steelyard

    if output.path is None and output.format != "json" and sys.stdout.isatty():
        raise UsageError(
            "an HTML page is of no use on a terminal", hint="steelyard report SOURCE -o report.html"
        )
    loads = [how.capture(source, output) for source in sources]
    for load in loads:
        for warning in load.warnings:
            output.warn(f"{load.name}: {warning}")
    with output.steps("drawing the report") as step:
        page = steelyard.report(
            *loads,
            title=title,
            devices=devices,
            objective=objective,
            dataflow=dataflow,
            measured=measured,
            progress=step,
        )
        if output.format == "json":
            output.show(page)
        elif output.path is None:
            output.write(page.to_html())
        else:
            page.save(output.path)
    if output.path is not None:
        output.note(f"report: {output.path.resolve()}")
