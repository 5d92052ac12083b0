"""SqueezeNext: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class SqueezeNextConfig(ImageConfig):
    """Settings of SqueezeNext."""

    resolution: int = setting(
        227, "height and width of the image; the network takes any", low=9, high=2**20
    )
    blocks: tuple[int, ...] = setting((6, 6, 8, 1), "blocks of the four stages", low=1, high=256)
    first_kernel: Literal[5, 7] = setting(7, "filters of the first convolution")
    entry: Literal["parallel", "shared"] = setting(
        "parallel",
        "where the shape changes, the 1x1 of the shortcut lies beside the block or before it",
    )
    groups: Literal[1, 2, 4] = setting(
        1, "groups of the first 1x1, the 3x1 and the 1x3 of each block"
    )

    def __post_init__(self) -> None:
        if len(self.blocks) != 4:
            raise UsageError(
                f"blocks={self.blocks!r} gives {len(self.blocks)} stages",
                expected="four numbers, e.g. (6, 6, 8, 1)",
            )


_NOTE = (
    "The authors' prototxt files: 227x227 input, a first convolution without padding, 3x1 and 1x3 in turns, a "
    "linear layer without bias; the first (64) and the last convolution (128) keep their channels at every width. "
    "The printed operations are multiply-accumulates plus one for each output of a convolution."
)
_DEEP = _NOTE + (
    " The paper does not print how the {} layers are shared out; the blocks here {} and give its number of layers "
    "and, rounded, of parameters."
)
_VARIANT = _NOTE + (
    " {}: the first convolution is 5x5 and the 1x1 of a stage's shortcut comes before its first block{}."
)
_ALIKE = (
    ", as in the file of v5, the only one of these that was released; the shares of the stages are recalled from "
    "the paper"
)
_DEPTHS: dict[str, tuple[dict[str, object], str]] = {
    "23": ({}, _NOTE),
    "34": (
        {"blocks": (9, 9, 12, 2)},
        _DEEP.format(34, "are one and a half times those of 23"),
    ),
    "44": ({"blocks": (12, 12, 16, 2)}, _DEEP.format(44, "are twice those of 23")),
    "23v2": (
        {"first_kernel": 5, "entry": "shared"},
        _VARIANT.format("v2", _ALIKE),
    ),
    "23v3": (
        {"blocks": (4, 8, 8, 1), "first_kernel": 5, "entry": "shared"},
        _VARIANT.format("v3", _ALIKE),
    ),
    "23v4": (
        {"blocks": (2, 10, 8, 1), "first_kernel": 5, "entry": "shared"},
        _VARIANT.format("v4", _ALIKE),
    ),
    "23v5": (
        {"blocks": (2, 4, 14, 1), "first_kernel": 5, "entry": "shared"},
        _VARIANT.format("v5", ""),
    ),
}
_WIDTHS = {"w1": 1.0, "w3d2": 1.5, "w2": 2.0}

FAMILIES = (
    Family(
        name="SqueezeNext",
        builder="steelyard.zoo.squeezenext:SqueezeNext",
        config=SqueezeNextConfig,
        paper=Paper(
            "SqueezeNext: Hardware-Aware Neural Network Design",
            "Gholami, Kwon, Wu, Tai, Yue, Jin, Zhao, Keutzer",
            2018,
            "CVPR Workshops 2018",
            "1803.10615",
        ),
        models=(
            *(
                Model(f"sqnxt{depth}_{name}", {**settings, "width": width}, notes)
                for depth, (settings, notes) in _DEPTHS.items()
                for name, width in _WIDTHS.items()
            ),
            Model(
                "g_sqnxt23_w1",
                {"groups": 2},
                _NOTE + " G: two groups in the first 1x1, the 3x1 and the 1x3 of each block.",
            ),
        ),
    ),
)
