"""VGG: stacks of 3x3 convolutions; Simonyan and Zisserman 2014 (arXiv:1409.1556), table 1.

Module names are torchvision's, so that its weights fit.
"""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.local_response_norm import LocalResponseNorm
from steelyard.zoo.catalog.vgg import VGGConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

CHANNELS = (64, 128, 256, 512, 512)
"""Of the five stages; each ends in a 2x2 pooling."""


class VGG(Network):
    """Five stages of 3x3 convolutions and three fully connected layers: (N, 3, H, W) -> (N, classes).

    At 224x224 the last map is 7x7; at other resolutions it is averaged to 7x7, as torchvision does.
    """

    def __init__(self, config: VGGConfig) -> None:
        super().__init__()
        self.features = nn.Sequential()
        in_channels = config.in_channels
        for stage, convolutions in enumerate(config.convolutions):
            out_channels = scaled(CHANNELS[stage], config.width)
            for i in range(convolutions):
                side = config.last_kernel if stage > 1 and i == convolutions - 1 else 3
                conv = nn.Conv2d(in_channels, out_channels, side, padding=side // 2)
                self.features.append(conv)
                if config.batch_norm:
                    self.features.append(nn.BatchNorm2d(out_channels))
                self.features.append(nn.ReLU(inplace=True))
                if config.lrn and stage == i == 0:
                    # table 1 names AlexNet's constants
                    lrn = LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, mean=False)
                    self.features.append(lrn)
                in_channels = out_channels
            self.features.append(nn.MaxPool2d(2))
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        hidden = scaled(4096, config.width)
        self.classifier = nn.Sequential(
            nn.Linear(in_channels * 49, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(hidden, config.num_classes),
        )
        # sec. 3.1, footnote: Glorot's initialisation makes pre-training shallow nets unnecessary
        self.apply(init.glorot)

    def trunk(self) -> nn.Sequential:
        """The convolutions: (N, 3, H, W) -> (N, 512, H/32, W/32)."""
        return self.features

    def classify(self, x: Tensor) -> Tensor:
        """(N, 512, P, Q) -> (N, classes)."""
        out: Tensor = self.classifier(self.avgpool(x).flatten(1))
        return out
