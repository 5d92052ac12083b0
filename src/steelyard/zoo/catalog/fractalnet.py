"""FractalNet: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class FractalNetConfig(ImageConfig):
    """Settings of a fractal network."""

    columns: int = setting(
        3, "C: columns per block; the deepest has 2^(C-1) convolutions", low=1, high=10
    )
    channels: tuple[int, ...] = setting(
        (64, 128, 256, 512, 512), "channels of each block", low=1, high=2**20
    )
    stem: Literal["none", "imagenet"] = setting(
        "none", "what precedes the blocks: nothing, or ResNet's 7x7 and pooling, stride 2 each"
    )
    path: Literal["all", "deepest"] = setting(
        "all", "all columns, or the deepest alone, which loads its part of the weights"
    )
    drop_path: float = setting(
        0.15, "probability that training drops an input of a join", low=0, high=1
    )
    global_paths: float = setting(
        0.5, "share of the training samples that go through one column only", low=0, high=1
    )
    dropout: float = setting(
        0.4, "dropout in the last block, rising linearly from 0 in the first", low=0, high=1
    )


_CIFAR = (
    "As the authors' generator makes it (gustavla/fractalnet): convolutions without bias in effect, each "
    "column pooled before a block's last join, Caffe's rounding of pooled sizes. path='deepest' loads "
    "this network's weights with strict=False."
)
_FORTY = (
    " Half the channels of the 20-layer network: with them neither this depth nor 20 layers gives the "
    "paper's count."
)
_ImageNet = (
    "The paper states depth, 4 blocks of 4 columns and their channels; stem and classifier are taken over "
    "from ResNet-34, with a pooling behind every block as in the CIFAR network (recalled)."
)

FAMILIES = (
    Family(
        name="FractalNet",
        builder="steelyard.zoo.fractalnet:FractalNet",
        config=FractalNetConfig,
        paper=Paper(
            "FractalNet: Ultra-Deep Neural Networks without Residuals",
            "Larsson, Maire, Shakhnarovich",
            2016,
            "ICLR 2017",
            "1605.07648",
        ),
        models=(
            Model("fractalnet20_cifar", {"num_classes": 10, "resolution": 32}, _CIFAR),
            Model(
                "fractalnet40_cifar",
                {
                    "columns": 4,
                    "channels": (32, 64, 128, 256, 256),
                    "num_classes": 10,
                    "resolution": 32,
                },
                _CIFAR + _FORTY,
            ),
            Model(
                "fractalnet34",
                {"columns": 4, "channels": (128, 256, 512, 1024), "stem": "imagenet"},
                _ImageNet,
            ),
        ),
    ),
)
