"""Xception: settings, paper and name."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class XceptionConfig(ImageConfig):
    """Settings of Xception."""

    resolution: int = setting(
        299, "height and width of the image; the network takes any from 11 on", low=11, high=2**20
    )
    middle: int = setting(8, "blocks of the middle flow, at 19x19", low=0, high=256)
    dropout: float = setting(0.5, "probability of dropping a feature", low=0, high=1)


FAMILIES = (
    Family(
        name="Xception",
        builder="steelyard.zoo.xception:Xception",
        config=XceptionConfig,
        paper=Paper(
            "Xception: Deep Learning with Depthwise Separable Convolutions",
            "Chollet",
            2016,
            "CVPR 2017",
            "1610.02357",
        ),
        models=(
            Model(
                "xception",
                notes="Fig. 5 of the paper: the first two convolutions do not pad, shortcuts are 1x1 convolutions "
                "with stride 2, and no ReLU stands between a depthwise and its 1x1 convolution. Initial "
                "weights are Glorot's, Keras's default. timm's weights were trained with the variance's eps "
                "of 1e-5, which is used here; Keras's are with 1e-3.",
                same_as={"timm": "legacy_xception"},
            ),
        ),
    ),
)
