"""`Normalize`: pixels to floats, by the channel statistics of a data set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from steelyard.data.draws import Draws
from steelyard.data.registry import data_info, list_data
from steelyard.data.transform import Transform, number
from steelyard.errors import ShapeError, UnknownNameError, UsageError

__all__ = ["Normalize"]

Channels = tuple[float, ...]


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
        if self.of:
            _registered(self.of)
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
        return _registered(self.of)

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


def _registered(name: str) -> tuple[Channels, Channels]:
    """Mean and standard deviation of a data set's channels."""
    known = [info.name for info in map(data_info, list_data()) if info.mean]
    if name not in known:
        raise UnknownNameError(
            "data set with registered statistics", name, known, hint="normalize:mean=0.5,std=0.25"
        )
    info = data_info(name)
    return info.mean, info.std
