"""SqueezeNet 1.0 and 1.1, with and without bypasses; Iandola et al. 2016 (arXiv:1602.07360), table 1 and sec. 5, 6.

Module names are torchvision's, so that its weights fit.
"""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.fire import Bypass, Fire
from steelyard.zoo.catalog.squeezenet import SqueezeNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class SqueezeNet(Network):
    """Convolution, Fire modules with poolings between, 1x1 convolution, global average pooling.

    (N, 3, H, W) -> (N, classes).
    """

    def __init__(self, config: SqueezeNetConfig) -> None:
        super().__init__()
        channels, kernel = (96, 7) if config.stem == "7x7" else (64, 3)
        channels = scaled(channels, config.width)
        self.features = nn.Sequential(
            nn.Conv2d(config.in_channels, channels, kernel, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
        )
        for i in range(config.fires):
            fire, channels = self._fire(i, channels, config)
            self.features.append(fire)
            if i + 1 in config.pool_after:
                self.features.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
        last = nn.Conv2d(channels, config.num_classes, 1, padding=config.last_padding)
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)
        )
        # the authors' prototxt: xavier, and a Gaussian of 0.01 for the last
        self.apply(init.caffe_xavier)
        init.gaussian(last)

    @staticmethod
    def _fire(i: int, in_channels: int, config: SqueezeNetConfig) -> tuple[Fire, int]:
        """The i-th Fire module, counted from 0, by the metaparameters of sec. 5.1."""
        expand = config.expand_base + config.expand_step * (i // config.frequency)
        threes = round(config.share_3x3 * expand)
        squeeze = scaled(round(config.squeeze_ratio * expand), config.width)
        ones, threes = (
            scaled(expand - threes, config.width),
            scaled(threes, config.width),
        )
        bypass: Bypass = "none"
        if config.bypass != "none" and ones + threes == in_channels:
            bypass = "identity"
        elif config.bypass == "complex":
            bypass = "projection"
        return Fire(in_channels, squeeze, ones, threes, bypass), ones + threes

    def trunk(self) -> nn.Sequential:
        """Convolution and Fire modules: (N, 3, 224, 224) -> (N, 512, 13, 13)."""
        return self.features

    def classify(self, x: Tensor) -> Tensor:
        """(N, 512, P, Q) -> (N, classes)."""
        out: Tensor = self.classifier(x).flatten(1)
        return out
