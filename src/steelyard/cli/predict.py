"""``steelyard predict NET|RUN PHOTO...``: what a pretrained or trained network sees in photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from steelyard.cli._budget import Budget, budget_options
from steelyard.cli._output import FORMATS, Output, output_options
from steelyard.cli._verb import Verb
from steelyard.errors import UsageError

if TYPE_CHECKING:
    import steelyard
    from steelyard.report.table import Document


@click.command("predict", cls=Verb)
@click.argument("net", metavar="NET|RUN")
@click.argument("photos", nargs=-1, required=True, type=click.Path())
@click.option(
    "--weights",
    help="torchvision, timm, another source, or a file (.safetensors, .pt, .pth).",
)
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes."
)
@click.option("--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Of a run.")  # fmt: skip
@click.option("--device", metavar="NAME", help="The accelerator of a budget in joules.")
@click.option("--thresholds", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Of steelyard evaluate --save-thresholds, instead of a budget.")  # fmt: skip
@budget_options
@output_options(*FORMATS)
def command(
    net: str,
    photos: tuple[str, ...],
    weights: str | None,
    top: int,
    checkpoint: Literal["best", "last"],
    device: str | None,
    thresholds: Path | None,
    budget: Budget,
    output: Output,
) -> None:
    """Name what network NET of the zoo sees in each PHOTO, with probabilities.

    NET may carry settings, e.g. mobilenet_v2:resolution=192. Weights come from an installed package, from the
    cache, or are downloaded.

    RUN is the folder of a training, or of stages that steelyard evaluate --export wrote; a PHOTO may then be a folder
    of pictures. With a budget, or thresholds, each photo stops at the exit where a network with exits is sure of it,
    and the table says which, and what it cost; thresholds for a budget are solved on the images that the run
    kept from training, else on its test images.

    \b
    steelyard predict efficientnet_lite0 cat.jpg
    steelyard predict resnet50 --weights torchvision:IMAGENET1K_V2 *.jpg --json
    steelyard predict runs/digits_msdnet photos/ --budget-ms 5
    """
    import steelyard

    if Path(net).is_dir():
        if weights is not None:
            raise UsageError(f"--weights for {net}, which has its own", expected="no --weights")
        settings = budget.settings(device)
        with output.working(f"predicting with {net}"):
            seen = steelyard.predict_run(
                net,
                photos,
                settings=settings,
                thresholds=thresholds,
                top=top,
                checkpoint=checkpoint,
            )
        output.show(seen)
        return
    if budget.text is not None or thresholds is not None:
        raise UsageError(
            f"a budget for {net}, whose exits nobody trained here",
            expected="the folder of a run, or of exported stages",
            hint="steelyard train digits_msdnet",
        )
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
