"""``steelyard sparsity NET PHOTO...``: zeros of a network's layers on photographs, for ``estimate --zeros``."""

from __future__ import annotations

import click

from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._verb import Verb


@click.command("sparsity", cls=Verb)
@click.argument("net")
@click.argument("photos", nargs=-1, required=True, type=click.Path())
@click.option(
    "--weights",
    help="torchvision, timm, another source, a file (.safetensors, .pt, .pth), or random.",
)
@output_options(*FORMATS)
def command(net: str, photos: tuple[str, ...], weights: str | None, output: Output) -> None:
    """Count the zeros that the layers of NET, a network of the zoo, read, hold and write on each PHOTO.

    Weights come as in predict. With --json the result is what estimate --zeros reads; -o FILE.json writes it.

    \b
    steelyard sparsity mobilenet_v2 *.jpg -o zeros.json
    steelyard estimate mobilenet_v2 --device eyeriss --zeros zeros.json
    """
    import steelyard
    from steelyard.cli._sources import zoo_settings

    name, config = zoo_settings(net)
    with output.working(f"running {name} on {len(photos)} photographs"):
        result = steelyard.measure_sparsity(
            name, photos, weights=weights, settings=config, quiet=output.quiet
        )
    if output.format == "json":
        for note in result.notes:
            output.warn(note)
    output.show(result)
