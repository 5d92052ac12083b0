"""Deformable residual networks: settings, papers and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.catalog.resnet import StagesConfig
from steelyard.zoo.config import setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class DCNConfig(StagesConfig):
    """Settings of a deformable residual network."""

    deformable: int = setting(
        3, "so many of the last 3x3 convolutions are deformable", low=0, high=8192
    )
    offset_groups: int = setting(
        1, "groups of channels with offsets of their own (deformable groups)", low=1, high=2**16
    )
    modulated: bool = setting(False, "v2: a factor for each tap beside its offset")
    dilate_last: bool = setting(
        True, "the last stage keeps the resolution, and dilates its 3x3 convolutions by 2"
    )
    stride_at: Literal["1x1", "3x3"] = setting(
        "1x1", "which convolution of a bottleneck carries the stride: v1 the 1x1, v1.5 the 3x3"
    )


_V2_PAPER = Paper(
    "Deformable ConvNets v2: More Deformable, Better Results",
    "Zhu, Hu, Lin, Dai",
    2018,
    "CVPR 2019",
    "1811.11168",
)
_V1 = (
    "The 3x3 of res5a, b, c deformable, conv5 with stride 1 and dilation 2. The released code has 1 offset "
    "group in DeepLab and 4 in detection (offset_groups=4): +0.249 M and +0.996 M parameters. The "
    "paper's tables count whole segmenters and detectors; here a classifier of 1000 classes follows the "
    "trunk. v1 bottlenecks, as the authors' base networks."
)
_V2 = (
    "All 3x3 of conv3, conv4 and conv5 deformable and modulated. Factors are a sigmoid, 0.5 at first, as "
    "the paper has it; the released demo doubles the sigmoid. Stride and dilation of conv5 as in v1; "
    "with a feature pyramid conv5 keeps its stride (dilate_last=False)."
)
_BLOCKS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3)}

FAMILIES = (
    Family(
        name="DCN",
        builder="steelyard.zoo.dcn:dcn",
        config=DCNConfig,
        paper=Paper(
            "Deformable Convolutional Networks",
            "Dai, Qi, Xiong, Li, Zhang, Hu, Wei",
            2017,
            "ICCV 2017",
            "1703.06211",
        ),
        models=(
            *(
                Model(f"dcn_resnet{depth}", {"blocks": blocks}, _V1)
                for depth, blocks in _BLOCKS.items()
            ),
            *(
                Model(
                    f"dcnv2_resnet{depth}",
                    {"blocks": blocks, "deformable": sum(blocks[1:]), "modulated": True},
                    _V2,
                    _V2_PAPER,
                )
                for depth, blocks in _BLOCKS.items()
            ),
        ),
    ),
)
