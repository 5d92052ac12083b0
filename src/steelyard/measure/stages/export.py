"""`export_stages`: an early-exit network as one ONNX file for each stage, with the policy that says when to stop."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from steelyard.dynamic.early_exit import EarlyExit, as_early_exit, leaves, map_leaves, paused
from steelyard.dynamic.engine import run_all
from steelyard.dynamic.thresholds import Thresholds
from steelyard.errors import BackendError, InputError, ShapeError, UsageError
from steelyard.measure.backend import TOLERANCE
from steelyard.measure.export import export_module
from steelyard.measure.program import deviation
from steelyard.measure.stages.manifest import MANIFEST, StageFile, StageManifest
from steelyard.measure.stages.onnx_stages import OnnxStages
from steelyard.report.files import write_file
from steelyard.report.jsontext import dumps

__all__ = ["export_stages"]

IMAGES = "images"
_EXAMPLES, _PROBES = 2, 3
"""Images to trace with, and another number of them to compare with."""


def export_stages(
    network: nn.Module,
    folder: str | os.PathLike[str],
    *,
    input_shape: Sequence[int],
    thresholds: Thresholds | None = None,
    costs: Mapping[str, Sequence[float]] | None = None,
    classes: Sequence[str] = (),
    transforms: Sequence[str] = (),
    name: str = "",
    fingerprint: str = "",
) -> StageManifest:
    """Writes ``stage_1.onnx`` and so on, and ``stages.json``; all logits are compared with PyTorch's.

    Inputs and outputs of a stage are the tensors of the network's state, by name, for batches of any size.

    Args:
        network: with exits; it is left as it was.
        folder: a new one, or empty; it appears complete or not at all.
        input_shape: (C, H, W) of an image.
        thresholds: when an image leaves; None: to be chosen by whoever runs the stages.
        costs: of leaving at each exit, cumulative, by unit (MACs, s, J).
        classes: their names; ``class 0`` and so on if not given.
        transforms: what an image goes through first.
        name: of the network; its class if not given.
        fingerprint: SHA-256 of the weights.

    Raises:
        UsageError: a network without exits, or a folder that holds something.
        InputError: thresholds of another network, or a folder that cannot be written.
        ShapeError: exits that disagree in their classes, or classes or costs that do not fit.
        BackendError: the network cannot be exported, or gives other logits in ONNX Runtime.
        MissingExtraError: ONNX Runtime or PyTorch's exporter is not installed.
    """
    target, chosen = Path(folder), as_early_exit(network)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there and not empty", expected="a new folder")
    if thresholds is not None and thresholds.exits != chosen.exits:
        raise UsageError(
            f"thresholds for {thresholds.exits} exits and a network with {chosen.exits}",
            expected="thresholds that were solved for this network",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        place = next((p.device for p in network.parameters()), torch.device("cpu"))
        with paused(network):
            images = _images(_EXAMPLES, input_shape).to(place)
            files, number = _write_stages(chosen, images, part, name or type(network).__name__)
            names = tuple(classes) or tuple(f"class {i}" for i in range(number))
            if len(names) != number:
                raise ShapeError(
                    f"{len(names)} names of classes for {number} logits", expected="as many"
                )
            made = StageManifest(
                name or type(network).__name__, fingerprint, _shape(input_shape), names,
                tuple(transforms), files, thresholds,
                {unit: tuple(map(float, values)) for unit, values in (costs or {}).items()},
            )  # fmt: skip
            write_file(part / MANIFEST, dumps(made.to_dict(), indent=2) + "\n")
            _compare(chosen, part, _images(_PROBES, input_shape).to(place))
        part.chmod(0o755)
        part.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made


class _Stage(nn.Module):
    """A stage as a module from tensors to tensors: logits first, then the state's, in order."""

    def __init__(self, network: EarlyExit, stage: int, form: Any) -> None:
        super().__init__()
        self.network, self.stage, self.form = network, stage, form
        self.eval()  # the exporter puts back the mode that it finds

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        given = iter(tensors)
        if self.stage:
            state = map_leaves(lambda _: next(given), self.form)
        else:
            state = self.network.begin(tensors[0])
        logits, later = self.network.advance(self.stage, state)
        last = self.stage == self.network.exits - 1
        # a map that later stages read again must not be the graph's input itself
        return (logits, *(() if last else leaves(map_leaves(torch.clone, later))))


def _write_stages(
    network: EarlyExit, images: Tensor, folder: Path, name: str
) -> tuple[tuple[StageFile, ...], int]:
    """The files, and the number of classes."""
    takes: tuple[str, ...] = (IMAGES,)
    inputs: tuple[Tensor, ...] = (images,)
    state = network.begin(images)
    form, files, classes = state, [], 0
    for stage in range(network.exits):
        logits, state = network.advance(stage, state)
        if stage and logits.shape[-1] != classes:
            raise ShapeError(
                f"exit {stage + 1} has {logits.shape[-1]} classes, exit 1 {classes}",
                expected="the same of every exit",
            )
        classes = logits.shape[-1]
        kept = () if stage == network.exits - 1 else tuple(leaves(state))
        gives = tuple(f"state_{stage + 1}_{i}" for i in range(len(kept)))
        path = folder / f"stage_{stage + 1}.onnx"
        export_module(
            _Stage(network, stage, form), inputs, path, name=f"stage {stage + 1} of {name}",
            input_names=takes, output_names=("logits", *gives),
        )  # fmt: skip
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(StageFile(path.name, digest, takes, gives))
        takes, inputs, form = gives, kept, state
    return tuple(files), classes


def _compare(network: EarlyExit, folder: Path, images: Tensor) -> None:
    state, expected = network.begin(images), []
    for stage in range(network.exits):
        logits, state = network.advance(stage, state)
        expected.append(logits.float().cpu().numpy())
    found = run_all(OnnxStages(folder), images.cpu().numpy())
    differs = deviation(found, expected)
    if not differs <= TOLERANCE["float32"]:
        raise BackendError(
            f"logits of the exported stages differ from PyTorch's by {differs:.2g} of the largest",
            expected=f"at most {TOLERANCE['float32']:.2g}",
        )


def _images(count: int, shape: Sequence[int]) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((count, *_shape(shape)), generator=generator)


def _shape(shape: Sequence[int]) -> tuple[int, int, int]:
    if len(shape) != 3 or min(shape) < 1:
        raise ShapeError(f"an image of shape {tuple(shape)}", expected="(C, H, W)")
    channels, height, width = shape
    return channels, height, width
