"""The networks of a seed as benchmarks/dynamic.py decides and times them: those that are trained, and cascades of them.

What the networks say of the test images and their exported stages are kept beside the runs.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import steelyard as sy
from dynamic_decisions import logits_of
from steelyard.data.transforms import parse_transforms
from steelyard.dynamic.early_exit import run_stages
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.measure.stages.export import export_stages
from steelyard.measure.stages.onnx_stages import OnnxStages

SHAPE = (1, 1, 28, 28)
CHAINS = (("quick look",), ("quick look", "ResNet"), ("quick look", "MobileNetV2"))
"""What stands before the best network in cascades."""


class Whole(nn.Module):
    """A network without exits as one with one, so that the same program runs both."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.exits = 1
        self.network = network

    def begin(self, images: Tensor) -> Tensor:
        return images

    def advance(self, stage: int, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(state), state

    def forward(self, images: Tensor) -> list[Tensor]:
        return run_stages(self, images)


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, folded for inference, with one exit or more.

    Attributes:
        name: on the page.
        network: in eval mode; one exit: a `Whole`.
        outputs: of all test images.
        macs: of leaving at each exit.
    """

    name: str
    network: nn.Module
    outputs: ExitOutputs
    macs: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Whether the last exit is, (N,)."""
        return self.outputs.correct[-1]

    @property
    def top1(self) -> float:
        """Of the last exit, percent."""
        return 100 * float(self.right.mean())


def subjects(rows: Mapping[str, dict[str, Any]], folders: Mapping[str, Path]) -> list[Subject]:
    """The trained networks of a seed, by label, then the cascades that end in the best without exits."""
    found = [_trained(label, row, folders[label]) for label, row in rows.items()]
    end = best(found)
    smaller = {one.name: one for one in found if one.macs[-1] < end.macs[-1]}
    chains = [[*map(smaller.get, names), end] for names in CHAINS if smaller.keys() >= set(names)]
    return found + [_cascade(chain) for chain in chains]


def best(several: list[Subject]) -> Subject:
    """The most accurate network without exits."""
    return max((one for one in several if len(one.macs) == 1), key=lambda one: one.top1)


def _trained(label: str, row: Mapping[str, Any], folder: Path) -> Subject:
    network = sy.Run.open(folder).network("last")
    folded = sy.optimize_for_inference(network, input_shape=SHAPE).eval()
    kept = folder / "test_logits.npy"
    if not kept.is_file():
        np.save(kept, np.stack(logits_of(folded, prepared())))
    outputs = ExitOutputs.of(np.load(kept), data().labels.numpy())
    whole = folded if len(row["macs"]) > 1 else Whole(folded).eval()
    return Subject(label, whole, outputs, np.array(row["macs"]))


def _cascade(chain: list[Subject]) -> Subject:
    outputs = ExitOutputs.of(
        np.concatenate([one.outputs.logits for one in chain]), chain[0].outputs.labels
    )
    network = sy.Cascade([one.network.network for one in chain]).eval()
    name = "cascade: " + "; ".join(one.name for one in chain)
    return Subject(name, network, outputs, np.cumsum([one.macs[0] for one in chain]))


def exported(network: nn.Module, folder: Path) -> OnnxStages:
    """The network's stages in ONNX Runtime; written where they are not there."""
    if not (folder / "stages.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        export_stages(network, folder, input_shape=SHAPE[1:])
    return OnnxStages(folder)


@cache
def data() -> Any:
    """The test images."""
    return sy.load_data("fashion_mnist", "test")


@cache
def prepared() -> Tensor:
    """Test images as the networks take them."""
    steps, images = parse_transforms(("normalize:fashion_mnist",)), data().images
    return steps(images, torch.arange(len(images)), seed=0, epoch=0, train=False)
