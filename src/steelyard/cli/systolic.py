"""``steelyard systolic SOURCE``: cycles of a systolic array, folds apart and pipelined."""

from __future__ import annotations

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._sources import Source, capture_options
from steelyard.cli._verb import Verb
from steelyard.errors import UsageError


@click.command("systolic", cls=Verb)
@click.argument("source")
@click.option(
    "--device", metavar="NAME", help="A device with a systolic array, or a YAML file; tpu_v1."
)
@click.option("--array", "size", metavar="RxC", help="An array of so many rows and columns.")
@click.option("--dataflow", default="", metavar="NAME", help="WS, IS or OS; else the device's own.")
@capture_options
@output_options(*FORMATS)
def command(
    source: str, device: str | None, size: str | None, dataflow: str, how: Source, output: Output
) -> None:
    """Print the cycles that a systolic array needs for each layer of SOURCE.

    Folds, their cycles when each waits for the one before (as SCALE-Sim counts) and when they follow on each
    other's heels (as in TPU v1), and the operands that cross the array's edges.

    \b
    steelyard systolic resnet50 --device tpu_v1
    steelyard systolic resnet50 --array 32x64 --dataflow OS
    """
    import steelyard

    if (device is None) == (size is None):
        given = "both" if device is not None else "neither"
        raise UsageError(
            f"{given} of --device and --array",
            expected="one of them",
            hint=f"steelyard systolic {source} --device tpu_v1",
        )
    array = device if device is not None else _size(size or "")
    output.show(steelyard.systolic(how.capture(source, output), array, dataflow))


def _size(text: str) -> tuple[int, int]:
    rows, cross, columns = text.lower().partition("x")
    if not (cross and rows.isdecimal() and columns.isdecimal()):
        raise UsageError(f"--array {text}", expected="rows and columns, e.g. 32x64")
    return int(rows), int(columns)
