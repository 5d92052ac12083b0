"""Densely connected networks: settings, papers and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseNetConfig(ImageConfig):
    """Settings of a densely connected network."""

    blocks: tuple[int, ...] = setting((6, 12, 24, 16), "dense layers per block", low=1, high=1024)
    growth: int = setting(32, "maps that each layer adds, k in the paper", low=1, high=4096)
    bottleneck: bool = setting(
        True, "a 1x1 convolution to 4k maps before each 3x3 (DenseNet-B); false: the 3x3 alone"
    )
    compression: float = setting(
        0.5,
        "a transition keeps this part of the maps, theta in the paper; 1 keeps all",
        low=0.01,
        high=1,
    )
    stem: Literal["imagenet", "cifar"] = setting(
        "imagenet", "7x7 with stride 2 and pooling; or 3x3 with stride 1"
    )
    initial: int = setting(
        0, "maps of the stem; 0: 2k, or 16 without bottleneck and compression", low=0, high=65536
    )
    memory_efficient: bool = setting(
        False, "in training, concatenations are computed again instead of kept"
    )
    drop_rate: float = setting(
        0.0, "dropout behind every convolution but the first", low=0, high=0.99
    )


_PAPER = Paper(
    "Densely Connected Convolutional Networks",
    "Huang, Liu, van der Maaten, Weinberger",
    2016,
    "CVPR 2017",
    "1608.06993",
)
_MEMORY = Paper(
    "Memory-Efficient Implementation of DenseNets",
    "Pleiss, Chen, Huang, Li, van der Maaten, Weinberger",
    2017,
    "arXiv",
    "1707.06990",
)
_IMAGENET: dict[str, tuple[int, tuple[int, ...]]] = {
    "densenet121": (32, (6, 12, 24, 16)),
    "densenet161": (48, (6, 12, 36, 24)),
    "densenet169": (32, (6, 12, 32, 32)),
    "densenet201": (32, (6, 12, 48, 32)),
}
_DEEP: dict[str, tuple[int, tuple[int, ...]]] = {
    "densenet232_k48": (48, (6, 12, 48, 48)),
    "densenet264_k48": (48, (6, 12, 64, 48)),
}
_CIFAR: dict[str, tuple[int, int, bool]] = {
    "densenet40_k12_cifar": (40, 12, False),
    "densenet40_k12_bc_cifar": (40, 12, True),
    "densenet40_k36_bc_cifar": (40, 36, True),
    "densenet40_k48_bc_cifar": (40, 48, True),
    "densenet40_k60_bc_cifar": (40, 60, True),
    "densenet100_k12_cifar": (100, 12, False),
    "densenet100_k24_cifar": (100, 24, False),
    "densenet100_k12_bc_cifar": (100, 12, True),
    "densenet190_k40_bc_cifar": (190, 40, True),
    "densenet250_k24_bc_cifar": (250, 24, True),
}
_NOTES = (
    "Initial weights as in the authors' Torch code: N(0, 2 / (k^2 M)). The paper prints parameters and "
    "FLOPs of the ImageNet networks in a figure only."
)
_NOTES_264 = (
    f"{_NOTES} timm's densenet264d is another network: three 3x3 convolutions in place of the 7x7."
)
_NOTES_DEEP = (
    "From the report on memory-efficient training. densenet264_k48 is what the authors' list calls "
    "DenseNet-cosine-264: the cosine is its learning-rate schedule. memory_efficient=True trains it in "
    "memory that grows with the depth, not with its square."
)
_NOTES_CIFAR = (
    "Three blocks of equal depth. Without bottleneck and compression: 16 initial maps and 1x1 transitions "
    "that keep all maps; the networks of the same name in pytorchcv compress and are smaller. BC: 2k "
    "initial maps, compression 0.5. drop_rate=0.2 where the paper trains without augmentation. The 40-layer "
    "BC networks with k of 36 to 60 are the authors' wide ones, faster to train at the same accuracy."
)


def _cifar(depth: int, growth: int, bc: bool) -> dict[str, object]:
    layers = (depth - 4) // (6 if bc else 3)
    return {
        "blocks": (layers,) * 3,
        "growth": growth,
        "bottleneck": bc,
        "compression": 0.5 if bc else 1.0,
        "stem": "cifar",
        "num_classes": 10,
        "resolution": 32,
    }


FAMILIES = (
    Family(
        name="DenseNet",
        builder="steelyard.zoo.densenet:DenseNet",
        config=DenseNetConfig,
        paper=_PAPER,
        models=(
            *(
                Model(
                    name,
                    {"growth": growth, "blocks": blocks},
                    _NOTES,
                    same_as={"torchvision": name, "timm": name},
                )
                for name, (growth, blocks) in _IMAGENET.items()
            ),
            Model("densenet264", {"growth": 32, "blocks": (6, 12, 64, 48)}, _NOTES_264),
            *(
                Model(name, {"growth": growth, "blocks": blocks}, _NOTES_DEEP, _MEMORY)
                for name, (growth, blocks) in _DEEP.items()
            ),
            *(Model(name, _cifar(*kind), _NOTES_CIFAR) for name, kind in _CIFAR.items()),
        ),
    ),
)
