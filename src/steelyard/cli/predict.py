"""``steelyard predict NET PHOTO...``: what a pretrained network sees in photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from steelyard.cli._output import FORMATS, Output, output_options

if TYPE_CHECKING:
    import steelyard
    from steelyard.report.table import Document


@click.command("predict")
@click.argument("net")
@click.argument("photos", nargs=-1, required=True, type=click.Path())
@click.option(
    "--weights",
    help="torchvision, timm, another source, or a file (.safetensors, .pt, .pth).",
)
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes."
)
@output_options(*FORMATS)
def command(
    net: str, photos: tuple[str, ...], weights: str | None, top: int, output: Output
) -> None:
    """Name what network NET of the zoo sees in each PHOTO, with probabilities.

    NET may carry settings, e.g. mobilenet_v2:resolution=192. Weights come from an installed package, from the
    cache, or are downloaded.

    \b
    steelyard predict efficientnet_lite0 cat.jpg
    steelyard predict resnet50 --weights torchvision:IMAGENET1K_V2 *.jpg --json
    """
    import steelyard
    from steelyard.cli._sources import zoo_settings

    name, config = zoo_settings(net)
    with output.working(f"predicting with {name}"):
        result = steelyard.predict(
            name, photos, weights=weights, top=top, quiet=output.quiet, **config
        )
    output.show(result.to_dict(), _document(result))


def _document(result: steelyard.Predictions) -> Document:
    from steelyard.report.table import Column, Document, Table

    columns = (
        Column("photo", "photo"),
        Column("rank", "rank", "count", rank=2),
        Column("class", "class", "count", rank=1),
        Column("name", "name"),
        Column("probability", "probability", "share", bar=True),
    )
    rows = tuple(
        (prediction.photo, rank, guess.index, guess.name, guess.probability)
        for prediction in result.predictions
        for rank, guess in enumerate(prediction.guesses, 1)
    )
    remarks = [f"{p.photo}: {p.remark}" for p in result.predictions if p.remark]
    title = f"{result.model}, weights from {result.weights}"
    return Document(title, tables=(Table("", columns, rows),), warnings=tuple(remarks))
