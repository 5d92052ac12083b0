"""ResNet and DenseNet with classifiers on the way: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetMCConfig(ImageConfig):
    """Settings of a residual network with several classifiers."""

    blocks: tuple[int, ...] = setting((10, 10, 10), "residual blocks per resolution", low=1, high=1024)  # fmt: skip
    exits_after: tuple[int, ...] = setting(
        (4, 8), "blocks of each resolution behind which a classifier stands", low=1, high=1024
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseNetMCConfig(ImageConfig):
    """Settings of a densely connected network with several classifiers."""

    blocks: tuple[int, ...] = setting((16, 16, 16), "dense layers per block", low=1, high=1024)
    exits_after: tuple[int, ...] = setting(
        (6, 12), "layers of each block behind which a classifier stands", low=1, high=1024
    )
    growth: int = setting(12, "maps that each layer adds", low=1, high=4096)


_PAPER = Paper(
    "Multi-Scale Dense Networks for Resource Efficient Image Classification",
    "Huang, Chen, Li, Wu, van der Maaten, Weinberger",
    2017,
    "ICLR 2018",
    "1703.09844",
)
_NOTES = (
    "A baseline of MSDNet's paper on CIFAR, appendix A; depth and places of the classifiers as recalled, not "
    "checked against the text. Returns the outputs of all classifiers, earliest first. num_classes=100 for "
    "CIFAR-100. "
)
_DEFAULTS: dict[str, object] = {"num_classes": 10, "resolution": 32}

FAMILIES = (
    Family(
        name="ResNet-MC",
        builder="steelyard.zoo.multi_classifier:ResNetMC",
        config=ResNetMCConfig,
        paper=_PAPER,
        models=(
            Model(
                "resnet62_mc_cifar",
                _DEFAULTS,
                f"{_NOTES}A classifier is that of the network's end: pooling and a linear layer.",
            ),
        ),
    ),
    Family(
        name="DenseNet-MC",
        builder="steelyard.zoo.multi_classifier:DenseNetMC",
        config=DenseNetMCConfig,
        paper=_PAPER,
        models=(
            Model(
                "densenet52_mc_cifar",
                _DEFAULTS,
                f"{_NOTES}A classifier reads all maps of its block so far, as that of the network's end does. "
                "The growth, 12, is our choice.",
            ),
        ),
    ),
)
