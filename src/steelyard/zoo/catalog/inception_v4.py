"""Inception v4: settings, paper and name."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionV4Config(ImageConfig):
    """Settings of Inception v4."""

    resolution: int = setting(
        299, "height and width of the image; the network takes any from 75 on", low=75, high=2**20
    )
    blocks: tuple[int, ...] = setting(
        (4, 7, 3), "inception modules A (35x35), B (17x17) and C (8x8)", low=0, high=256
    )
    dropout: float = setting(0.2, "probability of dropping a feature", low=0, high=1)

    def __post_init__(self) -> None:
        if len(self.blocks) != 3:
            raise UsageError(
                f"blocks={self.blocks!r} names {len(self.blocks)} kinds of modules",
                expected="three numbers, e.g. (4, 7, 3)",
            )


PAPER = Paper(
    "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
    "Szegedy, Ioffe, Vanhoucke, Alemi",
    2016,
    "AAAI 2017",
    "1602.07261",
)

FAMILIES = (
    Family(
        name="Inception v4",
        builder="steelyard.zoo.inception_v4:InceptionV4",
        config=InceptionV4Config,
        paper=PAPER,
        models=(
            Model(
                "inception_v4",
                notes="Figs. 3 to 9 of the paper, which prints no counts. Averaging leaves out the padding, as "
                "the authors' TensorFlow does. Initial weights: He's forward form, as in their released "
                "code; the paper states none.",
                same_as={"timm": "inception_v4"},
            ),
        ),
    ),
)
