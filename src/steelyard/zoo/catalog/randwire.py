"""Randomly wired networks: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class RandWireConfig(ImageConfig):
    """Settings of a randomly wired network."""

    seed: int = setting(0, "of the wiring; another seed is another network", low=0, high=2**63)
    generator: Literal["ws", "er", "ba"] = setting(
        "ws", "Watts-Strogatz with k and p, Erdős-Rényi with p, Barabási-Albert with m"
    )
    k: int = setting(4, "WS: neighbours on the ring, an even number", low=2, high=1024)
    p: float = setting(
        0.75,
        "WS: probability of rewiring an edge; ER: of an edge (the paper takes 0.2)",
        low=0,
        high=1,
    )
    m: int = setting(5, "BA: edges of a new node", low=1, high=1024)
    nodes: int = setting(
        32, "nodes of a stage; half of them in the first of the regular regime", low=3, high=1024
    )
    filters: int = setting(78, "C: channels of the second stage", low=2, high=2**14)
    regime: Literal["small", "regular"] = setting(
        "small", "three random stages of C, 2C, 4C; or four of C, 2C, 4C, 8C"
    )
    dropout: float = setting(0.0, "share of the pooled features that training drops", low=0, high=1)


_PAPER = Paper(
    "Exploring Randomly Wired Neural Networks for Image Recognition",
    "Xie, Kirillov, Girshick, He",
    2019,
    "ICCV 2019",
    "1904.01569",
)
_NOTE = (
    "A network for each seed: counts vary, the paper's are means over five of them. One sigmoid weight "
    "per edge; separable convolution without normalisation inside; graphs drawn until connected. The "
    "paper has an edge-dropping regularisation in the regular regime, a matter of training that is not here."
)

FAMILIES = (
    Family(
        name="RandWire",
        builder="steelyard.zoo.randwire:RandWire",
        config=RandWireConfig,
        paper=_PAPER,
        models=(
            Model("randwire_small", {"dropout": 0.2}, "WS(4, 0.75), C = 78. " + _NOTE),
            Model(
                "randwire_regular_109",
                {"filters": 109, "regime": "regular", "dropout": 0.2},
                "WS(4, 0.75), C = 109. " + _NOTE,
            ),
            Model(
                "randwire_regular_154",
                {"filters": 154, "regime": "regular", "dropout": 0.2},
                "WS(4, 0.75), C = 154. " + _NOTE,
            ),
        ),
    ),
)
