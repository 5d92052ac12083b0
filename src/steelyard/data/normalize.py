"""`Normalize`, and the channel statistics of known data sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from steelyard.data.draws import Draws
from steelyard.data.transform import Transform, number
from steelyard.errors import ShapeError, UnknownNameError, UsageError

__all__ = ["STATISTICS", "Normalize"]

Channels = tuple[float, ...]

STATISTICS: dict[str, tuple[Channels, Channels]] = {
    # of all pixels of the training images, from 0 to 1
    "digits": ((0.3053,), (0.3761,)),
    "mnist": ((0.1307,), (0.3081,)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    # as published networks use them: of a sample of images, resized and cropped
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and standard deviation of each channel."""


@dataclass(frozen=True, slots=True)
class Normalize(Transform):
    """Pixels to floats: (pixel / 255 - mean) / std.

    Args:
        of: the data set whose statistics these are; "" for the set that is read.
        mean: one number, or one a channel; () for the registered ones.
        std: as well.
    """

    name: ClassVar[str] = "normalize"

    of: str = ""
    mean: Channels = ()
    std: Channels = ()

    def __post_init__(self) -> None:
        if self.of and self.of not in STATISTICS:
            raise UnknownNameError(
                "data set with registered statistics", self.of, STATISTICS,
                hint="normalize:mean=0.5,std=0.25",
            )  # fmt: skip
        if bool(self.mean) != bool(self.std) or (self.mean and self.of):
            raise UsageError(
                "normalize with half of the numbers, or with a name and numbers",
                expected="nothing, a data set's name, or mean and std",
                hint="normalize:mean=0.5,std=0.25",
            )
        if any(deviation <= 0 for deviation in self.std):
            raise UsageError("normalize with a std that is not above 0")

    def of_data(self, name: str) -> Normalize:
        """The same, with the statistics of the data set that is read where none are said.

        Raises:
            UnknownNameError: nothing is registered for it.
        """
        return self if self.of or self.mean else replace(self, of=name)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Float32."""
        mean, std = (self._channels(images, numbers) for numbers in self._numbers())
        return images.float().mul_((1 / (255 * std)).float()).sub_((mean / std).float())

    def _numbers(self) -> tuple[Channels, Channels]:
        if self.mean:
            return self.mean, self.std
        if not self.of:
            raise UsageError(
                "normalize does not say by which numbers",
                expected="a data set's name, or mean and std",
                hint="normalize:imagenet",
            )
        return STATISTICS[self.of]

    def _channels(self, images: Tensor, numbers: Channels) -> Tensor:
        if len(numbers) not in (1, images.shape[1]):
            raise ShapeError(
                f"normalize with {len(numbers)} channels for images of {images.shape[1]}",
                expected="one number, or one a channel",
            )
        exact = torch.tensor(numbers, dtype=torch.float64, device=images.device)
        return exact.view(1, -1, 1, 1)

    def in_words(self) -> str:
        """In words."""
        if not (self.of or self.mean):
            return "(pixel / 255 - mean) / std by the statistics of the data set"
        mean, std = (" ".join(map(number, numbers)) for numbers in self._numbers())
        source = f" ({self.of})" if self.of else ""
        return f"(pixel / 255 - mean) / std, mean {mean}, std {std}{source}"
