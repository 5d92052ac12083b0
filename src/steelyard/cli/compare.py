"""``steelyard compare A B``: what changed between two networks and where the difference comes from."""

from __future__ import annotations

from typing import Any

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._sources import Source, capture_options
from steelyard.cli._verb import Verb


@click.command("compare", cls=Verb)
@click.argument("a")
@click.argument("b")
@capture_options
@click.option(
    "--by",
    type=click.Choice(("layer", "op", "module", "stage", "kind", "type")),
    default="kind",
    help="What the difference is grouped by.",
)
@click.option("--depth", type=click.IntRange(min=1), help="Path components, with --by module.")
@click.option("--all", "show_all", is_flag=True, help="List the layers that are the same, too.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many changed layers.")
@output_options(*FORMATS)
def command(
    a: str,
    b: str,
    how: Source,
    output: Output,
    by: Any,
    depth: int | None,
    show_all: bool,
    limit: int | None,
) -> None:
    """Print what changed from network A to network B: every difference is B less A.

    \b
    steelyard compare resnet50_v1 resnet50
    steelyard compare before.onnx after.onnx --by stage
    """
    import steelyard
    from steelyard.report import render

    first = how.capture(a, output)
    second = how.capture(b, output)
    with output.working(f"comparing {a} and {b}"):
        comparison = steelyard.compare(first, second)
        document = render.comparison_document(
            comparison, by=by, depth=depth, show_all=show_all, limit=limit
        )
    output.show(comparison, document)
