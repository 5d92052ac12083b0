"""SqueezeNext; Gholami et al. 2018 (arXiv:1803.10615), fig. 5 and the authors' prototxt files."""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.conv_bn_relu import ConvBNReLU
from steelyard.layers.squeezenext_block import SqueezeNextBlock
from steelyard.zoo.catalog.squeezenext import SqueezeNextConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

CHANNELS = (32, 64, 128, 256)
"""Of the four stages at width 1."""


class SqueezeNext(Network):
    """Convolution, pooling, four stages of blocks, 1x1 convolution, global average pooling, classifier.

    (N, 3, 227, 227) -> (N, classes).
    """

    def __init__(self, config: SqueezeNextConfig) -> None:
        super().__init__()
        # the first and the last convolution keep their channels at every width, in all the authors' files
        channels = 64
        self.conv1 = ConvBNReLU(
            config.in_channels, channels, config.first_kernel, 2, padding=0, eps=1e-5
        )
        self.pool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.stages = nn.Sequential()
        for i, blocks in enumerate(config.blocks):
            # a quarter of them must fall into groups
            out_channels = scaled(CHANNELS[i], config.width, 4 * config.groups)
            stage = nn.Sequential()
            for j in range(blocks):
                stage.append(
                    SqueezeNextBlock(
                        channels,
                        out_channels,
                        2 if i and not j else 1,
                        tall_first=j % 2 == 0,
                        entry="identity" if j else config.entry,
                        groups=config.groups,
                    )
                )
                channels = out_channels
            self.stages.append(stage)
        self.conv2 = ConvBNReLU(channels, 128, eps=1e-5)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(128, config.num_classes, bias=False)
        self.apply(init.caffe_xavier)

    def trunk(self) -> list[nn.Module]:
        """All convolutions: (N, 3, 227, 227) -> (N, 128, 7, 7)."""
        return [self.conv1, self.pool1, *self.stages, self.conv2]

    def classify(self, x: Tensor) -> Tensor:
        """(N, 128, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.avgpool(x).flatten(1))
        return out
