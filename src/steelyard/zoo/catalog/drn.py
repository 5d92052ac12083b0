"""Dilated residual networks: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class DRNConfig(ImageConfig):
    """Settings of a dilated residual network."""

    kind: Literal["A", "C", "D"] = setting(
        "C", "A: ResNet, dilated; C: no pooling, degridding blocks; D: C with plain convolutions"
    )
    block: Literal["basic", "bottleneck"] = setting(
        "basic", "of the middle levels (A: of all): two 3x3 convolutions, or 1x1, 3x3, 1x1"
    )
    blocks: tuple[int, ...] = setting(
        (1, 1, 2, 2, 2, 2, 1, 1),
        "blocks per level; A has 4 levels, C and D have 8",
        low=1,
        high=1024,
    )
    unused_projection: bool = setting(
        False, "where a block of C without shortcut narrows, compute the projection all the same"
    )


_BASIC, _BOTTLENECK = "basic", "bottleneck"
_MODELS: dict[str, tuple[str, tuple[int, ...]]] = {
    "a_18": (_BASIC, (2, 2, 2, 2)),
    "a_34": (_BASIC, (3, 4, 6, 3)),
    "a_50": (_BOTTLENECK, (3, 4, 6, 3)),
    "c_26": (_BASIC, (1, 1, 2, 2, 2, 2, 1, 1)),
    "c_42": (_BASIC, (1, 1, 3, 4, 6, 3, 1, 1)),
    "c_58": (_BOTTLENECK, (1, 1, 3, 4, 6, 3, 1, 1)),
    "d_22": (_BASIC, (1, 1, 2, 2, 2, 2, 1, 1)),
    "d_24": (_BASIC, (1, 1, 2, 2, 2, 2, 2, 2)),
    "d_38": (_BASIC, (1, 1, 3, 4, 6, 3, 1, 1)),
    "d_40": (_BASIC, (1, 1, 3, 4, 6, 3, 2, 2)),
    "d_54": (_BOTTLENECK, (1, 1, 3, 4, 6, 3, 1, 1)),
    "d_56": (_BOTTLENECK, (1, 1, 3, 4, 6, 3, 2, 2)),
    "d_105": (_BOTTLENECK, (1, 1, 3, 4, 23, 3, 1, 1)),
    "d_107": (_BOTTLENECK, (1, 1, 3, 4, 23, 3, 2, 2)),
}
_NOTES = {
    "a": "ResNet v1.5 whose last two stages keep the resolution and dilate by 2 and 4.",
    "c": "The last two levels are blocks without shortcut, dilated by 2 and by 1.",
    "d": "Levels 1, 2, 7 and 8 of C become plain 3x3 convolutions.",
}
_C_58 = (
    " The authors' code computes the projection of level 7 and drops it: 1.05 M parameters and 822 M "
    "multiply-accumulates that no output depends on, and that its published 41.6 M include; "
    "unused_projection=False builds the same function without. Exporters drop it by themselves."
)

FAMILIES = (
    Family(
        name="DRN",
        builder="steelyard.zoo.drn:drn",
        config=DRNConfig,
        paper=Paper(
            "Dilated Residual Networks", "Yu, Koltun, Funkhouser", 2017, "CVPR 2017", "1705.09914"
        ),
        models=tuple(
            Model(
                f"drn_{name}",
                {"kind": name[0].upper(), "block": block, "blocks": blocks}
                | ({"unused_projection": True} if name == "c_58" else {}),
                _NOTES[name[0]] + (_C_58 if name == "c_58" else ""),
            )
            for name, (block, blocks) in _MODELS.items()
        ),
    ),
)
