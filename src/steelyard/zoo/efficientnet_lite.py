"""EfficientNet-Lite: EfficientNet for integer arithmetic; tensorflow/tpu, efficientnet/lite, 2020.

No squeeze-and-excitation, ReLU6 for swish; stem and head are not scaled, first and last stage not
repeated.
"""

from __future__ import annotations

from typing import ClassVar

from steelyard.zoo.catalog.efficientnet_lite import EfficientNetLiteConfig
from steelyard.zoo.mobile import MobileNetwork, init_fan_out
from steelyard.zoo.mobile_stages import Activation


class EfficientNetLite(MobileNetwork):
    """(N, 3, H, W) -> (N, classes)."""

    squeezed: ClassVar[Activation] = "relu6"

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config, nested=True)
        self.apply(init_fan_out)
