"""GoogLeNet: settings, paper and name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogLeNetConfig(ImageConfig):
    """Settings of GoogLeNet."""

    aux_heads: bool = setting(False, "the two auxiliary classifiers, which run in training only")
    pool_rounding: Literal["ceil", "floor"] = setting(
        "ceil",
        "how pooling rounds map sizes: Caffe up (56, 28, 14, 7), others down (55, 27, 13, 6)",
    )
    dropout: float = setting(0.4, "probability of dropping a feature", low=0, high=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogLeNetBNConfig(ImageConfig):
    """Settings of GoogLeNet with batch normalisation."""

    aux_heads: bool = setting(False, "the two auxiliary classifiers, which run in training only")
    third_kernel: Literal[3, 5] = setting(
        3, "filters of the third branch: torchvision's are 3x3, the paper's 5x5"
    )
    dropout: float = setting(0.2, "probability of dropping a feature", low=0, high=1)


_PAPER = Paper(
    "Going Deeper with Convolutions",
    "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich",
    2014,
    "CVPR 2015",
    "1409.4842",
)

FAMILIES = (
    Family(
        name="GoogLeNet",
        builder="steelyard.zoo.googlenet:GoogLeNet",
        config=GoogLeNetConfig,
        paper=_PAPER,
        models=(
            Model(
                "googlenet",
                notes="True 5x5 branches, local response normalisation and maps of 56, 28, 14 and 7, as "
                "Caffe's model; torchvision's googlenet has 3x3 in place of 5x5 and batch "
                "normalisation. The often quoted 1.43 G MACs needs pooling that rounds down "
                "(pool_rounding='floor'). Table 1 of the paper counts 34 M operations for the first "
                "convolution, which has 118 M.",
            ),
        ),
    ),
    Family(
        name="GoogLeNet (BN)",
        builder="steelyard.zoo.googlenet_bn:GoogLeNetBN",
        config=GoogLeNetBNConfig,
        paper=_PAPER,
        models=(
            Model(
                "googlenet_bn",
                notes="What torchvision calls googlenet: batch normalisation instead of biases and response "
                "normalisation, 3x3 filters in place of the paper's 5x5 (third_kernel=5 restores them), the last "
                "pooling 2x2. torchvision's weights expect images scaled to -1 to 1 (mean and deviation 0.5); "
                "its own model rescales inside (transform_input).",
                same_as={"torchvision": "googlenet"},
            ),
        ),
    ),
)
