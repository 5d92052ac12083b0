"""Images turned, sheared, moved and scaled: `warped` by a matrix for each, and the random transform `Affine`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from steelyard.data.draws import Draws
from steelyard.data.transform import Transform
from steelyard.errors import UsageError

__all__ = ["Affine", "about", "matrices", "warped"]

Matrices = NDArray[np.float64]

METHODS = ("nearest", "bilinear")


def warped(images: Tensor, back: Matrices, method: str, fill: int = 0) -> Tensor:
    """Each image as its matrix says, on a canvas of the same size.

    As Pillow: pixel (x, y) of the result has its middle at (x + 0.5, y + 0.5); it is taken from where
    that point came from; what came from outside is filled.

    Args:
        images: uint8, ``(N, C, H, W)``.
        back: float64, ``(N, 2, 3)``: from a point (x, y, 1) of the result to where it came from.
        method: ``nearest`` or ``bilinear``.
        fill: the value of what is outside.
    """
    _, channels, height, width = images.shape
    across = np.arange(width)[None, None, :] + 0.5
    down = np.arange(height)[None, :, None] + 0.5
    a, b, c = (back[:, :, k, None, None] for k in range(3))
    x, y = (a[:, k] * across + b[:, k] * down + c[:, k] for k in range(2))
    inside = torch.from_numpy((x >= 0) & (x < width) & (y >= 0) & (y < height))
    if method == "nearest":
        flat = np.clip(np.floor(y), 0, height - 1) * width + np.clip(np.floor(x), 0, width - 1)
        index = torch.from_numpy(flat.astype(np.int64)).to(images.device).flatten(1)
        taken = images.flatten(2).gather(2, index[:, None].expand(-1, channels, -1))
        out = taken.view_as(images)
    else:
        grid = torch.from_numpy(np.stack((2 * x / width - 1, 2 * y / height - 1), axis=-1))
        there = grid.float().to(images.device)
        sampled = grid_sample(
            images.float(), there, mode="bilinear", padding_mode="border", align_corners=False
        )
        out = sampled.round_().clamp_(0, 255).to(torch.uint8)
    return torch.where(inside.to(images.device)[:, None], out, fill).to(torch.uint8)


def matrices(rows: list[list[NDArray[np.float64] | float]], count: int) -> Matrices:
    """``(N, 2, 3)`` from two rows of three entries, each a number or one for every image."""
    full = [[np.broadcast_to(entry, count) for entry in row] for row in rows]
    return np.ascontiguousarray(np.moveaxis(np.array(full, dtype=np.float64), -1, 0))


def about(back: Matrices, height: int, width: int) -> Matrices:
    """The same around the middle of the image instead of its top left corner."""
    middle = np.array([width / 2, height / 2])
    out = back.copy()
    out[:, :, 2] += middle - (back[:, :, :2] * middle).sum(-1)
    return out


@dataclass(frozen=True, slots=True)
class Affine(Transform):
    """Images turned, moved, scaled and sheared around their middle, by amounts uniform in ranges.

    Args:
        degrees: turned by up to so much either way.
        translate: moved by up to so much of the width, and of the height.
        scale: enlarged by a factor in this range.
        shear: sheared along x by up to so many degrees either way.
        method: ``nearest`` or ``bilinear``.
        fill: the value of what comes from outside, 0 to 255.
    """

    name: ClassVar[str] = "affine"
    random: ClassVar[bool] = True

    degrees: float = 0.0
    translate: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0
    method: str = "bilinear"
    fill: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"affine with method={self.method}", expected=" or ".join(METHODS))
        ranges = {
            "degrees": 0 <= self.degrees <= 180,
            "translate": 0 <= self.translate <= 1,
            "scale": 0 < self.scale[0] <= self.scale[1],
            "shear": 0 <= self.shear < 90,
            "fill": 0 <= self.fill <= 255,
        }
        wrong = [key for key, fine in ranges.items() if not fine]
        if wrong:
            raise UsageError(
                f"affine with {wrong[0]}={getattr(self, wrong[0])}",
                expected="degrees 0 to 180, translate 0 to 1, scale above 0, shear 0 to 90, fill 0 to 255",
            )

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Five numbers each: angle, two moves, scale, shear."""
        count, _, height, width = images.shape
        turn, right, down, size, lean = draws.uniform(5)
        angle = np.radians((2 * turn - 1) * self.degrees)
        shear = np.tan(np.radians((2 * lean - 1) * self.shear))
        # back from the result: move, turn, shear, scale
        zoom = 1 / (self.scale[0] + size * (self.scale[1] - self.scale[0]))
        cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
        top: list[NDArray[np.float64] | float] = [cos - shear * sin, sin + shear * cos]
        bottom: list[NDArray[np.float64] | float] = [-sin, cos]
        back = about(matrices([[*top, 0.0], [*bottom, 0.0]], count), height, width)
        # whole pixels, as torchvision does
        steps = ((2 * right - 1) * self.translate * width, (2 * down - 1) * self.translate * height)
        move = np.stack([np.round(step) for step in steps], axis=-1)
        back[:, :, 2] -= (back[:, :, :2] * move[:, None]).sum(-1)
        return warped(images, back, self.method, self.fill)

    def in_words(self) -> str:
        """In words."""
        parts = [f"turned by up to ±{self.degrees:g}°"] if self.degrees else []
        parts += [f"moved by up to ±{self.translate:g} of the side"] if self.translate else []
        if self.scale != (1, 1):
            parts.append(f"scaled by {self.scale[0]:g} to {self.scale[1]:g}")
        parts += [f"sheared by up to ±{self.shear:g}°"] if self.shear else []
        return f"{', '.join(parts) or 'as it is'} ({self.method}, outside {self.fill})"
