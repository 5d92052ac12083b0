"""`evaluate_budget`: thresholds for a budget, solved on one part of a data set and judged on the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from steelyard.data.dataset import Dataset
from steelyard.data.held_out import VALIDATION
from steelyard.data.split import part, split_order
from steelyard.dynamic.budget_check import BudgetCheck, check_thresholds
from steelyard.dynamic.engine import Engine, Stages, run_all
from steelyard.dynamic.thresholds import Thresholds
from steelyard.errors import InputError, UsageError
from steelyard.measure.timing import sample
from steelyard.train.budget_result import BudgetEvaluation, ExitScore, Timed
from steelyard.train.exit_budget import BudgetSettings, stages_of
from steelyard.train.exit_subject import ExitSubject, exit_subject
from steelyard.train.processes import launched

if TYPE_CHECKING:
    from steelyard.train.run import Run

__all__ = ["divided", "evaluate_budget"]

_TIMED = 100
"""Held-out images that are run one at a time for a budget in seconds."""


def evaluate_budget(
    network: nn.Module | Run | str | os.PathLike[str],
    settings: BudgetSettings | str,
    *,
    data: str | Dataset | None = None,
    split: str = "test",
    validation: float | None = None,
    transforms: Sequence[str] | None = None,
    batch: int = 256,
    workers: int = 0,
    weights: str | os.PathLike[str] | None = None,
    checkpoint: Literal["best", "last"] = "best",
    export: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BudgetEvaluation:
    """How good a network with exits is when an image may cost so much on average.

    Thresholds are solved on images that the network was not trained on, and judged by others: on those that a run's
    recipe kept from training, judged by all test images; else the images are divided, class by class and always alike.
    Example: ``evaluate_budget("runs/digits_msdnet", "1M").top1``.

    Args:
        network: as `steelyard.evaluate` takes it.
        settings: the budget, and how it is kept to; a text is the budget alone.
        data: as `steelyard.evaluate` takes it.
        split: as `steelyard.evaluate` takes it.
        validation: share of these images on which thresholds are solved, between 0 and 1; None: none of the test
            images of a run that kept others from training, else a half.
        transforms: as `steelyard.evaluate` takes them.
        batch: images at once.
        workers: processes that read images from files.
        weights: of a network by name.
        checkpoint: of a run.
        export: a new folder for the stages as ONNX files, with thresholds and costs.
        progress: called with (images done, all).

    Raises:
        UsageError: a network without exits, a budget out of its range, no data, or several processes.
        InputError: no image for one of the parts, other classes than the data's, or logits that are not finite.
        BackendError, MissingExtraError: the backend cannot run or export the network.
        SteelyardError: as `steelyard.evaluate`.
    """
    if launched()[1] > 1:
        raise UsageError(
            f"a budget by {launched()[1]} processes",
            expected="one process",
            hint="without torchrun",
        )
    asked = settings if isinstance(settings, BudgetSettings) else BudgetSettings(settings)
    show = partial(
        exit_subject, network, transforms=transforms, batch=batch, workers=workers, weights=weights,
        checkpoint=checkpoint, progress=progress,
    )  # fmt: skip
    known = show(data=data, split=split)
    own = data is None and split == "test" and known.subject.validation > 0
    kept = own and validation is None
    if kept:
        judging = np.arange(known.outputs.samples)
        validated = show(split=VALIDATION).outputs
    else:
        solving, judging = divided(known, 0.5 if validation is None else validation)
        validated = known.outputs.rows(solving)
    digest, one = known.about.weights_sha256, known.images(judging[:1])
    timed = None
    with stages_of(known.network, asked.backend, image=one, fingerprint=digest) as stages:
        costs = asked.costs(known.weighed, stages, one)
        thresholds = asked.solve(validated, costs, digest)
        if asked.unit == "s":
            timed = _timed(stages, thresholds, known, judging[:_TIMED])
    check = check_thresholds(thresholds, validated, known.outputs.rows(judging), costs)
    found = BudgetEvaluation(
        known.about, asked.backend, asked.accelerator, asked.distribution, thresholds, check,
        _scores(known, check, thresholds, judging), tuple(known.dataset.classes),
        _by_class(known, thresholds, judging), timed, kept,
    )  # fmt: skip
    if export is not None:
        _export(known, found, export)
    return found


def divided(known: ExitSubject, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the images to solve on and of those to judge by, ascending; the same however often one asks.

    Args:
        known: a network and what its exits say of the images.
        share: of the images to solve on.

    Raises:
        UsageError: a share that is not between 0 and 1.
        InputError: no image for one of the parts.
    """
    count = known.outputs.samples
    if not 0 < share < 1:
        raise UsageError(f"validation={share}", expected="between 0 and 1, e.g. 0.5")
    judged = count - round(share * count)
    if not 0 < judged < count:
        raise InputError(
            f"{count} images, of which {share:.0%} are for validation",
            expected="one image or more in each part",
        )
    keys = [f"{known.about.fingerprint} {i}".encode() for i in range(count)]
    order = split_order(keys, known.outputs.labels.tolist())
    return part(order, "train", judged), part(order, "test", judged)


def _scores(
    known: ExitSubject, check: BudgetCheck, thresholds: Thresholds, judging: NDArray[np.int64]
) -> tuple[ExitScore, ...]:
    held_out = known.outputs.rows(judging)
    left, correct = thresholds.decide(held_out), held_out.correct
    found = []
    for stage, cost in enumerate(check.costs):
        here = left == stage
        found.append(
            ExitScore(
                cost, known.weighed.macs[stage], 100 * float(correct[stage].mean()),
                check.expected.leaving[stage], check.realised.leaving[stage],
                100 * float(correct[stage, here].mean()) if here.any() else None,
            )
        )  # fmt: skip
    return tuple(found)


def _by_class(
    known: ExitSubject, thresholds: Thresholds, judging: NDArray[np.int64]
) -> tuple[tuple[int, ...], ...]:
    held_out = known.outputs.rows(judging)
    counts = np.zeros((len(known.dataset.classes), held_out.exits), dtype=np.int64)
    np.add.at(counts, (held_out.labels, thresholds.decide(held_out)), 1)
    return tuple(tuple(row) for row in counts.tolist())


def _timed(
    stages: Stages, thresholds: Thresholds, known: ExitSubject, index: NDArray[np.int64]
) -> Timed:
    """Means over the images; of each the median of three runs, so that one interruption does not decide."""
    engine, images = Engine(stages, thresholds), known.images(index)
    early, whole = [], []
    for i in range(len(images)):
        image = images[i : i + 1]
        early.append(_seconds(partial(engine.run, image)))
        whole.append(_seconds(partial(run_all, stages, image)))
    return Timed(len(images), float(np.mean(early)), float(np.mean(whole)))


def _seconds(run: Callable[[], object]) -> float:
    return float(np.median(sample(run, 3)))


def _export(known: ExitSubject, found: BudgetEvaluation, folder: str | os.PathLike[str]) -> None:
    from steelyard.measure.stages.export import export_stages

    thresholds = found.thresholds
    macs = tuple(float(one.macs) for one in found.exits)
    shape = known.images(np.zeros(1, dtype=np.int64)).shape
    export_stages(
        known.network, folder, input_shape=tuple(shape[1:]), thresholds=thresholds,
        costs={"MACs": macs, thresholds.unit: found.check.costs}, classes=tuple(known.dataset.classes),
        transforms=known.transforms.evaluation().texts, name=known.about.network,
        fingerprint=known.about.weights_sha256,
    )  # fmt: skip
