"""LeNet-5 of 1998 with its connection table, trainable subsampling and RBF output; and Caffe's LeNet.

LeCun, Bottou, Bengio, Haffner 1998, sec. II-B; BVLC/caffe examples/mnist/lenet.prototxt.
"""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.rbf import RBFOutput
from steelyard.layers.scaled_tanh import ScaledTanh
from steelyard.layers.sizes import out_size
from steelyard.layers.subsampling import Subsampling
from steelyard.layers.table_conv import TableConv2d
from steelyard.zoo.catalog.lenet import CaffeLeNetConfig, LeNet5Config
from steelyard.zoo.config import scaled
from steelyard.zoo.lenet_codes import class_codes
from steelyard.zoo.network import Network

C3_TABLE = (
    *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 3) % 6, (i + 4) % 6) for i in range(3)),
    tuple(range(6)),
)
"""Table I of the paper: the S2 maps that each C3 map sees; 60 of 96 connections."""


class LeNet5(Network):
    """C1, S2, C3, S4, C5, F6, output: (N, 1, 32, 32) -> (N, classes).

    C5 is a convolution as large as the map, so that its outputs are 1x1.
    """

    one_size = True

    def __init__(self, config: LeNet5Config) -> None:
        super().__init__()
        maps1, maps3, units5, units6 = (scaled(c, config.width) for c in (6, 16, 120, 84))
        size = out_size(out_size(config.resolution, 5) // 2, 5) // 2
        if size < 1:
            raise UsageError(
                f"LeNet-5: resolution={config.resolution} leaves no feature map",
                expected="at least 16",
            )
        table, learnt = config.connections == "table", config.trainable_pool
        self.c1 = nn.Conv2d(config.in_channels, maps1, 5)
        self.squash1 = ScaledTanh()
        self.s2 = Subsampling(maps1) if learnt else nn.AvgPool2d(2)
        self.squash2 = ScaledTanh()
        self.c3 = TableConv2d(C3_TABLE, 5) if table else nn.Conv2d(maps1, maps3, 5)
        self.squash3 = ScaledTanh()
        self.s4 = Subsampling(maps3) if learnt else nn.AvgPool2d(2)
        self.squash4 = ScaledTanh()
        self.c5 = nn.Conv2d(maps3, units5, size)
        self.squash5 = ScaledTanh()
        self.flatten = nn.Flatten()
        self.f6 = nn.Linear(units5, units6)
        self.squash6 = ScaledTanh()
        self.output = (
            RBFOutput(class_codes(config.num_classes))
            if config.output == "rbf"
            else nn.Linear(units6, config.num_classes)
        )
        self.apply(init.lecun_uniform)

    def trunk(self) -> list[nn.Module]:
        """C1 to S4: (N, 1, 32, 32) -> (N, 16, 5, 5)."""
        first = [self.c1, self.squash1, self.s2, self.squash2]
        return [*first, self.c3, self.squash3, self.s4, self.squash4]

    def classify(self, x: Tensor) -> Tensor:
        """C5, F6, output: (N, 16, 5, 5) -> (N, classes)."""
        x = self.flatten(self.squash5(self.c5(x)))
        out: Tensor = self.output(self.squash6(self.f6(x)))
        return out


class CaffeLeNet(Network):
    """20 and 50 filters, max pooling, 500 hidden ReLUs: (N, 1, 28, 28) -> (N, classes)."""

    one_size = True

    def __init__(self, config: CaffeLeNetConfig) -> None:
        super().__init__()
        c1, c2, hidden = (scaled(c, config.width) for c in (20, 50, 500))
        # Caffe rounds pooled sizes up
        size = out_size(config.resolution, 5)
        size = out_size(out_size(size, 2, 2, ceil=True), 5)
        size = out_size(size, 2, 2, ceil=True)
        if size < 1:
            raise UsageError(
                f"LeNet (Caffe): resolution={config.resolution} leaves no feature map",
                expected="at least 13",
            )
        self.conv1 = nn.Conv2d(config.in_channels, c1, 5)
        self.pool1 = nn.MaxPool2d(2, ceil_mode=True)
        self.conv2 = nn.Conv2d(c1, c2, 5)
        self.pool2 = nn.MaxPool2d(2, ceil_mode=True)
        self.flatten = nn.Flatten()
        self.ip1 = nn.Linear(c2 * size**2, hidden)
        self.relu1 = nn.ReLU(inplace=True)
        self.ip2 = nn.Linear(hidden, config.num_classes)
        self.apply(init.caffe_xavier)

    def trunk(self) -> list[nn.Module]:
        """Both convolutions, pooled: (N, 1, 28, 28) -> (N, 50, 4, 4)."""
        return [self.conv1, self.pool1, self.conv2, self.pool2]

    def classify(self, x: Tensor) -> Tensor:
        """(N, 50, 4, 4) -> (N, classes)."""
        out: Tensor = self.ip2(self.relu1(self.ip1(self.flatten(x))))
        return out
