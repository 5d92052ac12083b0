"""HRNet for classification: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.zoo.config import MAX_SIZE, ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class HRNetConfig(ImageConfig):
    """Settings of a high-resolution network."""

    channels: int = setting(
        18, "of the branch of highest resolution, C; the next ones have 2C, 4C, 8C", low=1, high=MAX_SIZE
    )  # fmt: skip
    modules: tuple[int, ...] = setting(
        (1, 4, 3), "exchange modules in stages 2, 3, 4: of two, three, four branches", low=1, high=256
    )  # fmt: skip
    blocks: int = setting(4, "basic blocks per branch and module", low=1, high=256)
    first_blocks: int = setting(4, "bottlenecks in stage 1", low=1, high=256)
    first_channels: int = setting(
        64, "of the bottlenecks of stage 1, four times that behind them", low=1, high=MAX_SIZE
    )


_NOTES = (
    "Classification head: the branches are widened to 128, 256, 512 and 1024 channels by one bottleneck each, "
    "added up from the largest map to the smallest through 3x3 convolutions of stride 2 with biases, and "
    "widened to 2048 by a 1x1. The published GFLOPs are multiply-accumulates divided by 2^30."
)
_MODELS: dict[str, dict[str, object]] = {
    "hrnet_w18_small": {
        "channels": 16,
        "modules": (1, 1, 1),
        "blocks": 2,
        "first_blocks": 1,
        "first_channels": 32,
    },
    "hrnet_w18_small_v2": {
        "channels": 18,
        "modules": (1, 3, 2),
        "blocks": 2,
        "first_blocks": 2,
    },
    **{f"hrnet_w{c}": {"channels": c} for c in (18, 30, 32, 40, 44, 48, 64)},
}

FAMILIES = (
    Family(
        name="HRNet",
        builder="steelyard.zoo.hrnet:HRNet",
        config=HRNetConfig,
        paper=Paper(
            "Deep High-Resolution Representation Learning for Visual Recognition",
            "Wang, Sun, Cheng, Jiang, Deng, Zhao, Liu, Mu, Tan, Wang, Liu, Xiao",
            2019,
            "TPAMI 2020",
            "1908.07919",
        ),
        models=tuple(
            Model(name, settings, _NOTES, same_as={"timm": name})
            for name, settings in _MODELS.items()
        ),
        keys={"timm": ((r"\.fuse_layers\.", ".exchange.paths."),)},
    ),
)
