"""Wide residual networks for CIFAR and for ImageNet: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.catalog.resnet import IMAGENET_BLOCKS, StagesConfig
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class WideResNetCIFARConfig(ImageConfig):
    """Settings of a wide residual network for CIFAR."""

    num_classes: int = setting(10, "classes, the size of the last layer", low=1, high=2**20)
    resolution: int = setting(32, "height and width of the image", low=1, high=2**20)
    depth: int = setting(28, "layers with weights: 6 n + 4", low=10, high=6004)
    k: float = setting(10.0, "widening factor: stages of 16k, 32k and 64k channels", low=0.0625, high=64)  # fmt: skip
    dropout: float = setting(0.0, "between the convolutions of a block", low=0, high=0.99)
    shortcut: Literal["A", "B", "C"] = setting(
        "B", "A zero padding; B projection where the shape changes; C projection everywhere"
    )
    reduction: int | None = setting(
        None,
        "r of squeeze-and-excitation before each addition; none: without (Hu et al. 2017)",
        low=1,
        high=1024,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WideResNetConfig(StagesConfig):
    """Settings of a wide residual network for ImageNet."""

    block: Literal["basic", "bottleneck"] = setting(
        "bottleneck", "two 3x3 convolutions, k times as wide; or 1x1, 3x3, 1x1, k times inside"
    )
    stride_at: Literal["1x1", "3x3"] = setting(
        "3x3", "which convolution of a bottleneck carries the stride"
    )
    k: float = setting(2.0, "widening factor", low=0.0625, high=64)


_PAPER = Paper("Wide Residual Networks", "Zagoruyko, Komodakis", 2016, "BMVC 2016", "1605.07146")
_CIFAR = (
    "Pre-activation basic blocks, B(3,3). The 1x1 projection, without BN, stands wherever the width changes, in the "
    "first stage too; the published errors are without dropout unless said."
)
_SE = (
    " Squeeze-and-excitation before each addition: SE-WRN-16-8 of Hu et al. 2017 (arXiv:1709.01507), "
    "table 4."
)
_BASIC = (
    "Post-activation basic blocks of 64k to 512k channels behind a stem of 64, hence a projection in the "
    "first stage when k is not 1. With k = 1 it is ResNet-{depth}."
)
_BOTTLENECK = "Only the 3x3 of each bottleneck is k times as wide."

FAMILIES = (
    Family(
        name="WideResNet-CIFAR",
        builder="steelyard.zoo.wide_resnet:wide_resnet_cifar",
        config=WideResNetCIFARConfig,
        paper=_PAPER,
        models=(
            *(
                Model(f"wrn_{depth}_{k}", {"depth": depth, "k": float(k)}, _CIFAR)
                for depth, k in (
                    (16, 4),
                    (16, 8),
                    (16, 10),
                    (22, 8),
                    (22, 10),
                    (28, 10),
                    (28, 12),
                    (40, 1),
                    (40, 2),
                    (40, 4),
                    (40, 8),
                )
            ),
            Model("sewrn_16_8", {"depth": 16, "k": 8.0, "reduction": 16}, _CIFAR + _SE),
        ),
    ),
    Family(
        name="WideResNet",
        builder="steelyard.zoo.wide_resnet:wide_resnet",
        config=WideResNetConfig,
        paper=_PAPER,
        models=(
            *(
                Model(
                    f"wide_resnet{depth}_2",
                    {"block": "basic", "blocks": IMAGENET_BLOCKS[depth][1]},
                    _BASIC.format(depth=depth),
                )
                for depth in (18, 34)
            ),
            *(
                Model(
                    name := f"wide_resnet{depth}_2",
                    {"blocks": IMAGENET_BLOCKS[depth][1]},
                    _BOTTLENECK,
                    same_as={"torchvision": name, "timm": name},
                )
                for depth in (50, 101)
            ),
        ),
    ),
)
