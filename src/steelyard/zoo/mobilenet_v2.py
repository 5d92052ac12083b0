"""MobileNetV2: inverted residuals with linear bottlenecks; Sandler et al. 2018 (arXiv:1801.04381)."""

from __future__ import annotations

from steelyard.zoo.catalog.mobilenet_v2 import MobileNetV2Config
from steelyard.zoo.mobile import MobileNetwork, init_slim


class MobileNetV2(MobileNetwork):
    """Table 2 of the paper: (N, 3, H, W) -> (N, classes)."""

    def __init__(self, config: MobileNetV2Config) -> None:
        super().__init__(config, nested=False)
        self.apply(init_slim)
