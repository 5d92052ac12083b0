"""Multi-scale dense networks: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class MSDNetConfig(ImageConfig):
    """Settings of a multi-scale dense network; in brackets the authors' names."""

    blocks: int = setting(5, "blocks, each with a classifier [nBlocks]", low=1, high=64)
    base: int = setting(4, "layers of the first block [base]", low=1, high=256)
    step: int = setting(4, "layers of every further block [step]", low=1, high=256)
    stepmode: Literal["even", "lin_grow"] = setting(
        "even", "lin_grow: the i-th further block has step * i + 1 layers [stepmode]"
    )
    channels: int = setting(
        32, "maps of the stem, times the factor of the scale [nChannels]", low=1, high=4096
    )
    growth: int = setting(
        16, "maps that a layer adds, times the factor of the scale [growthRate]", low=1, high=4096
    )
    growth_factors: tuple[int, ...] = setting(
        (1, 2, 4, 4), "one for each scale, finest first [grFactor, nScales]", low=1, high=64
    )
    bottleneck: bool = setting(True, "a 1x1 convolution before every 3x3 [bottleneck]")
    bottleneck_factors: tuple[int, ...] = setting(
        (1, 2, 4, 4),
        "1x1 convolutions make this many times the new maps [bnFactor]",
        low=1,
        high=64,
    )
    prune: Literal["max", "min"] = setting(
        "max",
        "drop the finest scale after each equal part of the layers, or as late as possible [prune]",
    )
    reduction: float = setting(
        0.5,
        "a transition keeps this part of the maps; 0: no transitions [reduction]",
        low=0,
        high=1,
    )
    stem: Literal["imagenet", "cifar"] = setting(
        "imagenet", "7x7 with stride 2 and pooling; or 3x3 with stride 1"
    )
    classifier_channels: int = setting(
        0, "of a classifier's two convolutions; 0: as many as they read", low=0, high=65536
    )


_PAPER = Paper(
    "Multi-Scale Dense Networks for Resource Efficient Image Classification",
    "Huang, Chen, Li, Wu, van der Maaten, Weinberger",
    2017,
    "ICLR 2018",
    "1703.09844",
)
_NOTES = (
    "Returns the outputs of all classifiers, earliest first. The paper prints no counts; figures are from "
    "the op counter of kalviny/MSDNet-PyTorch, which is followed here. Initial weights as in gaohuang/MSDNet "
    "(Torch); the PyTorch code means to draw the same but leaves PyTorch's defaults. "
)
_NOTES_CIFAR = (
    f"{_NOTES}Three scales. Anytime: classifiers at layers 4, 6, 8, ...; budgeted: at layers 1, 3, 6, 10, ... "
    "num_classes=100 for CIFAR-100."
)
_NOTES_IMAGENET = (
    f"{_NOTES}Four scales, classifiers at every step-th layer. The paper's own text puts them three layers "
    "later (recalled): base=step+3; the Torch code has channels=64."
)
_CIFAR: dict[str, object] = {
    "channels": 16,
    "growth": 6,
    "growth_factors": (1, 2, 4),
    "bottleneck_factors": (1, 2, 4),
    "stem": "cifar",
    "classifier_channels": 128,
    "num_classes": 10,
    "resolution": 32,
}

FAMILIES = (
    Family(
        name="MSDNet",
        builder="steelyard.zoo.msdnet:MSDNet",
        config=MSDNetConfig,
        paper=_PAPER,
        models=(
            *(
                Model(f"msdnet5_step{step}", {"base": step, "step": step}, _NOTES_IMAGENET)
                for step in (4, 6, 7)
            ),
            *(
                Model(
                    f"msdnet{blocks}_anytime_cifar",
                    {**_CIFAR, "blocks": blocks, "base": 4, "step": 2},
                    _NOTES_CIFAR,
                )
                for blocks in (7, 10, 11)
            ),
            *(
                Model(
                    f"msdnet{blocks}_budgeted_cifar",
                    {**_CIFAR, "blocks": blocks, "base": 1, "step": 1, "stepmode": "lin_grow"},
                    _NOTES_CIFAR,
                )
                for blocks in (4, 5, 6, 7, 8)
            ),
        ),
    ),
)
