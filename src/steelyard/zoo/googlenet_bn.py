"""GoogLeNet with batch normalisation, as torchvision has it; after Szegedy et al. 2014 (arXiv:1409.4842).

Module names are torchvision's, so that its weights fit.
"""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.branches import Branches
from steelyard.layers.conv_bn_relu import ConvBNReLU
from steelyard.zoo.catalog.googlenet import GoogLeNetBNConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.googlenet import MODULES, AuxHead, GoogLeNetOutputs, with_heads
from steelyard.zoo.network import Network

NAMES = {"pool3": "maxpool3", "pool4": "maxpool4"}
AUX_AT = {"inception4a": "aux1", "inception4d": "aux2"}


def inception(in_channels: int, widths: list[int], kernel: int) -> Branches:
    """Table 1's six widths -> 1x1 | 1x1, 3x3 | 1x1, ``kernel`` | 3x3 max pooling, 1x1."""
    conv1, reduce3, conv3, reduce5, conv5, pool = widths
    return Branches(
        {
            "branch1": ConvBNReLU(in_channels, conv1),
            "branch2": nn.Sequential(
                ConvBNReLU(in_channels, reduce3), ConvBNReLU(reduce3, conv3, 3)
            ),
            "branch3": nn.Sequential(
                ConvBNReLU(in_channels, reduce5), ConvBNReLU(reduce5, conv5, kernel)
            ),
            "branch4": nn.Sequential(
                nn.MaxPool2d(3, stride=1, padding=1), ConvBNReLU(in_channels, pool)
            ),
        }
    )


def aux_head(in_channels: int, config: GoogLeNetBNConfig) -> AuxHead:
    """An auxiliary classifier: averages of 4x4 regions, 1x1, two fully connected layers."""
    channels, hidden = scaled(128, config.width), scaled(1024, config.width)
    conv = ConvBNReLU(in_channels, channels)
    return AuxHead(nn.AdaptiveAvgPool2d(4), conv, (channels * 16, hidden, config.num_classes))


class GoogLeNetBN(Network):
    """Stem, nine inception modules, global average pooling, classifier.

    (N, 3, H, W) -> (N, classes); in training with auxiliary heads -> `GoogLeNetOutputs`.
    """

    def __init__(self, config: GoogLeNetBNConfig) -> None:
        super().__init__()
        stem, channels = scaled(64, config.width), scaled(192, config.width)
        self.conv1 = ConvBNReLU(config.in_channels, stem, 7, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = ConvBNReLU(stem, stem)
        self.conv3 = ConvBNReLU(stem, channels, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        heads: dict[str, nn.Module] = {}
        for name, row in MODULES.items():
            if row is None:
                side = 3 if name == "pool3" else 2
                self.add_module(NAMES[name], nn.MaxPool2d(side, stride=2, ceil_mode=True))
                continue
            widths = [scaled(c, config.width) for c in row]
            self.add_module(name, inception(channels, widths, config.third_kernel))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
            if config.aux_heads and name in AUX_AT:
                heads[AUX_AT[name]] = aux_head(channels, config)
        for name, head in heads.items():
            self.add_module(name, head)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(channels, config.num_classes)
        self.aux_heads = config.aux_heads
        self.apply(init.truncated)

    def trunk(self) -> list[nn.Module]:
        """Stem and inception modules: (N, 3, H, W) -> (N, 1024, H/32, W/32)."""
        stem = [self.conv1, self.maxpool1, self.conv2, self.conv3, self.maxpool2]
        return [*stem, *(self.get_submodule(NAMES.get(name, name)) for name in MODULES)]

    def classify(self, x: Tensor) -> Tensor:
        """(N, 1024, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return out

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        """(N, 3, H, W) -> (N, classes), in training with auxiliary heads three of them."""
        if not (self.training and self.aux_heads):
            logits: Tensor = super().forward(x)
            return logits
        heads = {self.get_submodule(at): self.get_submodule(name) for at, name in AUX_AT.items()}
        return with_heads(self, heads, x)
