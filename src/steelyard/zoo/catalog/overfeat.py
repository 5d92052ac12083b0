"""OverFeat: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class OverFeatConfig(ImageConfig):
    """Settings of OverFeat."""

    variant: Literal["fast", "accurate"] = setting("fast", "which of the two networks")
    resolution: int = setting(
        231,
        "height and width of the image; the first fully connected layer follows it",
        low=1,
        high=2**20,
    )
    dropout: float = setting(0.5, "probability of dropping a hidden unit", low=0, high=1)


_NOTE = (
    "Convolutions and pooling do not pad except where the map would shrink below the next layer's; "
    "poolings do not overlap; no response normalisation. The paper trains on crops of 221x221; the "
    "{} network was made for {}x{}."
)

FAMILIES = (
    Family(
        name="OverFeat",
        builder="steelyard.zoo.overfeat:OverFeat",
        config=OverFeatConfig,
        paper=Paper(
            "OverFeat: Integrated Recognition, Localization and Detection using Convolutional Networks",
            "Sermanet, Eigen, Zhang, Mathieu, Fergus, LeCun",
            2013,
            "ICLR 2014",
            "1312.6229",
        ),
        models=(
            Model("overfeat_fast", notes=_NOTE.format("fast", 231, 231)),
            Model(
                "overfeat_accurate",
                {"variant": "accurate", "resolution": 221},
                _NOTE.format("accurate", 221, 221),
            ),
        ),
    ),
)
