"""Inception-ResNet: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionResNetConfig(ImageConfig):
    """Settings of an Inception-ResNet."""

    version: Literal["v1", "v2"] = setting("v2", "stem and widths of the blocks")
    resolution: int = setting(
        299, "height and width of the image; the network takes any from 75 on", low=75, high=2**20
    )
    blocks: tuple[int, ...] = setting(
        (10, 20, 10), "residual blocks A (35x35), B (17x17) and C (8x8)", low=1, high=256
    )
    scales: tuple[float, ...] = setting(
        (0.17, 0.1, 0.2), "what the residuals of blocks A, B and C are multiplied by", low=0, high=1
    )
    dropout: float = setting(0.2, "probability of dropping a feature", low=0, high=1)

    def __post_init__(self) -> None:
        for name, values in (("blocks", self.blocks), ("scales", self.scales)):
            if len(values) != 3:
                raise UsageError(
                    f"{name}={values!r} is for {len(values)} kinds of blocks",
                    expected="three numbers, for blocks A, B and C",
                )


FAMILIES = (
    Family(
        name="Inception-ResNet",
        builder="steelyard.zoo.inception_resnet:InceptionResNet",
        config=InceptionResNetConfig,
        paper=Paper(
            "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
            "Szegedy, Ioffe, Vanhoucke, Alemi",
            2016,
            "AAAI 2017",
            "1602.07261",
        ),
        models=(
            Model(
                "inception_resnet_v1",
                {"version": "v1", "blocks": (5, 10, 5)},
                "Figs. 10 to 15 of the paper, which prints no counts. No weights were released; the scales "
                "are those of v2's release.",
            ),
            Model(
                "inception_resnet_v2",
                notes="The released network: its stem ends in an inception module of 320 channels, it has "
                "10, 20 and 10 blocks and widens to 1536 channels at the end, where the paper's figures show "
                "the stem of Inception v4, 5, 10 and 5 blocks of 384, 1152 and 2144 channels, and no widening. "
                "The last block neither scales nor rectifies.",
                same_as={"timm": "inception_resnet_v2"},
            ),
        ),
    ),
)
