"""EfficientNet: one network scaled in depth, width and resolution; Tan and Le 2019 (arXiv:1905.11946)."""

from __future__ import annotations

from steelyard.zoo.catalog.efficientnet import EfficientNetConfig
from steelyard.zoo.mobile import MobileNetwork, excite_by_input, init_fan_out


class EfficientNet(MobileNetwork):
    """Table 1 of the paper: (N, 3, H, W) -> (N, classes)."""

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__(config, nested=True, excite=excite_by_input("swish"))
        self.apply(init_fan_out)
