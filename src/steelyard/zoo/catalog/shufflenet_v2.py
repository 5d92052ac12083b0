"""ShuffleNet V2: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleNetV2Config(ImageConfig):
    """Settings of a ShuffleNet V2."""

    blocks: tuple[int, ...] = setting((4, 8, 4), "units per stage", low=1, high=1024)
    channels: tuple[int, ...] | None = setting(
        None,
        "channels per stage at width 1; None: table 5 of the paper at widths 0.5, 1, 1.5 and 2, else "
        "multiples of 4 near width x (116, 232, 464)",
        low=2,
        high=2**20,
    )
    stem: tuple[int, ...] = setting(
        (24,), "channels of the 3x3 convolutions before the pooling, at every width", low=1
    )
    first_stride: Literal[1, 2] = setting(2, "stride of the first stage; the others have 2")
    last_channels: int | None = setting(
        None, "channels of the last 1x1 convolution; None: 1024, and 2048 from width 2 on", low=1
    )
    split: Literal["released", "equal"] = setting(
        "released",
        "channels of the first branch where the shape changes: as many as come in (the authors' code, "
        "whose counts are the paper's), or half of those that go out (torchvision)",
    )
    residual: bool = setting(False, "whether units that keep the shape add their input")
    se_reduction: int = setting(0, "r of squeeze-and-excitation in every unit; 0: none", low=0)
    head_bias: bool = setting(False, "whether the classifier has a bias")
    dropout: float = setting(0.0, "of the classifier's input", low=0, high=0.99)


_PAPER = Paper(
    "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
    "Ma, Zhang, Zheng, Sun",
    2018,
    "ECCV 2018",
    "1807.11164",
)
_RELEASED = (
    "The authors' network: where the shape changes, the first branch keeps as many channels as come in, "
    "and the second makes the rest; the classifier has no bias. width = 0.5, 1, 1.5 or 2 gives table 5 of the "
    "paper. torchvision's network, which splits equally, is shufflenet_v2_x1_0. At 2x the authors train "
    "with dropout=0.2. They take even and odd channels where the paper's figure shuffles and halves: "
    "other channels are kept, equally many."
)
_TORCHVISION = (
    "torchvision's network: both branches make half of the channels where the shape changes, hence fewer MACs than "
    "the paper states; the paper's own is shufflenet_v2 with width={}."
)
_SE = (
    "The paper states neither r nor what the 597 M MACs at width 2 include. r = 1 as in the one network with "
    "squeeze-and-excitation that its authors released (ShuffleNetV2.Large)."
)
_50 = "From the table of large networks in the paper's appendix, as we remember it: not re-read."
_164 = (
    "From the table of large networks in the paper's appendix, as we remember it: not re-read. What its "
    "authors released with its MACs and error, ShuffleNetV2.Large, is another network: "
    "shufflenet_v2_large."
)

FAMILIES = (
    Family(
        name="ShuffleNetV2",
        builder="steelyard.zoo.shufflenet_v2:ShuffleNetV2",
        config=ShuffleNetV2Config,
        paper=_PAPER,
        models=(
            Model("shufflenet_v2", {}, _RELEASED),
            *(
                Model(
                    f"shufflenet_v2_x{width:.1f}".replace(".", "_"),
                    {"width": width, "split": "equal", "head_bias": True},
                    _TORCHVISION.format(width),
                    same_as={"torchvision": f"shufflenet_v2_x{width:.1f}".replace(".", "_")},
                )
                for width in (0.5, 1.0, 1.5, 2.0)
            ),
            Model("se_shufflenet_v2", {"se_reduction": 1}, _SE),
            Model(
                "shufflenet_v2_50",
                {
                    "blocks": (3, 4, 6, 3),
                    "channels": (244, 488, 976, 1952),
                    "stem": (64,),
                    "first_stride": 1,
                    "last_channels": 2048,
                },
                _50,
            ),
            Model(
                "se_shufflenet_v2_164",
                {
                    "blocks": (10, 10, 23, 10),
                    "channels": (340, 680, 1360, 2720),
                    "stem": (64, 64, 128),
                    "first_stride": 1,
                    "last_channels": 2048,
                    "residual": True,
                    "se_reduction": 1,
                },
                _164,
            ),
        ),
    ),
)
