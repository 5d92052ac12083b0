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


FAMILIES = (
    Family(
        name="GoogLeNet",
        builder="steelyard.zoo.googlenet:GoogLeNet",
        config=GoogLeNetConfig,
        paper=Paper(
            "Going Deeper with Convolutions",
            "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich",
            2014,
            "CVPR 2015",
            "1409.4842",
        ),
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
)
