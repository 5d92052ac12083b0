"""Inception v3: settings, paper and name."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionV3Config(ImageConfig):
    """Settings of Inception v3."""

    resolution: int = setting(
        299, "height and width of the image; the network takes any from 75 on", low=75, high=2**20
    )
    pool_a: tuple[int, ...] = setting(
        (32, 64, 64),
        "channels of the pooling branch of each module at 35x35, so many modules",
        low=1,
        high=2**16,
    )
    inner_b: tuple[int, ...] = setting(
        (128, 160, 160, 192),
        "channels inside the 7x7 branches of each module at 17x17, so many modules",
        low=1,
        high=2**16,
    )
    blocks_c: int = setting(2, "modules at 8x8", low=1, high=24)
    aux_heads: bool = setting(False, "the auxiliary classifier, which runs in training only")
    dropout: float = setting(0.5, "probability of dropping a feature", low=0, high=1)

    def __post_init__(self) -> None:
        if len(self.pool_a) > 24 or len(self.inner_b) > 24:
            raise UsageError(
                f"Inception v3: {len(self.pool_a)} and {len(self.inner_b)} modules",
                expected="at most 24 in pool_a and in inner_b",
            )
        if self.aux_heads and self.resolution < 299:
            raise UsageError(
                f"Inception v3: resolution={self.resolution} gives the auxiliary head maps below "
                "17x17, too small for its 5x5 pooling and 5x5 filters",
                expected="at least 299 with aux_heads=True",
            )


FAMILIES = (
    Family(
        name="Inception v3",
        builder="steelyard.zoo.inception_v3:InceptionV3",
        config=InceptionV3Config,
        paper=Paper(
            "Rethinking the Inception Architecture for Computer Vision",
            "Szegedy, Vanhoucke, Ioffe, Shlens, Wojna",
            2015,
            "CVPR 2016",
            "1512.00567",
        ),
        models=(
            Model(
                "inception_v3",
                notes="The released network, which is table 1 with its convolutions before the modules "
                "rearranged; the paper does not print the widths inside the modules. Without the auxiliary "
                "classifier, which adds 3.33 M parameters in training (aux_heads=True). torchvision's and "
                "timm's older weights expect images scaled to -1 to 1 (mean and deviation 0.5): "
                "torchvision's own model rescales inside (transform_input).",
                same_as={"torchvision": "inception_v3", "timm": "inception_v3"},
            ),
        ),
    ),
)
