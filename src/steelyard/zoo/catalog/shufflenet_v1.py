"""ShuffleNet V1: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleNetV1Config(ImageConfig):
    """Settings of a ShuffleNet V1."""

    groups: int = setting(3, "groups of the 1x1 convolutions", low=1, high=1024)
    blocks: tuple[int, ...] = setting((4, 8, 4), "units per stage", low=1, high=1024)
    channels: int | None = setting(
        None,
        "channels of the first stage at width 1, doubled per stage; None: table 1 of the paper",
        low=4,
        high=2**20,
    )
    stem: int | None = setting(
        None,
        "channels of the first convolution; None: 24, 48 from width 2 on, 12 below width 1",
        low=1,
        high=2**20,
    )
    se_reduction: int = setting(0, "r of squeeze-and-excitation in every unit; 0: none", low=0)
    head_bias: bool = setting(True, "whether the classifier has a bias")


_PAPER = Paper(
    "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices",
    "Zhang, Zhou, Lin, Sun",
    2017,
    "CVPR 2018",
    "1707.01083",
)
_SENET = Paper(
    "Squeeze-and-Excitation Networks", "Hu, Shen, Albanie, Sun, Wu", 2017, "CVPR 2018", "1709.01507"
)
_STEM = (
    "The paper does not say how many channels the first convolution has at other widths: the authors' code "
    "has 12 at 0.5 (16 with 8 groups), 24 at 1 and 1.5, 48 at 2; 12 at 0.25 is our guess, which meets the "
    "published 13 M MACs. All channels are multiples of the groups; where a quarter of them is none "
    "(0.5 and 0.25 with 2 or 4 groups) the bottleneck has the nearest multiple."
)
_CODE = (
    "As in the authors' code, where the classifier has no bias. That code shuffles behind the depthwise "
    "convolution, by the inverse permutation; here it comes before, as in the paper's figure 2. "
)
_SE = (
    "The SENet paper states neither r nor the place in the unit: r = 16 at the end of the branch "
    "that is added or concatenated."
)

FAMILIES = (
    Family(
        name="ShuffleNetV1",
        builder="steelyard.zoo.shufflenet_v1:ShuffleNetV1",
        config=ShuffleNetV1Config,
        paper=_PAPER,
        models=(
            *(Model(f"shufflenet_v1_g{g}", {"groups": g}, _STEM) for g in (1, 2, 3, 4, 8)),
            *(
                Model(
                    f"shufflenet_v1_g{g}_released", {"groups": g, "head_bias": False}, _CODE + _STEM
                )
                for g in (3, 8)
            ),
            Model("se_shufflenet_v1_g3", {"groups": 3, "se_reduction": 16}, _SE, paper=_SENET),
        ),
    ),
)
