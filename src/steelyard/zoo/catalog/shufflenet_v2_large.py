"""ShuffleNetV2.Large: settings, source and names."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleNetV2LargeConfig(ImageConfig):
    """Settings of a ShuffleNetV2.Large."""

    blocks: tuple[int, ...] = setting((10, 10, 23, 10), "units per stage", low=1, high=1024)
    channels: int = setting(256, "of the first stage, doubled per stage", low=4, high=2**20)
    groups: int = setting(8, "of the 3x3 convolutions", low=1, high=1024)
    stem: tuple[int, ...] = setting(
        (64, 64, 128), "channels of the 3x3 convolutions before the pooling", low=1
    )
    last_channels: int = setting(1280, "channels of the last 3x3 convolution", low=1)
    se_reduction: int = setting(1, "r of squeeze-and-excitation in every unit; 0: none", low=0)
    dropout: float = setting(0.2, "of the classifier's input", low=0, high=0.99)


_PAPER = Paper(
    "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
    "Ma, Zhang, Zheng, Sun",
    2018,
    "ECCV 2018",
    "1807.11164",
)
_NOTES = (
    "ShuffleNetV2.Large of the authors' repository, which gives the MACs and the error of the paper's "
    "SE-ShuffleNetV2-164 (here se_shufflenet_v2_164) and is another network: grouped instead of depthwise convolutions, "
    "and a last convolution of 3x3. The three auxiliary classifiers that it is trained with are left out."
)

FAMILIES = (
    Family(
        name="ShuffleNetV2.Large",
        builder="steelyard.zoo.shufflenet_v2_large:ShuffleNetV2Large",
        config=ShuffleNetV2LargeConfig,
        paper=_PAPER,
        models=(Model("shufflenet_v2_large", {}, _NOTES),),
    ),
)
