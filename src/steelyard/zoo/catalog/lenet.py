"""LeNet-5 of 1998 and Caffe's LeNet: settings, papers and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class LeNet5Config(ImageConfig):
    """Settings of LeNet-5."""

    num_classes: int = setting(10, "classes, the size of the last layer", low=1, high=2**20)
    in_channels: int = setting(1, "channels of the image", low=1, high=2**20)
    resolution: int = setting(
        32, "height and width of the image; digits of 28x28 are padded by 2", low=1, high=2**20
    )
    connections: Literal["table", "full"] = setting(
        "table", "whether C3 follows the paper's table (60 of 96 connections) or sees every map"
    )
    trainable_pool: bool = setting(True, "a learnt gain and bias per pooled map")
    output: Literal["rbf", "linear"] = setting(
        "rbf", "distance to fixed 7x12 codes, or a linear layer"
    )

    def __post_init__(self) -> None:
        if self.width != 1 and (self.connections == "table" or self.output == "rbf"):
            raise UsageError(
                f"LeNet-5's connection table and 7x12 codes exist for width=1, not {self.width}",
                expected="width=1, or connections='full' and output='linear'",
                hint="lenet5_dense",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaffeLeNetConfig(ImageConfig):
    """Settings of Caffe's LeNet."""

    num_classes: int = setting(10, "classes, the size of the last layer", low=1, high=2**20)
    in_channels: int = setting(1, "channels of the image", low=1, high=2**20)
    resolution: int = setting(
        28, "height and width of the image; the first inner product follows it", low=1, high=2**20
    )


_LENET5 = Paper(
    "Gradient-Based Learning Applied to Document Recognition",
    "LeCun, Bottou, Bengio, Haffner",
    1998,
    "Proceedings of the IEEE 86(11)",
)
_CAFFE = Paper(
    "Caffe: Convolutional Architecture for Fast Feature Embedding",
    "Jia, Shelhamer, Donahue, Karayev, Long, Girshick, Guadarrama, Darrell",
    2014,
    "ACM Multimedia 2014; examples/mnist/lenet.prototxt",
    "1408.5093",
)

FAMILIES = (
    Family(
        name="LeNet",
        builder="steelyard.zoo.lenet:LeNet5",
        config=LeNet5Config,
        paper=_LENET5,
        models=(
            Model(
                "lenet5",
                notes="The network of 1998: 60 of 96 connections in C3, trainable subsampling, RBF output "
                "with fixed codes (no parameters; drawn in the style of the paper's fig. 3; outputs "
                "are negated distances, so that the largest is the class). The 340,908 that is "
                "quoted as its MACs counts connections: bias taps and both subsampling layers included.",
            ),
            Model(
                "lenet5_dense",
                {"connections": "full", "trainable_pool": False, "output": "linear"},
                "What most copies call LeNet-5: every C3 map sees every S2 map, plain average "
                "pooling, linear output.",
            ),
        ),
    ),
    Family(
        name="LeNet (Caffe)",
        builder="steelyard.zoo.lenet:CaffeLeNet",
        config=CaffeLeNetConfig,
        paper=_CAFFE,
        models=(
            Model(
                "lenet_caffe",
                notes="20 and 50 filters and 500 hidden units: seven times the parameters and MACs of "
                "LeNet-5, with which tables often mix it up.",
            ),
        ),
    ),
)
