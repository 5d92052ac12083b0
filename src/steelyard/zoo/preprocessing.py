"""How a photograph becomes a network's input: resize, crop, scale, as the weights were trained for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

Interpolation = Literal["bilinear", "bicubic"]

MAX_ASPECT = 8
"""Longer images lose what is beyond this many times their short side before they are resized."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a network's weights expect.

    Attributes:
        resize: pixels of the image's shorter side after resizing.
        crop: height and width of the square taken from the middle.
        interpolation: filter of the resizing; both weigh all pixels that they shrink (no aliasing).
        mean, std: of each channel, for values of 0 to 1.
    """

    resize: int
    crop: int
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def prepared(image: Image.Image, steps: Preprocessing) -> Tensor:
    """An RGB image as input: (3, crop, crop), float32. Resizing is Pillow's, on 8-bit values."""
    import numpy
    import torch
    from PIL import Image

    filters = {
        "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC,
    }
    image = _without_ends(image)
    short = min(image.size)
    # the longer side is rounded down, the crop's corner to the nearest, as torchvision does
    size = tuple(int(steps.resize * side / short) for side in image.size)
    image = image.resize((size[0], size[1]), filters[steps.interpolation])
    left, top = (round((side - steps.crop) / 2) for side in size)
    image = image.crop((left, top, left + steps.crop, top + steps.crop))
    pixels = torch.from_numpy(numpy.asarray(image, dtype=numpy.float32).copy()).permute(2, 0, 1)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (steps.mean, steps.std))
    return ((pixels / 255 - mean) / std).contiguous()


def _without_ends(image: Image.Image) -> Image.Image:
    """The middle of a very long image: resized whole, one of 1 x 10,000 pixels would fill the memory."""
    (width, height), most = image.size, MAX_ASPECT * min(image.size)
    if max(width, height) <= most:
        return image
    left, top = max(0, (width - most) // 2), max(0, (height - most) // 2)
    return image.crop((left, top, left + min(width, most), top + min(height, most)))
