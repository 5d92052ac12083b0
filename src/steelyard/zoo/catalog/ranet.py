"""Resolution adaptive networks: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class RANetConfig(ImageConfig):
    """Settings of a resolution adaptive network, the lowest resolution first; in brackets the authors' names."""

    scales: tuple[int, ...] = setting(
        (1, 2, 3),
        "of each sub-network, the resolution it reads: 1 is the lowest, each further one twice as large [scale-list]",
        low=1,
        high=8,
    )
    growth_factors: tuple[int, ...] = setting(
        (4, 2, 1), "of each sub-network, times channels and growth [grFactor]", low=1, high=64
    )
    bottleneck_factors: tuple[int, ...] = setting(
        (4, 2, 1), "1x1 convolutions make this many times the new maps [bnFactor]", low=1, high=64
    )
    blocks: int = setting(2, "dense blocks of the first sub-network [nBlocks]", low=1, high=64)
    block_step: int = setting(
        2, "blocks that each further sub-network has more, each with a classifier [block-step]",
        low=1, high=64,
    )  # fmt: skip
    step: int = setting(4, "layers of the first block [step]", low=1, high=256)
    stepmode: Literal["even", "lin_grow"] = setting(
        "even", "layers of further blocks: as many, or step more each [stepmode even, lg]"
    )
    channels: int = setting(
        16, "base features of each sub-network, times its factor [nChannels]", low=1, high=4096
    )
    growth: int = setting(6, "maps that a layer adds, times the factor [growthRate]", low=1, high=4096)  # fmt: skip
    compression: float = setting(
        0.25, "part of new maps that comes from the sub-network before [compress-factor]",
        low=0.01, high=0.99,
    )  # fmt: skip
    reduction: float = setting(0.5, "a transition keeps this part of the maps [reduction]", low=0.01, high=1)  # fmt: skip
    stem: Literal["imagenet", "cifar"] = setting(
        "cifar", "7x7 with stride 2 and pooling; or 3x3 with stride 1"
    )
    classifier_channels: int = setting(
        0, "of a classifier's two convolutions; 0: as many as they read", low=0, high=65536
    )


_PAPER = Paper(
    "Resolution Adaptive Networks for Efficient Inference",
    "Yang, Han, Chen, Song, Dai, Huang",
    2020,
    "CVPR 2020",
    "2003.07326",
)
_NOTES = (
    "Returns the outputs of all classifiers, earliest first; the sub-network of the lowest resolution comes "
    "first. The paper prints no counts; figures are from running yangle15/RANet-pytorch and its op counter. "
)
_NOTES_CIFAR = f"{_NOTES}num_classes=100 for CIFAR-100. "
_CIFAR: dict[str, object] = {
    "num_classes": 10,
    "resolution": 32,
    "classifier_channels": 128,
}
_IMAGENET: dict[str, object] = {
    "stem": "imagenet",
    "scales": (1, 2, 3, 4),
    "growth": 16,
    "step": 8,
}

FAMILIES = (
    Family(
        name="RANet",
        builder="steelyard.zoo.ranet:RANet",
        config=RANetConfig,
        paper=_PAPER,
        models=(
            Model(
                "ranet4_cifar",
                {
                    **_CIFAR,
                    "scales": (1, 2, 3, 3),
                    "growth_factors": (4, 2, 1, 1),
                    "bottleneck_factors": (4, 2, 1, 1),
                },
                f"{_NOTES_CIFAR}Settings of train_cifar.sh: four sub-networks, eight classifiers.",
            ),
            Model(
                "ranet3_lg_cifar",
                {**_CIFAR, "step": 2, "stepmode": "lin_grow"},
                f"{_NOTES_CIFAR}The other example of the authors' page: three sub-networks, six classifiers.",
            ),
            Model(
                "ranet4",
                {**_IMAGENET, "growth_factors": (4, 2, 1, 1), "bottleneck_factors": (4, 2, 1, 1)},
                f"{_NOTES}Settings of train_imagenet.sh.",
            ),
            Model(
                "ranet4_c32",
                {
                    **_IMAGENET,
                    "channels": 32,
                    "growth_factors": (4, 2, 2, 1),
                    "bottleneck_factors": (4, 2, 2, 1),
                },
                f"{_NOTES}The other example of the authors' page.",
            ),
        ),
    ),
)
