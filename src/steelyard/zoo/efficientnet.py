"""EfficientNet: one network scaled in depth, width and resolution; Tan and Le 2019 (arXiv:1905.11946)."""

from __future__ import annotations

from typing import ClassVar

from steelyard.zoo.catalog.efficientnet import EfficientNetConfig
from steelyard.zoo.mobile import MobileNetwork, init_fan_out
from steelyard.zoo.mobile_stages import Activation


class EfficientNet(MobileNetwork):
    """Table 1 of the paper: (N, 3, H, W) -> (N, classes)."""

    squeezed: ClassVar[Activation] = "swish"

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__(config, nested=True)
        self.apply(init_fan_out)
