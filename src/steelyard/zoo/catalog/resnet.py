"""Residual networks: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class StagesConfig(ImageConfig):
    """Settings of all networks made of stages of residual blocks."""

    blocks: tuple[int, ...] = setting(
        (3, 4, 6, 3), "residual blocks per stage; each stage is twice as wide", low=1, high=1024
    )
    shortcut: Literal["A", "B", "C"] = setting(
        "B", "A zero padding; B projection where the shape changes; C projection everywhere"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetConfig(StagesConfig):
    """Settings of a residual network."""

    plain: bool = setting(False, "no shortcuts at all: a plain network")
    block: Literal["basic", "bottleneck"] = setting(
        "bottleneck", "two 3x3 convolutions, or 1x1, 3x3, 1x1"
    )
    stem: Literal["imagenet", "cifar"] = setting(
        "imagenet", "7x7 with stride 2 and pooling, 64 channels; or 3x3 with stride 1, 16 channels"
    )
    stride_at: Literal["1x1", "3x3"] = setting(
        "3x3", "which convolution of a bottleneck carries the stride: v1 the 1x1, v1.5 the 3x3"
    )


_PAPER = Paper(
    "Deep Residual Learning for Image Recognition",
    "He, Zhang, Ren, Sun",
    2015,
    "CVPR 2016",
    "1512.03385",
)
_IMAGENET: dict[str, tuple[str, tuple[int, ...]]] = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
    "resnet152": ("bottleneck", (3, 8, 36, 3)),
    "resnet26": ("bottleneck", (2, 2, 2, 2)),
    "resnet200": ("bottleneck", (3, 24, 36, 3)),
}
IMAGENET_BLOCKS = {int(name[6:]): settings for name, settings in _IMAGENET.items()}
"""Kind and number of blocks by the number of layers with weights: table 1 of the paper, 200 by its sequel."""
_IN_TORCHVISION = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_V15 = (
    "v1.5: the 3x3 of a bottleneck carries the stride, as torchvision, timm and the ResNeXt paper "
    "have it; the paper's own network is {}_v1, with fewer MACs."
)
_BASIC = (
    "Basic blocks: the paper's v1 and the later v1.5 are the same network. Option B shortcuts; the "
    "paper also trains option A (shortcut='A') and C."
)
_V1 = (
    "v1, the paper's network: the first 1x1 of a bottleneck carries the stride. Option B shortcuts, as "
    "for all ImageNet errors of 50 layers and more. The released Caffe model of 50 layers has a "
    "bias on its first convolution (64 more parameters)."
)
_CIFAR = (
    "Option A shortcuts as in the paper (sec. 4.2), hence 6n + 2 layers with weights; shortcut='B' gives "
    "the two projections that many copies have."
)

_PLAIN = (
    "The residual network of as many layers without its shortcuts (sec. 3.3 and 4): batch normalisation and all else "
    "as there."
)

FAMILIES = (
    Family(
        name="ResNet",
        builder="steelyard.zoo.resnet:resnet",
        config=ResNetConfig,
        paper=_PAPER,
        models=(
            *(
                Model(
                    name,
                    {"block": block, "blocks": blocks},
                    _V15.format(name) if block == "bottleneck" else _BASIC,
                    same_as={"timm": name}
                    | ({"torchvision": name} if name in _IN_TORCHVISION else {}),
                )
                for name, (block, blocks) in _IMAGENET.items()
            ),
            *(
                Model(f"{name}_v1", {"block": block, "blocks": blocks, "stride_at": "1x1"}, _V1)
                for name, (block, blocks) in _IMAGENET.items()
                if block == "bottleneck" and name in _IN_TORCHVISION
            ),
            *(
                Model(
                    f"resnet{6 * n + 2}_cifar",
                    {
                        "block": "basic",
                        "blocks": (n, n, n),
                        "stem": "cifar",
                        "shortcut": "A",
                        "num_classes": 10,
                        "resolution": 32,
                    },
                    _CIFAR,
                )
                for n in (3, 5, 7, 9, 18, 200)
            ),
            *(
                Model(
                    f"plain{layers}",
                    {"block": "basic", "blocks": _IMAGENET[f"resnet{layers}"][1], "plain": True},
                    _PLAIN,
                )
                for layers in (18, 34)
            ),
            *(
                Model(
                    f"plain{6 * n + 2}_cifar",
                    {
                        "block": "basic",
                        "blocks": (n, n, n),
                        "stem": "cifar",
                        "plain": True,
                        "num_classes": 10,
                        "resolution": 32,
                    },
                    _PLAIN,
                )
                for n in (3, 5, 7, 9)
            ),
        ),
    ),
)
