"""ResNeXt: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.catalog.resnet import StagesConfig
from steelyard.zoo.config import MAX_SIZE, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNeXtConfig(StagesConfig):
    """Settings of a ResNeXt."""

    cardinality: int = setting(32, "groups of the 3x3 convolutions, C", low=1, high=MAX_SIZE)
    group_width: int = setting(
        4, "channels of each group in the first stage, d; doubled per stage", low=1, high=MAX_SIZE
    )
    stem: Literal["imagenet", "cifar"] = setting(
        "imagenet", "7x7 with stride 2 and pooling; or 3x3 with stride 1; 64 channels both"
    )


_DEPTHS = {29: (3, 3, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_TORCHVISION = ("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d")
_CIFAR = (
    "Three stages of 64, 128 and 256 channels, four times that behind the blocks; projections where "
    "the shape changes."
)

FAMILIES = (
    Family(
        name="ResNeXt",
        builder="steelyard.zoo.resnext:resnext",
        config=ResNeXtConfig,
        paper=Paper(
            "Aggregated Residual Transformations for Deep Neural Networks",
            "Xie, Girshick, Dollar, Tu, He",
            2016,
            "CVPR 2017",
            "1611.05431",
        ),
        models=(
            *(
                Model(
                    name := f"resnext{depth}_{cardinality}x{group_width}d",
                    {
                        "blocks": _DEPTHS[depth],
                        "cardinality": cardinality,
                        "group_width": group_width,
                    },
                    "The 3x3 carries the stride, as in the authors' code.",
                    same_as={"timm": name}
                    | ({"torchvision": name} if name in _TORCHVISION else {}),
                )
                for depth, cardinality, group_width in (
                    (50, 32, 4),
                    (101, 32, 4),
                    (101, 32, 8),
                    (101, 64, 4),
                )
            ),
            *(
                Model(
                    f"resnext29_{cardinality}x64d_cifar",
                    {
                        "blocks": _DEPTHS[29],
                        "cardinality": cardinality,
                        "group_width": 64,
                        "stem": "cifar",
                        "num_classes": 10,
                        "resolution": 32,
                    },
                    _CIFAR,
                )
                for cardinality in (8, 16)
            ),
        ),
    ),
)
