"""``steelyard report SOURCE... -o out.html``: an interactive report in one file that needs no network."""

from __future__ import annotations

import sys

import click

from steelyard.cli._output import Output, output_options
from steelyard.cli._sources import Source, capture_options
from steelyard.errors import UsageError


@click.command("report")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--title", help="Headline of the report.")
@capture_options
@output_options()
def command(sources: tuple[str, ...], title: str | None, how: Source, output: Output) -> None:
    """Write a report on one network or several: charts, treemap and sortable tables on one HTML page.

    The suffix of FILE chooses the form: .html, .md, .txt, .csv or .json. Without -o the HTML page goes
    to stdout, unless that is a terminal.

    \b
    steelyard report resnet50 -o resnet50.html
    steelyard report alexnet vgg16 net.onnx -o three.html
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
    with output.working("drawing the report"):
        page = steelyard.report(*loads, title=title)
        if output.format == "json":
            output.show(page)
        elif output.path is None:
            output.write(page.to_html())
        else:
            page.save(output.path)
    if output.path is not None:
        output.note(f"report: {output.path.resolve()}")
