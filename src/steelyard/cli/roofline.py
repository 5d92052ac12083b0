"""``steelyard roofline SOURCE --device NAME``: what a device's ceilings allow, or the seven bounds."""

from __future__ import annotations

import click

from steelyard.cli._output import FORMATS, PICTURES, Output, output_options
from steelyard.cli._sources import Source, capture_options
from steelyard.cli._verb import Verb
from steelyard.errors import UsageError


@click.command("roofline", cls=Verb)
@click.argument("source")
@click.option("--device", required=True, metavar="NAME", help="A device, or a YAML file.")
@click.option(
    "--steps", is_flag=True, help="MACs per cycle after each of seven steps (accelerators only)."
)
@click.option(
    "--dataflow",
    metavar="NAME",
    help="Of the seven bounds: WS, OS-A, OS-B, OS-C, IS, NLR, RS or any; else the device's own.",
)
@capture_options
@output_options(*FORMATS, files=PICTURES)
def command(
    source: str, device: str, steps: bool, dataflow: str | None, how: Source, output: Output
) -> None:
    """Print the speed that a device's ceilings allow each layer of SOURCE, and which ceiling it meets.

    A FILE that ends in .html, .svg, .png or .pdf gets the roofline as a chart.

    \b
    steelyard roofline resnet50 --device h100 --dtype float16
    steelyard roofline mobilenet_v2 --device cpu
    steelyard roofline mobilenet_v2 --device tpu_v1 --steps
    steelyard roofline mobilenet_v2 --device tpu_v1 -o roofline.svg
    """
    import steelyard

    if dataflow is not None and not steps and output.picture is None:
        raise UsageError("--dataflow without --steps", expected="both, or a chart")
    with output.working("measuring this machine" if device == "cpu" else "reading the device"):
        found = steelyard.device(device)
    load = how.capture(source, output)
    flow = "" if dataflow == "any" else dataflow.upper() if dataflow else None
    if output.picture is not None:
        from steelyard.report.pictures import save_roofline

        save_roofline(load, found, output.picture, dataflow=flow)
        output.note(f"written: {output.picture}")
    elif not steps:
        output.show(steelyard.roofline(load, found))
    elif isinstance(found, steelyard.Accelerator):
        output.show(steelyard.bounds(load, found, dataflow=flow))
    else:
        raise UsageError(f"--steps on {found.name}, a roofline", expected="an accelerator")
