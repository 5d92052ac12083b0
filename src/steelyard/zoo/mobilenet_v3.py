"""MobileNetV3: search, squeeze-and-excitation, h-swish; Howard et al. 2019 (arXiv:1905.02244)."""

from __future__ import annotations

from torch import nn

from steelyard.layers.activations import activation
from steelyard.layers.squeeze_excite import SqueezeExcite
from steelyard.zoo.catalog.mobilenet_v3 import MobileNetV3Config
from steelyard.zoo.mobile import MobileNetwork, head_channels, init_slim
from steelyard.zoo.mobile_stages import rounded


class MobileNetV3(MobileNetwork):
    """Tables 1 and 2 of the paper: (N, 3, H, W) -> (N, classes).

    The head is a 1x1 convolution to ``last_conv`` channels, pooling, and only then the wider layer of
    ``head_channels``, without normalisation (fig. 5).
    """

    @classmethod
    def excite(cls, inputs: int, hidden: int, share: float) -> nn.Module:
        """Sec. 5.3: a share of the expanded channels, rounded; hard gate."""
        del inputs
        gate = activation("h_sigmoid")
        return SqueezeExcite(
            hidden, rounded(hidden * share), activation=activation("relu"), gate=gate
        )

    def __init__(self, config: MobileNetV3Config) -> None:
        last_conv = rounded(config.last_conv * config.width)
        super().__init__(config, nested=False, last_conv=last_conv)
        hidden = head_channels(config)
        self.classifier = nn.Sequential(
            nn.Linear(last_conv, hidden, bias=config.head_bias),
            activation(config.activation),
            nn.Dropout(config.dropout),
            nn.Linear(hidden, config.num_classes),
        )
        self.apply(init_slim)
