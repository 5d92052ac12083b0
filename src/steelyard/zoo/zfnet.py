"""ZFNet: AlexNet with smaller first filters; Zeiler and Fergus 2013 (arXiv:1311.2901), fig. 3."""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.local_response_norm import LocalResponseNorm
from steelyard.layers.sizes import out_size
from steelyard.zoo.catalog.zfnet import ZFNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class ZFNet(Network):
    """Five convolutions, three poolings, three fully connected layers.

    (N, 3, 224, 224) -> (N, classes).
    """

    one_size = True

    def __init__(self, config: ZFNetConfig) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (scaled(c, config.width) for c in config.channels)
        self.conv1 = nn.Conv2d(config.in_channels, c1, 7, stride=2, padding=1)
        self.relu1 = nn.ReLU(inplace=True)
        self.pool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.norm1 = self._norm(config)
        self.conv2 = nn.Conv2d(c1, c2, 5, stride=2)
        self.relu2 = nn.ReLU(inplace=True)
        self.pool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.norm2 = self._norm(config)
        self.conv3 = nn.Conv2d(c2, c3, 3, padding=1)
        self.relu3 = nn.ReLU(inplace=True)
        self.conv4 = nn.Conv2d(c3, c4, 3, padding=1)
        self.relu4 = nn.ReLU(inplace=True)
        self.conv5 = nn.Conv2d(c4, c5, 3, padding=1)
        self.relu5 = nn.ReLU(inplace=True)
        self.pool5 = nn.MaxPool2d(3, stride=2)
        self.flatten = nn.Flatten()
        hidden = scaled(4096, config.width)
        self.fc6 = nn.Linear(c5 * self._map_size(config.resolution) ** 2, hidden)
        self.relu6 = nn.ReLU(inplace=True)
        self.drop6 = nn.Dropout(config.dropout)
        self.fc7 = nn.Linear(hidden, hidden)
        self.relu7 = nn.ReLU(inplace=True)
        self.drop7 = nn.Dropout(config.dropout)
        self.fc8 = nn.Linear(hidden, config.num_classes)
        # sec. 3: weights of 10^-2, read as the deviation of a Gaussian; biases 0
        self.apply(init.gaussian)

    @staticmethod
    def _norm(config: ZFNetConfig) -> nn.Module:
        # AlexNet's constants
        lrn = LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, mean=False)
        return lrn if config.lrn else nn.Identity()

    @staticmethod
    def _map_size(resolution: int) -> int:
        size = out_size(out_size(resolution, 7, 2, 1), 3, 2, ceil=True)
        size = out_size(out_size(size, 5, 2), 3, 2, ceil=True)
        size = out_size(size, 3, 2)
        if size < 1:
            raise UsageError(
                f"ZFNet: resolution={resolution} leaves no feature map", expected="at least 63"
            )
        return size

    def trunk(self) -> list[nn.Module]:
        """The five convolutions: (N, 3, 224, 224) -> (N, 256, 6, 6)."""
        return self.children_before(self.flatten)

    def classify(self, x: Tensor) -> Tensor:
        """The three fully connected layers: (N, 256, 6, 6) -> (N, classes)."""
        for module in self.children_from(self.flatten):
            x = module(x)
        return x
