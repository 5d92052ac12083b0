"""MobileNetV2 for CIFAR with fully learnable group convolution: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class FLGCConfig(ImageConfig):
    """Settings of a MobileNetV2 for small images, with or without learnt groups."""

    num_classes: int = setting(10, "classes, the size of the last layer", low=1, high=2**20)
    resolution: int = setting(32, "height and width of the image", low=1, high=2**20)
    groups: int = setting(1, "learnt groups of 1x1 convolutions; 1: none", low=1, high=1024)
    where: Literal["projection", "all"] = setting(
        "projection", "which have groups: the last 1x1 of every block, or every 1x1"
    )
    grouped: bool = setting(
        True,
        "the form for inference, groups of equal size; false: the form for training, which learns them",
    )
    channels: tuple[int, ...] = setting(
        (16, 24, 32, 64, 96, 160, 320), "channels of every stage", low=1, high=65536
    )
    blocks: tuple[int, ...] = setting(
        (1, 2, 3, 4, 3, 3, 1), "blocks of every stage", low=1, high=1024
    )
    strides: tuple[int, ...] = setting(
        (1, 1, 2, 2, 1, 2, 1), "stride of every stage's first block", low=1, high=2
    )
    expansion: int = setting(
        6, "a block is that much wider inside; the first stage is not", low=1, high=64
    )
    expand_first: bool = setting(
        True, "the first stage has the first 1x1, too, although it does not widen"
    )
    stem: int = setting(32, "channels of the first convolution", low=1, high=65536)
    head: int = setting(1280, "channels of the last convolution", low=1, high=65536)


_PAPER = Paper(
    "Fully Learnable Group Convolution for Acceleration of Deep Neural Networks",
    "Wang, Kan, Shan, Chen",
    2019,
    "CVPR 2019",
    "1904.00346",
)
_MOBILENET = Paper(
    "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
    "Sandler, Howard, Zhu, Zhmoginov, Chen",
    2018,
    "CVPR 2018",
    "1801.04381",
)
_NOTES_BASE = (
    "One group: the baseline without learnt groups, MobileNetV2 as kuangliu/pytorch-cifar has it for 32x32 "
    "images. Strides 1 in stem and second stage, ReLU, an expansion in the first block, and a 1x1 projection "
    "on the shortcut where a block of stride 1 changes the channels; mobilenet_v2_cifar has none of the last "
    "three. Module names are those of that network."
)
_NOTES = (
    "The form for inference, with groups of equal size: learnt groups are of any size, and MACs "
    "the sum over groups of inputs x filters. grouped=False is the form that learns the groups; "
    "steelyard.layers.flgc.to_grouped makes the grouped form of it. The paper does not say which 1x1 "
    "convolutions have groups: where='projection' is what the re-implementation Daniil-Osokin/"
    "fully-learnable-group-convolution.pytorch has, with expand_first=False; where='all' takes every one."
)

FAMILIES = (
    Family(
        name="FLGC",
        builder="steelyard.zoo.flgc:MobileNetV2CIFAR",
        config=FLGCConfig,
        paper=_PAPER,
        models=(
            Model("mobilenet_v2_flgc1_cifar", {}, _NOTES_BASE, _MOBILENET),
            *(
                Model(f"mobilenet_v2_flgc{groups}_cifar", {"groups": groups}, _NOTES)
                for groups in (2, 4, 8)
            ),
        ),
    ),
)
