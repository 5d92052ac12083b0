"""``steelyard optimize NET -o net.onnx``: the fastest way to run a network on this machine, and a file of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._sources import read_shapes
from steelyard.cli._verb import Verb


@click.command("optimize", cls=Verb)
@click.argument("net")
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Samples in an inference.")  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(1), help="Threads to compute with; default: one a core."
)
@click.option("--input", "shapes", multiple=True, callback=read_shapes, metavar="SHAPE", help="Shape of one input, e.g. 1x3x224x224; default: the network's own.")  # fmt: skip
@click.option(
    "--tolerance", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=1e-4, show_default=True,
    help="Outputs may differ from float32 by this share of the largest; from 1e-3 on bfloat16 is tried, from 1e-2 on 8 bits.",
)  # fmt: skip
@click.option("--images", multiple=True, type=click.Path(exists=True), metavar="FILE|FOLDER", help="Photographs to compare on and to calibrate 8 bits with; may be repeated.")  # fmt: skip
@click.option("--weights", default="", help="Of a zoo network: torchvision, another source, or random; default: with images the first known, else random.")  # fmt: skip
@click.option("--agreement", type=click.FloatRange(0, 1), default=0.99, show_default=True, help="Share of the images that must keep their most probable class.")  # fmt: skip
@click.option("--calibrate", type=click.Choice(["images", "random"]), default="images", show_default=True, help="What 8 bits are calibrated with.")  # fmt: skip
@click.option("--compile", "compiled", is_flag=True, help="Try torch.compile, too (half a minute and more).")  # fmt: skip
@click.option("--budget", type=click.FloatRange(0, min_open=True), default=25.0, show_default=True, metavar="SECONDS", help="How long to search.")  # fmt: skip
@click.option("--thorough", is_flag=True, help="Then try and compare everything, whatever time it takes.")  # fmt: skip
@output_options(
    *FORMATS,
    files=(".onnx", ".xml", ".pt2"),
    path_help="Store the network: .onnx, .xml (OpenVINO) or .pt2 (PyTorch).",
)
def command(
    net: str,
    batch: int,
    threads: int | None,
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    tolerance: float,
    images: tuple[str, ...],
    weights: str,
    agreement: float,
    calibrate: str,
    compiled: bool,
    budget: float,
    thorough: bool,
    output: Output,
) -> None:
    """Find the fastest way to run NET on this machine whose outputs stay within a tolerance.

    Runtimes, layouts, precisions and the allocator are tried in turn, each in processes of its own; outputs are
    compared with float32 in PyTorch before a time counts. A stored file is loaded again and compared, and gets a
    .json beside it that says how to run it.

    \b
    steelyard optimize resnet50 -o resnet50.onnx
    steelyard optimize mobilenet_v2 --tolerance 0.1 --images photos/ --batch 32 -o mobilenet_v2.xml
    """
    import steelyard

    target: Path | None = output.path
    output = replace(output, path=None, special=False)
    with output.steps("starting") as say:
        result = steelyard.optimize(
            net,
            target=target,
            batch=batch,
            threads=threads,
            input_shape=shapes[0][1] if shapes else None,
            tolerance=tolerance,
            images=images,
            weights=weights,
            agreement=agreement,
            calibrate=calibrate,
            compiled=compiled,
            budget_s=budget,
            thorough=thorough,
            progress=lambda doing, share: say(f"{share:4.0%} {doing}"),
            partial=output.show,
        )
    output.show(result)
    if target is not None:
        output.note(f"wrote {target} and {target.name}.json")
