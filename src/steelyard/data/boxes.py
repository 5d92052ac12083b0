"""Transforms by a random box: random resized crop (the box is kept) and erasing (the box is blanked)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.data.crops import height_width
from steelyard.data.draws import Draws
from steelyard.data.resize import known_method, resized
from steelyard.data.transform import Transform, number, probability
from steelyard.errors import UsageError

__all__ = ["Erase", "RandomResizedCrop"]

_TRIES = 10
"""As torchvision does: then there is no box."""

Floats = NDArray[np.float64]


def _sides(
    numbers: Floats, size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Short and long side of a box for every try, in pixels: area uniform, ratio uniform in its logarithm.

    Args:
        numbers: (2 tries, N), uniform.
        size: of the image.
        scale: range of the area, as parts of the image's.
        ratio: range of the second side divided by the first.
    """
    tries = len(numbers) // 2
    area = size[0] * size[1] * (scale[0] + numbers[:tries] * (scale[1] - scale[0]))
    low, high = np.log(ratio)
    aspect = np.exp(low + numbers[tries:] * (high - low))
    return np.round(np.sqrt(area / aspect)), np.round(np.sqrt(area * aspect))


def _first(fits: NDArray[np.bool_], sides: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Of every sample the first try that fits; the first of all where none does."""
    which = fits.argmax(0)[None]
    one, two = (np.take_along_axis(side, which, 0)[0] for side in sides)
    return one, two


def _ranges(scale: tuple[float, float], ratio: tuple[float, float], what: str) -> None:
    if not 0 < scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1]:
        raise UsageError(
            f"{what} with scale={scale[0]:g}..{scale[1]:g}, ratio={ratio[0]:g}..{ratio[1]:g}",
            expected="parts of the area above 0 and up to 1, ratios above 0, the smaller first",
            hint=f"{what}:...,scale=0.08..1,ratio=0.75..1.333",
        )


@dataclass(frozen=True, slots=True)
class RandomResizedCrop(Transform):
    """A random box of the image, resized to one size.

    The augmentation of Inception (Szegedy et al. 2015, section 6) as torchvision has it: up to ten boxes
    are tried; where none fits, the largest in the middle whose ratio is allowed.

    Args:
        size: of the result.
        scale: range of the box's area, as parts of the image's.
        ratio: range of its width divided by its height.
        method: ``bilinear``, ``bicubic`` or ``nearest``.
    """

    name: ClassVar[str] = "random_resized_crop"
    random: ClassVar[bool] = True

    size: tuple[int, ...]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    method: str = "bilinear"

    def __post_init__(self) -> None:
        height_width(self.size, self.name)
        known_method(self.method, self.name)
        _ranges(self.scale, self.ratio, self.name)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """22 numbers each: area and ratio of ten tries, the place."""
        rows, columns = height_width(self.size, self.name)
        boxes = self._boxes(draws, int(images.shape[2]), int(images.shape[3]))
        parts = [
            resized(
                image[None, :, y : y + h, x : x + w].contiguous(), rows, columns, self.method
            )
            for image, (y, x, h, w) in zip(images, boxes.tolist(), strict=True)
        ]  # fmt: skip
        return torch.cat(parts) if parts else images.new_empty(0, images.shape[1], rows, columns)

    def _boxes(self, draws: Draws, height: int, width: int) -> NDArray[np.int64]:
        """(N, 4): top, left, height, width."""
        numbers = draws.uniform(2 * _TRIES + 2)
        sides = _sides(numbers[: 2 * _TRIES], (height, width), self.scale, self.ratio)
        fits = (sides[0] > 0) & (sides[0] <= height) & (sides[1] > 0) & (sides[1] <= width)
        h, w = _first(fits, sides)
        y = np.floor(numbers[-2] * (height - h + 1))
        x = np.floor(numbers[-1] * (width - w + 1))
        boxes = np.stack((y, x, h, w), axis=1).astype(np.int64)
        boxes[~fits.any(0)] = self._middle(height, width)
        return boxes

    def _middle(self, height: int, width: int) -> tuple[int, int, int, int]:
        aspect = min(max(width / height, self.ratio[0]), self.ratio[1])
        h, w = min(height, round(width / aspect)), min(width, round(height * aspect))
        return (height - h) // 2, (width - w) // 2, h, w

    def in_words(self) -> str:
        """In words."""
        low, high = self.scale
        return (
            f"a random box of {low:g} to {high:g} of the area, width / height "
            f"{self.ratio[0]:.4g} to {self.ratio[1]:.4g}, resized to {self.size[0]}×{self.size[-1]}, "
            f"{self.method}" + ("" if self.method == "nearest" else " with antialias")
        )


@dataclass(frozen=True, slots=True)
class Erase(Transform):
    """A random box blanked, with probability ``p`` (Zhong et al., "Random erasing", AAAI 2020).

    The ratio is uniform in its logarithm, as torchvision has it; the paper draws it uniformly.

    Args:
        p: probability.
        scale: range of the box's area, as parts of the image's.
        ratio: range of its height divided by its width.
        value: a number for every pixel (after ``normalize`` 0 is the mean), or ``random``: each its own,
            before ``normalize`` only.
    """

    name: ClassVar[str] = "erase"
    random: ClassVar[bool] = True

    p: float = 0.5
    scale: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    value: str = "0"

    def __post_init__(self) -> None:
        probability(self.p, self.name)
        _ranges(self.scale, self.ratio, self.name)
        if self.value != "random":
            try:
                float(self.value)
            except ValueError as error:
                raise UsageError(
                    f"erase with value={self.value}", expected="a number, or random"
                ) from error

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """23 numbers each: whether, area and ratio of ten tries, the place; then the pixels."""
        height, width = int(images.shape[2]), int(images.shape[3])
        numbers = draws.uniform(2 * _TRIES + 3)
        w, h = sides = _sides(numbers[1:-2], (height, width), self.scale, self.ratio)
        fits = (h > 0) & (h < height) & (w > 0) & (w < width)
        w, h = _first(fits, sides)
        top, left = (
            np.floor(numbers[-2] * (height - h + 1)),
            np.floor(numbers[-1] * (width - w + 1)),
        )
        erased = (numbers[0] < self.p) & fits.any(0)
        rows, columns = np.arange(height)[None], np.arange(width)[None]
        inside_y = (rows >= top[:, None]) & (rows < (top + h)[:, None]) & erased[:, None]
        inside_x = (columns >= left[:, None]) & (columns < (left + w)[:, None])
        inside = torch.from_numpy(inside_y[:, None, :, None] & inside_x[:, None, None, :])
        return torch.where(inside.to(images.device), self._new(images, draws), images)

    def _new(self, images: Tensor, draws: Draws) -> Tensor:
        if self.value != "random":
            new = torch.tensor(float(self.value), device=images.device)
            return new.to(images.dtype)
        if images.is_floating_point():
            raise UsageError("erase with value=random stands after normalize", expected="before it")
        count = images[0].numel()
        noise = draws.uniform(count, skip=24) * 256
        return torch.from_numpy(noise.T.astype(np.uint8)).view(images.shape).to(images.device)

    def in_words(self) -> str:
        """In words."""
        what = "random pixels" if self.value == "random" else number(float(self.value))
        return (
            f"with probability {self.p:g} a box of {self.scale[0]:g} to {self.scale[1]:g} of the area, "
            f"height / width {self.ratio[0]:g} to {self.ratio[1]:g}, becomes {what}"
        )
