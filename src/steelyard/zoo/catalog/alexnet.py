"""AlexNet, 2012 and 2014: settings, papers and names."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class AlexNetConfig(ImageConfig):
    """Settings of the network of 2012."""

    resolution: int = setting(
        227,
        "height and width of the image; the first fully connected layer follows it",
        low=1,
        high=2**20,
    )
    groups: int = setting(2, "groups of the second, fourth and fifth convolution", low=1, high=4096)
    lrn: bool = setting(True, "local response normalisation behind the first two convolutions")
    dropout: float = setting(0.5, "probability of dropping a hidden unit", low=0, high=1)

    def __post_init__(self) -> None:
        if 32 % self.groups:
            raise UsageError(
                f"AlexNet: groups={self.groups} does not divide 96, 256 and 384 channels",
                expected="1, 2, 4, 8, 16 or 32",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlexNetOWTConfig(ImageConfig):
    """Settings of the one-column network of 2014."""

    dropout: float = setting(0.5, "probability of dropping a hidden unit", low=0, high=1)


_2012 = Paper(
    "ImageNet Classification with Deep Convolutional Neural Networks",
    "Krizhevsky, Sutskever, Hinton",
    2012,
    "NIPS 2012",
)
_2014 = Paper(
    "One weird trick for parallelizing convolutional neural networks",
    "Krizhevsky",
    2014,
    "arXiv",
    "1404.5997",
)
_INPUT = (
    "The paper says 224x224, but its 55x55 maps need 227x227 (or 224 padded by 2). Normalisation comes "
    "before pooling, as in the paper; its alpha is not divided by the window."
)

FAMILIES = (
    Family(
        name="AlexNet",
        builder="steelyard.zoo.alexnet:AlexNet",
        config=AlexNetConfig,
        paper=_2012,
        models=(
            Model("alexnet", notes="Two groups, as trained on two graphics cards. " + _INPUT),
            Model(
                "alexnet_one_tower",
                {"groups": 1},
                "The two groups of 2012 joined: every convolution sees all channels. No paper publishes "
                "it; it is what a count of AlexNet that forgets the groups gives. " + _INPUT,
            ),
        ),
    ),
    Family(
        name="AlexNet (one column)",
        builder="steelyard.zoo.alexnet:AlexNetOWT",
        config=AlexNetOWTConfig,
        paper=_2014,
        models=(
            Model(
                "alexnet_owt",
                notes="The 64-192-384-256-256 network that torchvision calls alexnet: not the network of "
                "2012, and a wrong target for its 724 M MACs. Initial weights are PyTorch's "
                "defaults; the paper states none.",
                same_as={"torchvision": "alexnet"},
            ),
        ),
    ),
)
