"""``steelyard evaluate RUN|NET --data ...``: how good a network is on a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from steelyard.cli._budget import Budget, budget_options, evaluate_within, evaluation_options
from steelyard.cli._output import FORMATS, PICTURES, Output, output_options
from steelyard.cli._subject import subject_options
from steelyard.cli._verb import LIMITS, Verb, section
from steelyard.errors import LimitError, UsageError


@click.command("evaluate", cls=Verb)
@subject_options(split="test", batch=256)
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Processes that read images from files.")  # fmt: skip
@click.option("--on-corrupt", type=click.Choice(["fail", "skip"]), default="fail", show_default=True, help="What an image that cannot be read does.")  # fmt: skip
@click.option(
    "--device",
    metavar="NAME",
    help="cpu, cuda, cuda:1; default: cpu. Of a budget in joules the accelerator.",
)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", show_default=True, help="Of the network's computation.")  # fmt: skip
@click.option("--bins", type=click.IntRange(1), default=15, show_default=True, help="Of the calibration.")  # fmt: skip
@section(LIMITS)("--min-top1", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit code 1 below it.")  # fmt: skip
@budget_options
@evaluation_options
@output_options(*FORMATS, files=PICTURES, path_help="Write to FILE; its ending chooses the form: .html a page, .png, .svg, .pdf confusion and calibration (of a budget exits), .csv, .json, .md, .txt.")  # fmt: skip
def command(
    network: str,
    data: str | None,
    split: str,
    weights: str | None,
    checkpoint: Literal["best", "last"],
    transforms: tuple[str, ...],
    batch: int,
    workers: int,
    on_corrupt: Literal["fail", "skip"],
    device: str | None,
    precision: Literal["fp32", "bf16", "fp16"],
    bins: int,
    min_top1: float | None,
    budget: Budget,
    validation: float | None,
    save_thresholds: Path | None,
    export: Path | None,
    output: Output,
) -> None:
    """Print how good a network is on a data set: accuracy, classes, confusion, calibration.

    RUN is the folder of a training, NET a network as in steelyard cost. Every classifier of a network that has
    several is evaluated. The result holds the number of samples, the preprocessing, and hashes of data and weights.
    With --budget images leave a network with exits as soon as it is sure, and cost so much on average: thresholds
    are solved on the images that a run kept from training and judged on all others, or solved on one half of the images
    (--validation) and judged on the other.
    Under torchrun each process takes a part of the images, and the result is that of one process to the last bit.

    \b
    steelyard evaluate runs/digits_lenet
    steelyard evaluate runs/digits_msdnet --budget 1.5M --policy margin -o msdnet.html
    steelyard evaluate mobilenet_v2 --data imagenet:/data/imagenet -o mobilenet_v2.html
    torchrun --nproc-per-node 2 -m steelyard evaluate runs/digits_lenet
    steelyard evaluate resnet20_cifar:in_channels=1 --data fashion_mnist --weights my.safetensors --transforms resize:32 --transforms normalize
    """
    import steelyard
    from steelyard.measure.memory import keep_freed_memory
    from steelyard.train.processes import leads

    keep_freed_memory()
    if budget.text is not None or save_thresholds is not None or export is not None:
        _check(on_corrupt, precision)
        evaluate_within(
            budget, network, device=device, validation=validation, save_thresholds=save_thresholds,
            export=export, min_top1=min_top1, output=output, data=data, split=split,
            transforms=transforms, batch=batch, workers=workers, weights=weights, checkpoint=checkpoint,
        )  # fmt: skip
        return
    if not leads():  # of several processes the first speaks
        output = replace(output, quiet=True)
    with output.bar(f"evaluating {network}") as show:
        found = steelyard.evaluate(
            network,
            data=data,
            split=split,
            transforms=transforms or None,
            batch=batch,
            workers=workers,
            on_corrupt=on_corrupt,
            weights=weights,
            checkpoint=checkpoint,
            device=device,
            precision=precision,
            bins=bins,
            shard="processes",
            progress=show,
        )
    if not leads():
        return
    if output.picture is not None:
        from steelyard.train.evaluation_page import save_evaluation

        output.note(f"wrote {save_evaluation(found, output.picture)}")
    else:
        output.show(found)
    if min_top1 is not None and found.top1 < min_top1:
        raise LimitError(f"top-1 is {found.top1:.2f} %", expected=f"at least {min_top1:g} %")


def _check(on_corrupt: str, precision: str) -> None:
    if on_corrupt != "fail" or precision != "fp32":
        raise UsageError(
            f"--budget with --on-corrupt {on_corrupt} --precision {precision}",
            expected="neither of them",
        )
