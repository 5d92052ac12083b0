"""`Resize`: images of another size, computed as Pillow does, with antialiasing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from steelyard.data.crops import height_width
from steelyard.data.draws import Draws
from steelyard.data.transform import Transform
from steelyard.errors import UsageError

__all__ = ["METHODS", "Resize", "resized"]

METHODS = ("bilinear", "bicubic", "nearest")


@dataclass(frozen=True, slots=True)
class Resize(Transform):
    """The image at another size; bilinear and bicubic filters are widened when it shrinks (antialias).

    Args:
        size: ``256`` makes the shorter side so long and keeps the proportions (the longer side rounded
            down, as torchvision does); ``256x320`` is height x width.
        method: ``bilinear``, ``bicubic`` or ``nearest``.
    """

    name: ClassVar[str] = "resize"

    size: tuple[int, ...]
    method: str = "bilinear"

    def __post_init__(self) -> None:
        height_width(self.size, self.name)
        known_method(self.method, self.name)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Images of the new size and the type they had."""
        if len(self.size) == 2:
            return resized(images, self.size[0], self.size[1], self.method)
        height, width = images.shape[-2:]
        short = min(height, width)
        rows, columns = (int(self.size[0] * side / short) for side in (height, width))
        return resized(images, rows, columns, self.method)

    def in_words(self) -> str:
        """In words."""
        to = (
            f"to {self.size[0]}×{self.size[1]}"
            if len(self.size) == 2
            else f"the shorter side to {self.size[0]}"
        )
        return f"{to}, {self.method}" + ("" if self.method == "nearest" else " with antialias")


def known_method(method: str, what: str) -> None:
    """Checks a method of interpolation.

    Raises:
        UsageError: it is none of `METHODS`.
    """
    if method not in METHODS:
        raise UsageError(f"{what} with method={method}", expected=", ".join(METHODS))


def resized(images: Tensor, height: int, width: int, method: str) -> Tensor:
    """The images at another size, of the type they had.

    Args:
        images: uint8 or float32, ``(N, C, H, W)``.
        height: of the result.
        width: of the result.
        method: one of `METHODS`.
    """
    if images.shape[-2:] == (height, width):
        return images
    if method == "nearest":
        # the pixel under the middle of the new one, as Pillow and OpenCV's exact mode do
        return interpolate(images, (height, width), mode="nearest-exact")
    native = images.is_floating_point() or not images.is_cuda
    out = interpolate(
        images if native else images.float(),
        (height, width),
        mode=method,
        align_corners=False,
        antialias=True,
    )
    return out if native else out.round_().clamp_(0, 255).to(torch.uint8)
