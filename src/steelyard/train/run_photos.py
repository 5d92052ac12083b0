"""`predict_run`: what a trained network sees in photographs, where each of them left it and what that cost."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from steelyard.data.folder import SUFFIXES
from steelyard.data.held_out import VALIDATION
from steelyard.data.registry import load_data
from steelyard.data.transforms import Pipeline, parse_transforms
from steelyard.dynamic.early_exit import EarlyExit, as_early_exit
from steelyard.dynamic.engine import Decision, Engine, Stages, run_all
from steelyard.dynamic.exit_costs import exit_costs
from steelyard.dynamic.exit_outputs import softmax
from steelyard.dynamic.policies import Confidence
from steelyard.dynamic.threshold_file import load_thresholds
from steelyard.dynamic.thresholds import Thresholds
from steelyard.errors import FileFormatError, SteelyardError, UsageError
from steelyard.measure.stages.manifest import is_stages
from steelyard.measure.timing import sample
from steelyard.train.evaluate import named_logits
from steelyard.train.exit_budget import Backend, BudgetSettings, stages_of
from steelyard.train.exit_subject import exit_subject
from steelyard.train.photo_images import photo_image
from steelyard.train.run_predictions import RunPrediction, RunPredictions
from steelyard.train.subject import Subject, subject_of, weights_digest
from steelyard.zoo.predict.api import Guess

if TYPE_CHECKING:
    from steelyard.train.run import Run

__all__ = ["photos_in", "predict_run"]

Checkpoint = Literal["best", "last"]

_RUNS = 3
"""Of each photograph; the median of their times is taken."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """What photographs are shown to.

    Attributes:
        name, weights: of the network.
        shape: (C, H, W) of its images.
        transforms: what they go through.
        classes: their names, or none.
        thresholds: when an image leaves.
        costs: of leaving at each exit, by unit.
    """

    name: str
    weights: str
    shape: tuple[int, ...]
    transforms: Pipeline
    classes: tuple[str, ...]
    thresholds: Thresholds
    costs: Mapping[str, Sequence[float]]


def predict_run(
    network: Run | str | os.PathLike[str],
    photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    settings: BudgetSettings | str | None = None,
    thresholds: str | os.PathLike[str] | None = None,
    top: int = 5,
    checkpoint: Checkpoint = "best",
) -> RunPredictions:
    """The most probable classes of photographs, by a trained network or exported stages.

    One photograph at a time; a network with exits computes no further than each needs. Example:
    ``predict_run("runs/digits_msdnet", "photos", settings="5ms")``.

    Args:
        network: a run, its folder, or a folder of `steelyard.measure.stages.export.export_stages`.
        photos: files, or folders whose pictures are taken.
        settings: a budget, for which thresholds are solved on the images that the run kept from training, else on
            its test images. Without settings and thresholds exported stages follow their own thresholds, and of a
            run all exits are run.
        thresholds: a file of `steelyard.dynamic.threshold_file.save_thresholds`.
        top: how many classes of each photograph.
        checkpoint: of a run.

    Raises:
        UsageError: no photo, a budget and thresholds at once or out of range, or for a network without exits.
        InputError: thresholds of another network, or logits that are not finite.
        FileFormatError: a photo, a run, stages or thresholds that cannot be read.
        BackendError, MissingExtraError: the backend cannot run the network; Pillow is not installed.
    """
    files = photos_in([photos] if isinstance(photos, (str, os.PathLike)) else photos)
    if top < 1 or (settings is not None and thresholds is not None):
        raise UsageError(
            f"top={top}" if top < 1 else "a budget and thresholds are both given",
            expected="1 or more" if top < 1 else "one of them",
        )
    asked = BudgetSettings(settings) if isinstance(settings, str) else settings
    opened = (
        _stages_folder(network, asked, thresholds)
        if isinstance(network, (str, os.PathLike)) and is_stages(network)
        else _run(network, asked, thresholds, checkpoint)
    )
    with opened as (stages, ready):
        engine = Engine(stages, ready.thresholds)
        found: list[RunPrediction] = []
        for file in files:
            image, remark = photo_image(file, ready.shape, ready.transforms)
            if not found:
                run_all(stages, image)  # the first run of a stage takes longer
            found.append(_prediction(engine, ready, file, image, remark, top))
    limits = ready.thresholds
    return RunPredictions(
        ready.name, ready.weights, stages.exits, limits.budget, limits.unit, tuple(found)
    )


def photos_in(places: Sequence[str | os.PathLike[str]]) -> tuple[Path, ...]:
    """The files, and of folders the pictures in them, by name.

    Raises:
        UsageError: nothing is given.
        FileFormatError: no such file, or a folder without pictures.
    """
    found: list[Path] = []
    for place in map(Path, places):
        if not place.exists():
            raise FileFormatError(f"{place} does not exist", expected="an image file or a folder")
        if not place.is_dir():
            found.append(place)
            continue
        inside = sorted(p for p in place.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
        if not inside:
            raise FileFormatError(
                f"there are no pictures in {place}", expected="files such as photo.jpg"
            )
        found += inside
    if not found:
        raise UsageError("no photo is given")
    return tuple(found)


@contextmanager
def _stages_folder(
    folder: str | os.PathLike[str],
    asked: BudgetSettings | None,
    thresholds: str | os.PathLike[str] | None,
) -> Iterator[tuple[Stages, _Ready]]:
    """Exported stages, in ONNX Runtime."""
    from steelyard.measure.stages.onnx_stages import OnnxStages

    if asked is not None:
        raise UsageError(
            f"a budget for {os.fspath(folder)}, whose thresholds were solved when it was exported",
            expected="no budget, or a file of thresholds",
            hint="steelyard evaluate RUN --budget 30M --export FOLDER",
        )
    stages = OnnxStages(folder)
    known = stages.manifest
    limits = known.thresholds or _never(stages.exits)
    if thresholds is not None:
        limits = load_thresholds(thresholds, model=known.fingerprint)
    transforms = parse_transforms(known.transforms)
    yield stages, _Ready(known.network, os.fspath(folder), known.input_shape, transforms, known.classes, limits, known.costs)  # fmt: skip


@contextmanager
def _run(
    run: Run | str | os.PathLike[str],
    asked: BudgetSettings | None,
    thresholds: str | os.PathLike[str] | None,
    checkpoint: Checkpoint,
) -> Iterator[tuple[Stages, _Ready]]:
    """A run's network, by PyTorch unless the settings say otherwise."""
    subject = subject_of(run, checkpoint=checkpoint)
    module, digest = subject.network, weights_digest(subject.network)
    if asked is None and thresholds is None and not isinstance(module, EarlyExit):
        module = _Whole(module).eval()
    exits = as_early_exit(module).exits
    steps, classes = _data_of(subject)
    shape = _shape_of(subject)
    example = torch.zeros(1, *shape)
    limits = _never(exits)
    costs: dict[str, Sequence[float]] = {}
    if not isinstance(module, _Whole):
        costs["MACs"] = exit_costs(module, example.shape).macs
    if thresholds is not None:
        limits = load_thresholds(thresholds, model=digest)
    backend: Backend = "eager" if asked is None else asked.backend
    with stages_of(module, backend, image=example, fingerprint=digest) as stages:
        if asked is not None:
            split = VALIDATION if subject.validation else "test"
            known = exit_subject(run, split=split, checkpoint=checkpoint)
            found = asked.costs(known.weighed, stages, example)
            limits = asked.solve(known.outputs, found, digest)
            if asked.unit != "s":  # a photograph's own time is measured
                costs[asked.unit] = found
        yield stages, _Ready(subject.name, subject.weights, shape, steps, classes, limits, costs)


