"""PVANet: settings, paper and name."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class PVANetConfig(ImageConfig):
    """Settings of PVANet."""

    blocks: tuple[int, ...] = setting(
        (3, 4, 4, 4),
        "blocks of conv2 and conv3 (C.ReLU), conv4 and conv5 (inception)",
        low=1,
        high=256,
    )
    hidden: int = setting(4096, "units of the two hidden linear layers", low=1, high=2**20)
    dropout: float = setting(0.5, "probability of dropping a hidden unit", low=0, high=1)

    def __post_init__(self) -> None:
        if len(self.blocks) != 4:
            raise UsageError(
                f"blocks={self.blocks!r} gives {len(self.blocks)} stages",
                expected="four numbers, e.g. (3, 4, 4, 4)",
            )


FAMILIES = (
    Family(
        name="PVANet",
        builder="steelyard.zoo.pvanet:PVANet",
        config=PVANetConfig,
        paper=Paper(
            "PVANet: Lightweight Deep Neural Networks for Real-time Object Detection",
            "Hong, Roh, Kim, Cheon, Park",
            2016,
            "NIPS 2016 workshop",
            "1611.08588",
        ),
        models=(
            Model(
                "pvanet",
                notes="PVANet 9.1 as trained for ImageNet, by the authors' prototxt: pre-activated blocks, C.ReLU with "
                "a learnt gain and bias behind the negation, 96 of 101 M parameters in the three linear layers. "
                "The file's comment of 604.94 M MACs leaves out the last of them. As a feature extractor "
                "(features_only) it has 4172 M MACs at 640x640. In training, a batch needs two images.",
            ),
        ),
    ),
)
