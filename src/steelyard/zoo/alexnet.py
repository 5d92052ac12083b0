"""AlexNet: the two-group original of 2012, its one-tower form, and the one-column network of 2014.

Krizhevsky, Sutskever, Hinton 2012; Krizhevsky 2014 (arXiv:1404.5997).
"""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.local_response_norm import LocalResponseNorm
from steelyard.layers.sizes import out_size
from steelyard.zoo.catalog.alexnet import AlexNetConfig, AlexNetOWTConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class AlexNet(Network):
    """Krizhevsky et al. 2012, fig. 2: (N, 3, 227, 227) -> (N, classes).

    The second, fourth and fifth convolution work in ``groups`` groups: one a graphics card in 2012.
    """

    one_size = True

    def __init__(self, config: AlexNetConfig) -> None:
        super().__init__()
        g = config.groups
        c1, c2, c3, c4, c5 = (scaled(c, config.width, g) for c in (96, 256, 384, 384, 256))
        self._conv(1, nn.Conv2d(config.in_channels, c1, 11, stride=4), norm=config.lrn, pool=True)
        self._conv(2, nn.Conv2d(c1, c2, 5, padding=2, groups=g), norm=config.lrn, pool=True)
        self._conv(3, nn.Conv2d(c2, c3, 3, padding=1))
        self._conv(4, nn.Conv2d(c3, c4, 3, padding=1, groups=g))
        self._conv(5, nn.Conv2d(c4, c5, 3, padding=1, groups=g), pool=True)
        self.flatten = nn.Flatten()
        hidden = scaled(4096, config.width)
        for i, features in ((6, c5 * self._map_size(config.resolution) ** 2), (7, hidden)):
            self.add_module(f"fc{i}", nn.Linear(features, hidden))
            self.add_module(f"relu{i}", nn.ReLU(inplace=True))
            self.add_module(f"drop{i}", nn.Dropout(config.dropout))
        self.fc8 = nn.Linear(hidden, config.num_classes)
        # sec. 5: N(0, 0.01^2); biases of 1 give the ReLUs of these layers positive inputs at first
        for name, layer in self.named_children():
            ones = name in ("conv2", "conv4", "conv5", "fc6", "fc7")
            init.gaussian(layer, bias=1.0 if ones else 0.0)

    def _conv(self, i: int, conv: nn.Conv2d, *, norm: bool = False, pool: bool = False) -> None:
        self.add_module(f"conv{i}", conv)
        self.add_module(f"relu{i}", nn.ReLU(inplace=True))
        if norm:
            # sec. 3.3: k = 2, n = 5, alpha = 1e-4 of the sum, not of the mean, beta = 0.75
            lrn = LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, mean=False)
            self.add_module(f"norm{i}", lrn)
        if pool:
            self.add_module(f"pool{i}", nn.MaxPool2d(3, stride=2))

    def trunk(self) -> list[nn.Module]:
        """The five convolutions: (N, 3, 227, 227) -> (N, 256, 6, 6)."""
        return self.children_before(self.flatten)

    def classify(self, x: Tensor) -> Tensor:
        """The three fully connected layers: (N, 256, 6, 6) -> (N, classes)."""
        for module in self.children_from(self.flatten):
            x = module(x)
        return x

    @staticmethod
    def _map_size(resolution: int) -> int:
        size = out_size(resolution, 11, 4)
        for _ in range(3):
            size = out_size(size, 3, 2)
        if size < 1:
            raise UsageError(
                f"AlexNet: resolution={resolution} leaves no feature map", expected="at least 67"
            )
        return size


class AlexNetOWT(Network):
    """The one-column network of Krizhevsky 2014, sec. 6, as torchvision has it.

    (N, 3, 224, 224) -> (N, classes); other resolutions are averaged to the 6x6 map of 224. Module names
    are torchvision's, so that its weights fit.
    """

    def __init__(self, config: AlexNetOWTConfig) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (scaled(c, config.width) for c in (64, 192, 384, 256, 256))
        self.features = nn.Sequential(
            nn.Conv2d(config.in_channels, c1, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(c1, c2, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(c2, c3, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c3, c4, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c4, c5, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        hidden = scaled(4096, config.width)
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(c5 * 36, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, config.num_classes),
        )

    def trunk(self) -> nn.Sequential:
        """The five convolutions: (N, 3, 224, 224) -> (N, 256, 6, 6)."""
        return self.features

    def classify(self, x: Tensor) -> Tensor:
        """(N, 256, P, Q) -> (N, classes)."""
        out: Tensor = self.classifier(self.avgpool(x).flatten(1))
        return out
