"""Condensed dense networks: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class CondenseNetConfig(ImageConfig):
    """Settings of a condensed dense network."""

    blocks: tuple[int, ...] = setting((4, 6, 8, 10, 8), "dense layers per block", low=1, high=1024)
    growth: tuple[int, ...] = setting(
        (8, 16, 32, 64, 128), "maps that each layer of a block adds, per block", low=1, high=4096
    )
    bottleneck: int = setting(4, "a 1x1 makes this many times the growth", low=1, high=64)
    groups: int = setting(4, "groups of the 1x1 convolutions, learnt ones, G", low=1, high=1024)
    groups_3x3: int | None = setting(
        None, "groups of the 3x3 convolutions; none: as many as of the 1x1", low=1, high=1024
    )
    condensation: int | None = setting(
        None, "each group keeps this fraction of its inputs, C; none: C = G", low=1, high=1024
    )
    linear_condensation: int = setting(
        2, "the classifier keeps this fraction of its inputs", low=1, high=1024
    )
    condensed: bool = setting(
        True,
        "the form for inference, gathers and grouped convolutions; false: the form for training",
    )
    stem: Literal["imagenet", "cifar"] = setting(
        "imagenet", "first 3x3 convolution with stride 2; or 1"
    )
    drop_rate: float = setting(
        0.0, "dropout before the 1x1 convolutions, in the form for training", low=0, high=0.99
    )


_PAPER = Paper(
    "CondenseNet: An Efficient DenseNet using Learned Group Convolutions",
    "Huang, Liu, van der Maaten, Weinberger",
    2017,
    "CVPR 2018",
    "1711.09224",
)
_NOTES = (
    "The condensed form, as the paper counts it. condensed=False is the form to train: its learned group "
    "convolutions drop inputs when steelyard.layers.condensation.CondensationSchedule says so, and condense() "
    "then makes the condensed form of it. Dense connections between blocks too, no convolution in "
    "transitions. The classifier reads half of its inputs. Module names are those of the authors' converted "
    "networks."
)
_CIFAR = {50: 8, 74: 12, 86: 14, 98: 16, 110: 18, 122: 20, 182: 30}


def _cifar(depth: int, layers: int) -> Model:
    return Model(
        f"condensenet{depth}_cifar",
        {
            "blocks": (layers,) * 3,
            "growth": (12, 24, 48) if depth == 182 else (8, 16, 32),
            "stem": "cifar",
            "num_classes": 10,
            "resolution": 32,
        },
        _NOTES,
    )


FAMILIES = (
    Family(
        name="CondenseNet",
        builder="steelyard.zoo.condensenet:CondenseNet",
        config=CondenseNetConfig,
        paper=_PAPER,
        models=(
            Model("condensenet74_c4_g4", {}, _NOTES),
            Model("condensenet74_c8_g8", {"groups": 8}, _NOTES),
            *(_cifar(depth, layers) for depth, layers in _CIFAR.items()),
        ),
    ),
)
