"""Colours changed by a strength for each image: brightness, contrast, saturation, hue, sharpness and others.

Images are uint8, ``(N, C, H, W)``, C of 1 or 3; what needs colours leaves grey images as they are. Where
Pillow has the operation the result is Pillow's; hue, equalising and blurring are kornia's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from steelyard.errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "autocontrast",
    "blur",
    "brightness",
    "contrast",
    "equalize",
    "grey",
    "hue",
    "posterize",
    "saturation",
    "sharpness",
    "solarize",
]

Adjustment = Callable[[Tensor, Tensor], Tensor]
"""Images and a strength for each, (N,), to images."""


def _kornia() -> ModuleType:
    try:
        import kornia
    except ImportError as error:
        raise MissingExtraError("this transform", extra="augment", package="kornia") from error
    return kornia


def _each(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device, torch.float32)[:, None, None, None]


def _blend(other: Tensor, images: Tensor, factors: Tensor) -> Tensor:
    """Between another image (0) and the image (1), or beyond; rounded down, as Pillow does."""
    base = other.float()
    out = (images - base).mul_(_each(factors, images)).add_(base)
    return out.clamp_(0, 255).to(torch.uint8)


def grey(images: Tensor) -> Tensor:
    """Luma of ITU-R BT.601, ``(N, 1, H, W)``: 0.299 R + 0.587 G + 0.114 B in 16-bit fractions."""
    if images.shape[1] != 3:
        return images
    red, green, blue = images.int().unbind(1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).to(torch.uint8)[:, None]


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """0 is black, 1 the image."""
    return _blend(torch.zeros((), device=images.device), images, factors)


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """0 is the mean grey, 1 the image."""
    shades = grey(images)
    sums = shades.sum((1, 2, 3), dtype=torch.int64)
    mean = (sums.double() / shades[0].numel() + 0.5).floor()
    return _blend(_each(mean, images), images, factors)


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """0 is grey, 1 the image."""
    return images if images.shape[1] != 3 else _blend(grey(images), images, factors)


def hue(images: Tensor, turns: Tensor) -> Tensor:
    """Hue turned by a part of the circle, -0.5 to 0.5."""
    if images.shape[1] != 3:
        return images
    turned = _kornia().enhance.adjust_hue(images.float().div_(255), turns.float() * (2 * torch.pi))
    return _bytes(turned)


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """0 is smoothed by the 3x3 mean with weight 5 in the middle, 1 the image; the border stays."""
    if min(images.shape[-2:]) < 3:
        return images
    wide = images.int()
    rows = wide[..., :-2, :] + wide[..., 1:-1, :] + wide[..., 2:, :]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * wide[..., 1:-1, 1:-1]
    smooth = images.clone()
    smooth[..., 1:-1, 1:-1] = torch.div(2 * total + 13, 26, rounding_mode="floor")
    return _blend(smooth, images, factors)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Of every pixel the first ``bits`` of 8."""
    masks = 256 - 2 ** (8 - bits.to(images.device, torch.int64))
    return images & masks.to(torch.uint8)[:, None, None, None]


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Pixels at or above the threshold are inverted."""
    return torch.where(images >= _each(thresholds, images), 255 - images, images)


def autocontrast(images: Tensor) -> Tensor:
    """Each channel stretched, so that its darkest pixel is 0 and its brightest 255."""
    low, high = (edge((2, 3), keepdim=True).double() for edge in (images.amin, images.amax))
    scale = 255 / (high - low)
    stretched = (images * scale - low * scale).clamp_(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, images)


def equalize(images: Tensor) -> Tensor:
    """Each channel's histogram made flat."""
    return _bytes(_kornia().enhance.equalize(images.float().div_(255)))


def blur(images: Tensor, sigmas: Tensor, kernel: int) -> Tensor:
    """Gaussian blur by a window of ``kernel`` x ``kernel``; the border is reflected."""
    both = sigmas.to(images.device, torch.float32)[:, None].expand(-1, 2)
    return _bytes(_kornia().filters.gaussian_blur2d(images.float().div_(255), kernel, both))


def _bytes(images: Tensor) -> Tensor:
    return images.mul(255).round_().clamp_(0, 255).to(torch.uint8)
