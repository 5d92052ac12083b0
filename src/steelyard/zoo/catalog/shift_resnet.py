"""ShiftResNet: settings, paper and names."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.zoo.catalog.shiftnet import PAPER
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftResNetConfig(ImageConfig):
    """Settings of a residual network for small images whose 3x3 convolutions are shifts."""

    num_classes: int = setting(10, "classes, the size of the last layer", low=1, high=2**20)
    resolution: int = setting(32, "height and width of the image", low=1, high=2**20)
    blocks: tuple[int, ...] = setting(
        (3, 3, 3),
        "units per stage, two layers each; each stage is twice as wide",
        low=1,
        high=1024,
    )
    expansion: float = setting(
        1.0, "shifted channels for each one that a unit makes", low=0.01, high=64
    )
    kernel_size: int = setting(3, "window of the shifts, odd", low=1, high=63)


_NOTES = (
    "The authors' code for CIFAR (alvinwan/shiftresnet-cifar), 6n + 2 layers as the ResNets of the same names: the "
    "second 1x1 of a unit carries the stride, shortcuts are projections where the shape changes. Of the two "
    "versions of that code this is the one with a ReLU before the sum and none behind it; in the other it is behind; "
    "no count differs. width scales the 16, 32 and 64 channels."
)

FAMILIES = (
    Family(
        name="ShiftResNet",
        builder="steelyard.zoo.shift_resnet:ShiftResNet",
        config=ShiftResNetConfig,
        paper=PAPER,
        models=tuple(
            Model(
                f"shiftresnet{6 * n + 2}_{expansion}",
                {"blocks": (n, n, n), "expansion": float(expansion)},
                _NOTES,
            )
            for n in (3, 9, 18)
            for expansion in (1, 3, 6, 9)
        ),
    ),
)
