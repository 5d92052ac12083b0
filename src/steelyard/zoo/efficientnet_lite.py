"""EfficientNet-Lite: EfficientNet for integer arithmetic; tensorflow/tpu, efficientnet/lite, 2020.

No squeeze-and-excitation, ReLU6 for swish; stem and head are not scaled, first and last stage not
repeated.
"""

from __future__ import annotations

from steelyard.zoo.catalog.efficientnet_lite import EfficientNetLiteConfig
from steelyard.zoo.mobile import MobileNetwork, excite_by_input, init_fan_out


class EfficientNetLite(MobileNetwork):
    """(N, 3, H, W) -> (N, classes)."""

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config, nested=True, excite=excite_by_input("relu6"))
        self.apply(init_fan_out)
