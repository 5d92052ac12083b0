"""Transforms that choose a part of the image or mirror it: crop, centre crop, flip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from steelyard.data.draws import Draws
from steelyard.data.transform import Transform, probability
from steelyard.errors import ShapeError, UsageError

__all__ = ["CenterCrop", "Crop", "Flip", "VerticalFlip", "height_width"]

_MODES = {"zero": "constant", "reflect": "reflect", "edge": "replicate"}
"""How a padding is filled: our word, and torch's."""


def height_width(size: tuple[int, ...], what: str) -> tuple[int, int]:
    """Height and width that ``224`` or ``224x160`` say.

    Raises:
        UsageError: more than two numbers, or one below 1.
    """
    if not 1 <= len(size) <= 2 or min(size) < 1:
        raise UsageError(f"{what} to {'x'.join(map(str, size))}", expected="a size such as 224")
    return size[0], size[-1]


@dataclass(frozen=True, slots=True)
class Crop(Transform):
    """A part of the padded image, at a random place; all places are equally likely.

    The augmentation of CIFAR (He et al. 2016, section 4.2: padding 4).

    Args:
        size: of the part; () for the size of the image.
        padding: pixels on every side.
        mode: what they are: ``zero``, ``reflect`` or ``edge``.
    """

    name: ClassVar[str] = "crop"
    random: ClassVar[bool] = True

    size: tuple[int, ...] = ()
    padding: int = 0
    mode: str = "zero"

    def __post_init__(self) -> None:
        if self.size:
            height_width(self.size, self.name)
        if self.padding < 0 or not (self.size or self.padding):
            raise UsageError(
                f"crop with padding={self.padding}", expected="a size, a padding, or both",
                hint="crop:padding=4",
            )  # fmt: skip
        if self.mode not in _MODES:
            raise UsageError(f"crop with mode={self.mode}", expected=", ".join(_MODES))

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Two numbers each: the row and the column."""
        count, _, height, width = images.shape
        rows, columns = height_width(self.size, self.name) if self.size else (height, width)
        spare_y, spare_x = height + 2 * self.padding - rows, width + 2 * self.padding - columns
        _needs(images, rows, columns, self, self.padding)
        if self.padding:
            images = _padded(images, self.padding, self.mode)
        y, x = draws.uniform(2) * [[spare_y + 1], [spare_x + 1]]
        # every window of every image is a view; one gather takes one of each
        windows = images.unfold(2, rows, 1).unfold(3, columns, 1)
        n = torch.arange(count, device=images.device)
        return windows[n, :, _on(images, y), _on(images, x)]

    def in_words(self) -> str:
        """In words."""
        part = f"of {_by(self.size)}" if self.size else "of the image's size"
        around = f" after padding by {self.padding} ({self.mode})" if self.padding else ""
        return f"a part {part} at a random place{around}"


def _on(images: Tensor, values: np.ndarray) -> Tensor:
    """Numbers of the samples, rounded down, where the images are."""
    return torch.from_numpy(values.astype(np.int64)).to(images.device)


def _by(size: tuple[int, ...]) -> str:
    return f"{size[0]}×{size[-1]}"


def _padded(images: Tensor, padding: int, mode: str) -> Tensor:
    if mode != "zero" and images.dtype == torch.uint8:
        # torch reflects floats only; 8 bits survive the way
        return pad(images.float(), (padding,) * 4, _MODES[mode]).to(torch.uint8)
    return pad(images, (padding,) * 4, _MODES[mode])


def _needs(images: Tensor, rows: int, columns: int, crop: Transform, padding: int = 0) -> None:
    height, width = images.shape[-2:]
    if height + 2 * padding < rows or width + 2 * padding < columns:
        raise ShapeError(
            f"{crop.name} to {rows}×{columns} of an image of {height}×{width}"
            + (f" with padding {padding}" if padding else ""),
            expected="an image that is not smaller",
            hint=f"resize:{max(rows, columns)} before it",
        )


@dataclass(frozen=True, slots=True)
class CenterCrop(Transform):
    """The middle of the image. Where a pixel is left over it stays at the bottom or right.

    Args:
        size: of the part.
    """

    name: ClassVar[str] = "center_crop"

    size: tuple[int, ...]

    def __post_init__(self) -> None:
        height_width(self.size, self.name)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """The middles."""
        rows, columns = height_width(self.size, self.name)
        _needs(images, rows, columns, self)
        # as torchvision: halves are rounded to even
        y, x = (round((a - b) / 2) for a, b in zip(images.shape[-2:], (rows, columns), strict=True))
        return images[..., y : y + rows, x : x + columns]

    def in_words(self) -> str:
        """In words."""
        return f"the middle {_by(self.size)}"


@dataclass(frozen=True, slots=True)
class Flip(Transform):
    """Left and right exchanged, with probability ``p``."""

    name: ClassVar[str] = "flip"
    random: ClassVar[bool] = True

    p: float = 0.5

    def __post_init__(self) -> None:
        probability(self.p, self.name)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """One number each."""
        return _flipped(images, draws.chance(self.p), 3)

    def in_words(self) -> str:
        """In words."""
        return f"left and right exchanged with probability {self.p:g}"


@dataclass(frozen=True, slots=True)
class VerticalFlip(Transform):
    """Top and bottom exchanged, with probability ``p``."""

    name: ClassVar[str] = "vertical_flip"
    random: ClassVar[bool] = True

    p: float = 0.5

    def __post_init__(self) -> None:
        probability(self.p, self.name)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """One number each."""
        return _flipped(images, draws.chance(self.p), 2)

    def in_words(self) -> str:
        """In words."""
        return f"top and bottom exchanged with probability {self.p:g}"


def _flipped(images: Tensor, which: Tensor, dim: int) -> Tensor:
    return torch.where(which.to(images.device)[:, None, None, None], images.flip(dim), images)
