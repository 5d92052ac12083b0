"""``steelyard calibrate``: learn how long operators take on this machine, for ``steelyard measure --predict``."""

from __future__ import annotations

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._verb import Verb


@click.command("calibrate", cls=Verb)
@click.option("--backend", type=click.Choice(["eager", "onnxruntime"]), default="eager", show_default=True, help="What runs the networks, in float32.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads to compute with; default: one a core.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="How long to time operators; default: 90 for eager, 50 for onnxruntime.")  # fmt: skip
@output_options(*FORMATS)
def command(backend: str, threads: int | None, seconds: float | None, output: Output) -> None:
    """Learn how long operators take on this machine; afterwards measure --predict tells times without running.

    Random networks run for a minute or two, each operator is timed in its place, and a model is fitted to each kind.
    The machine should be idle. The result goes to the cache folder, -o and --json have its record.

    \b
    steelyard calibrate
    steelyard calibrate --backend onnxruntime --threads 1
    steelyard measure --predict resnet50
    """
    import steelyard

    with output.steps("starting") as say:
        found = steelyard.calibrate(
            backend,
            threads=threads,
            seconds=seconds,
            progress=lambda doing, share: say(f"{share:4.0%} {doing}"),
        )
    output.show(found)
