"""``steelyard report SOURCE... -o out.html``: an interactive report in one file that needs no network."""

from __future__ import annotations

import click

from steelyard.cli._output import Output, output_options
from steelyard.cli._sources import Source, capture_options


@click.command("report")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--title", help="Headline of the report.")
@capture_options
@output_options()
def command(sources: tuple[str, ...], title: str | None, how: Source, output: Output) -> None:
    """Write a report on one network or several as one HTML file: charts, treemap, sortable tables.

    Without -o the page goes to stdout. --json prints the cost reports instead.

    \b
    steelyard report resnet50 -o resnet50.html
    steelyard report alexnet vgg16 net.onnx -o three.html
    """
    import steelyard

    reports = [steelyard.cost(how.capture(source, output)) for source in sources]
    for report in reports:
        for warning in report.warnings:
            output.warn(f"{report.workload.name}: {warning}")
    if output.format == "json":
        output.show({"schema": "steelyard.reports/1", "reports": [r.to_dict() for r in reports]})
        return
    with output.working("drawing the report"):
        page = steelyard.report(*reports, title=title)
        html = page.html
    output.write(html)
    if output.path is not None:
        output.note(f"report: {output.path.resolve()}")
