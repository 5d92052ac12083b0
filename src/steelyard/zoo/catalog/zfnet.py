"""ZFNet: settings, paper and name."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class ZFNetConfig(ImageConfig):
    """Settings of ZFNet."""

    channels: tuple[int, ...] = setting(
        (96, 256, 384, 384, 256), "channels of the five convolutions", low=1, high=2**16
    )
    lrn: bool = setting(True, "response normalisation behind the first two poolings")
    dropout: float = setting(0.5, "probability of dropping a hidden unit", low=0, high=1)

    def __post_init__(self) -> None:
        if len(self.channels) != 5:
            raise UsageError(
                f"channels={self.channels!r} is for {len(self.channels)} convolutions",
                expected="five numbers, e.g. (96, 256, 384, 384, 256)",
            )


FAMILIES = (
    Family(
        name="ZFNet",
        builder="steelyard.zoo.zfnet:ZFNet",
        config=ZFNetConfig,
        paper=Paper(
            "Visualizing and Understanding Convolutional Networks",
            "Zeiler, Fergus",
            2013,
            "ECCV 2014",
            "1311.2901",
        ),
        models=(
            Model(
                "zfnet",
                notes="Fig. 3's maps of 110, 55, 26, 13 and 6 need a first convolution padded by 1, a second without "
                "padding, and two poolings that round up; no groups. The contrast normalisation of the figure "
                "is AlexNet's response normalisation here, behind the pooling as drawn. The paper prints no counts.",
            ),
            Model(
                "zfnet_wide",
                {"channels": (96, 256, 512, 1024, 512)},
                "Table 2's variant with 512, 1024 and 512 maps in the last three convolutions.",
            ),
        ),
    ),
)