class _Whole(nn.Module):
    """A network without exits as one stage."""

    exits = 1

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def begin(self, images: Tensor) -> Tensor:
        return images

    def advance(self, stage: int, state: Tensor) -> tuple[Tensor, tuple[()]]:
        outputs, main = named_logits(self.network(state))
        return outputs[main][1], ()

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.advance(0, images)[0]]


def _never(exits: int) -> Thresholds:
    return Thresholds(Confidence(), (math.inf,) * (exits - 1))


def _shape_of(subject: Subject) -> tuple[int, ...]:
    shape = getattr(subject.network, "input_shape", None)
    if shape is None:
        raise UsageError(
            f"{subject.name} does not say what images it takes", expected="a network of the zoo"
        )
    return tuple(shape[1:])


def _data_of(subject: Subject) -> tuple[Pipeline, tuple[str, ...]]:
    """What images go through, and the classes' names; none where the data is not here."""
    steps, names = parse_transforms(subject.transforms), subject.classes
    with suppress(SteelyardError):
        found = load_data(subject.data, "test")
        return steps.of_data(found.name), names or tuple(found.classes)
    return steps.of_data(subject.data.partition(":")[0]), names


def _prediction(
    engine: Engine, ready: _Ready, file: Path, image: Tensor, remark: str, top: int
) -> RunPrediction:
    decisions: list[Decision] = []
    seconds = sample(lambda: decisions.append(engine.run(image)), _RUNS)
    left = int(decisions[0].exits[0])
    chances = softmax(decisions[0].logits)[0]
    best = np.argsort(-chances, kind="stable")[:top].tolist()
    known = len(ready.classes) == len(chances)
    guesses = tuple(
        Guess(i, ready.classes[i] if known else f"class {i}", float(chances[i])) for i in best
    )
    costs = {unit: float(values[left]) for unit, values in ready.costs.items() if unit != "s"}
    return RunPrediction(
        str(file), guesses, left + 1, {"s": float(np.median(seconds)), **costs}, remark
    )
