"""ShiftNet: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftNetConfig(ImageConfig):
    """Settings of a ShiftNet."""

    stem: int = setting(32, "channels of the 7x7 convolution", low=1, high=2**20)
    channels: tuple[int, ...] = setting(
        (64, 128, 256, 512), "channels per stage, each more than the one before", low=2, high=2**20
    )
    blocks: tuple[int, ...] = setting((5, 6, 7, 3), "units per stage", low=1, high=1024)
    first_expansion: tuple[int, ...] = setting(
        (4, 4, 3, 2),
        "shifted channels for each one made, in the first unit of each stage",
        low=1,
        high=64,
    )
    expansion: tuple[int, ...] = setting(
        (4, 3, 2, 1), "shifted channels for each one made, in the other units", low=1, high=64
    )
    kernels: tuple[int, ...] = setting(
        (5, 5, 3, 3), "window of the shifts of each stage, odd", low=1, high=63
    )

    def __post_init__(self) -> None:
        stages = len(self.channels)
        per_stage = (self.blocks, self.first_expansion, self.expansion, self.kernels)
        if any(len(values) != stages for values in per_stage):
            raise UsageError(
                f"channels={self.channels!r} gives {stages} stages, and not all other settings do",
                expected=f"{stages} numbers in blocks, first_expansion, expansion and kernels",
            )


PAPER = Paper(
    "Shift: A Zero FLOP, Zero Parameter Alternative to Spatial Convolutions",
    "Wu, Wan, Yue, Jin, Zhao, Golmant, Gholaminejad, Gonzalez, Keutzer",
    2017,
    "CVPR 2018",
    "1711.08141",
)
_LAYOUT = (
    "The layout is that of a third-party PyTorch file, which alone of the readings that were tried gives the paper's "
    "4.1 M parameters and 1.4 G multiply-accumulates: units of stride 2 make only the new channels and append their "
    "pooled input."
)
_HALF: dict[str, object] = {"stem": 16, "channels": (32, 64, 128, 256)}

FAMILIES = (
    Family(
        name="ShiftNet",
        builder="steelyard.zoo.shiftnet:ShiftNet",
        config=ShiftNetConfig,
        paper=PAPER,
        models=(
            Model("shiftnet_a", {}, _LAYOUT),
            Model(
                "shiftnet_b",
                _HALF,
                _LAYOUT
                + " FITTED: half of A's channels everywhere, the stem's included, which gives "
                "the paper's 371 M multiply-accumulates (with a stem of 32: 449 M).",
            ),
            Model(
                "shiftnet_c",
                {**_HALF, "blocks": (4, 4, 4, 2)},
                _LAYOUT
                + " FITTED to a single number: B with 4, 4, 4 and 2 units is the split nearest to the "
                "paper's 0.78 M parameters; nothing else confirms it.",
            ),
        ),
    ),
)
