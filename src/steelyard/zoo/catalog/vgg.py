"""VGG: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steelyard.errors import UsageError
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class VGGConfig(ImageConfig):
    """Settings of a VGG network."""

    convolutions: tuple[int, ...] = setting(
        (2, 2, 3, 3, 3), "3x3 convolutions in each of the five stages", low=1, high=64
    )
    last_kernel: Literal[1, 3] = setting(
        3, "filters of the last convolution of the last three stages: 1x1 in configuration C"
    )
    lrn: bool = setting(False, "response normalisation behind the first convolution")
    batch_norm: bool = setting(False, "batch normalisation behind every convolution")
    dropout: float = setting(0.5, "probability of dropping a hidden unit", low=0, high=1)

    def __post_init__(self) -> None:
        if len(self.convolutions) != 5:
            raise UsageError(
                f"convolutions={self.convolutions!r} gives {len(self.convolutions)} stages",
                expected="five numbers, e.g. (2, 2, 3, 3, 3)",
            )


_PAPER = Paper(
    "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    "Simonyan, Zisserman",
    2014,
    "ICLR 2015",
    "1409.1556",
)
_DEPTHS: dict[str, tuple[str, tuple[int, ...]]] = {
    "vgg11": ("A", (1, 1, 2, 2, 2)),
    "vgg13": ("B", (2, 2, 2, 2, 2)),
    "vgg16": ("D", (2, 2, 3, 3, 3)),
    "vgg19": ("E", (2, 2, 4, 4, 4)),
}
_NOTE = (
    "Configuration {} of table 1. The paper prints no MACs; figures quoted elsewhere differ by whether "
    "the fully connected layers are counted (VGG-16: 15.3 G without, 15.5 G with them)."
)
_BN = (
    "Configuration {} of table 1 with batch normalisation, which is younger than the paper; convolutions "
    "keep their biases, as torchvision's do."
)

FAMILIES = (
    Family(
        name="VGG",
        builder="steelyard.zoo.vgg:VGG",
        config=VGGConfig,
        paper=_PAPER,
        models=(
            *(
                Model(
                    name,
                    {"convolutions": counts},
                    _NOTE.format(letter),
                    same_as={"torchvision": name, "timm": name},
                )
                for name, (letter, counts) in _DEPTHS.items()
            ),
            Model(
                "vgg11_lrn",
                {"convolutions": (1, 1, 2, 2, 2), "lrn": True},
                "Configuration A-LRN of table 1: A with response normalisation, which did not help.",
            ),
            Model(
                "vgg16_c",
                {"last_kernel": 1},
                "Configuration C of table 1: 16 layers, three of them 1x1.",
            ),
            *(
                Model(
                    f"{name}_bn",
                    {"convolutions": counts, "batch_norm": True},
                    _BN.format(letter),
                    same_as={"torchvision": f"{name}_bn", "timm": f"{name}_bn"},
                )
                for name, (letter, counts) in _DEPTHS.items()
            ),
        ),
        keys={
            "timm": (
                (r"^pre_logits\.fc1\.", "classifier.0."),
                (r"^pre_logits\.fc2\.", "classifier.3."),
                (r"^head\.fc\.", "classifier.6."),
            )
        },
    ),
)
