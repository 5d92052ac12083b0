"""The network that is to be made fast: its weights, photographs to check and calibrate with, and what it must compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from steelyard.capture.source import parse_source
from steelyard.errors import UsageError
from steelyard.measure.backend import Array, Program, Runner
from steelyard.measure.program import SEED, deviation, program, reference
from steelyard.measure.session import Job, Network

if TYPE_CHECKING:
    from steelyard.zoo.preprocessing import Preprocessing

CALIBRATION_SAMPLES = 16
"""Of noise, where it is noise."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be made fast; plain data, which can be sent to a child.

    Attributes:
        job: source, batch, threads, input shape, tolerance; the folder where files made on the way are kept.
        photos: files of photographs; () for noise.
        weights: of a zoo network, as `create` takes them; "random" for none, "" for the first known where
            there are photographs, else none.
    """

    job: Job
    photos: tuple[str, ...] = ()
    weights: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network, its reference, and samples to count agreement over.

    Attributes:
        network: program and expected outputs.
        samples: (C, H, W) each, of the photographs; () without any.
        weights: where they come from; "" for random ones.
    """

    network: Network
    samples: tuple[Tensor, ...]
    weights: str


def subject(task: Task, model: nn.Module | None = None) -> Subject:
    """Builds it.

    Raises:
        SteelyardError: the source, the weights or a photograph is at fault.
    """
    job, found, weights = task.job, model, ""
    samples: tuple[Tensor, ...] = ()
    parsed = None if model is not None else parse_source(job.source)
    pretrained = task.weights not in ("", "random") or (task.photos and not task.weights)
    if parsed is not None and parsed.kind == "zoo" and pretrained:
        found, samples, weights = _trained(task, parsed.name, dict(parsed.settings))
    elif task.weights not in ("", "random"):
        raise UsageError(
            f"weights {task.weights!r} for {job.source or 'a module'}",
            expected="a network of the zoo; others have their own",
        )
    made = program(
        job.source if found is None else found,
        batch=job.batch,
        folder=Path(job.folder),
        input_shape=job.input_shape,
    )
    made.name = job.source or made.name
    if task.photos and not samples:
        samples = _photographs(task.photos, made)
    if samples:
        made.inputs = (batches(samples, job.batch)[0],)
    made.calibration = _calibration(made, samples, job.batch)
    return Subject(Network(made, reference(made)), samples, weights)


def batches(samples: Sequence[Tensor], batch: int) -> list[Tensor]:
    """Stacks of ``batch`` samples, the last filled up from the first."""
    count = -(-len(samples) // batch) * batch
    return [
        torch.stack([samples[(start + i) % len(samples)] for i in range(batch)])
        for start in range(0, count, batch)
    ]


def _trained(
    task: Task, name: str, config: dict[str, object]
) -> tuple[nn.Module, tuple[Tensor, ...], str]:
    from steelyard.zoo.predict.loading import load_for
    from steelyard.zoo.registry import create

    if not task.photos:
        return create(name, weights=task.weights, **config), (), task.weights  # type: ignore[arg-type]
    loaded = load_for(name, task.photos, task.weights or None, config, quiet=True)
    return loaded.network, loaded.inputs, loaded.weights


def _photographs(photos: Sequence[str], made: Program) -> tuple[Tensor, ...]:
    """As ImageNet's networks want them, at the size of the input."""
    from steelyard._photo import open_photo
    from steelyard.zoo.preprocessing import prepared

    shapes = [tuple(x.shape) for x in made.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 3 or shapes[0][2] != shapes[0][3]:
        raise UsageError(
            f"photographs for inputs of shape {shapes}", expected="one input, N x 3 x S x S"
        )
    steps = _imagenet_steps(shapes[0][-1])
    return tuple(prepared(open_photo(photo)[0], steps) for photo in photos)


def _imagenet_steps(side: int) -> Preprocessing:
    from steelyard.zoo.predict.loading import IMAGENET_MEAN, IMAGENET_STD
    from steelyard.zoo.preprocessing import Preprocessing

    return Preprocessing(round(side * 8 / 7), side, "bilinear", IMAGENET_MEAN, IMAGENET_STD)


def _calibration(
    made: Program, samples: Sequence[Tensor], batch: int
) -> tuple[tuple[Tensor, ...], ...]:
    """Every second photograph; or noise, other than what outputs are compared on."""
    if samples:
        return tuple((x,) for x in batches(samples[::2], batch))
    generator = torch.Generator().manual_seed(SEED + 1)
    return tuple(
        tuple(torch.randn(x.shape, generator=generator) for x in made.inputs)
        for _ in range(-(-CALIBRATION_SAMPLES // batch))
    )


# ---- other inputs ----------------------------------------------------------------------------------


def outputs_on(runner: Runner, inputs: Sequence[Tensor]) -> Sequence[Array]:
    """Outputs of a runner of ours on other inputs of the same shapes, which it keeps.

    Raises:
        UsageError: a runner of somebody else's, of which nobody knows where its inputs are.
    """
    feed(runner, inputs)
    runner.run()
    return runner.outputs()


def feed(runner: Runner, inputs: Sequence[Tensor]) -> None:
    """Gives a runner of ours other inputs, as `outputs_on`."""
    from steelyard.measure.backends.eager import TorchRunner
    from steelyard.measure.backends.onnx_runtime import OnnxRunner
    from steelyard.measure.backends.open_vino import OpenVinoRunner, PartsRunner

    if isinstance(runner, TorchRunner):
        runner.inputs = tuple(
            theirs.to(ours.device, ours.dtype).to(memory_format=_layout(ours))
            for ours, theirs in zip(runner.inputs, inputs, strict=True)
        )
    elif isinstance(runner, OnnxRunner):
        runner.feed = dict(zip(runner.feed, (x.numpy() for x in inputs), strict=True))
    elif isinstance(runner, (OpenVinoRunner, PartsRunner)):
        runner.feed = [x.numpy() for x in inputs]
    else:
        raise UsageError(
            f"a runner of class {type(runner).__name__}", expected="one of steelyard's"
        )


def _layout(tensor: Tensor) -> torch.memory_format:
    if tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    return torch.contiguous_format


@dataclass(frozen=True, slots=True)
class Likeness:
    """How near a recipe comes to float32 over the photographs.

    Attributes:
        deviation: the largest, of any of them.
        agreement: share that keeps its most probable class.
    """

    deviation: float
    agreement: float


def likeness(runner: Runner, found: Subject, expected: Sequence[Array]) -> Likeness:
    """Compares on all photographs; the runner gets its inputs back.

    Args:
        runner: what is judged.
        found: with photographs.
        expected: outputs of the reference, see `expected_of_samples`.

    Raises:
        BackendError: outputs that are not finite, or of another shape.
    """
    own = found.network.program.inputs
    worst, same = 0.0, 0
    left = len(found.samples)
    for x, theirs in zip(batches(found.samples, own[0].shape[0]), expected, strict=True):
        ours = outputs_on(runner, (x,))[0]
        rows = min(left, len(ours))
        left -= rows
        for a, b in zip(ours[:rows], theirs[:rows], strict=True):
            worst = max(worst, deviation([a], [b]))
            same += int(a.argmax()) == int(b.argmax())
    feed(runner, own)
    return Likeness(worst, same / len(found.samples))


def expected_of_samples(found: Subject) -> list[Array]:
    """The reference's first output for each batch of the photographs."""
    made = found.network.program
    return [
        reference(replace(made, inputs=(x,)))[0]
        for x in batches(found.samples, made.inputs[0].shape[0])
    ]
