"""Transforms of colour with random strengths: colour jitter, grey, blur."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from steelyard.data import colour
from steelyard.data.draws import Draws
from steelyard.data.transform import Transform, probability
from steelyard.errors import UsageError

__all__ = ["Blur", "ColorJitter", "Grayscale"]

_ADJUSTMENTS = {
    "brightness": colour.brightness,
    "contrast": colour.contrast,
    "saturation": colour.saturation,
    "hue": colour.hue,
}


@dataclass(frozen=True, slots=True)
class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed, each image in an order of its own.

    Factors are uniform in [max(0, 1 - b), 1 + b]; the hue is turned by a part of the circle, uniform in
    [-hue, hue].
    """

    name: ClassVar[str] = "color_jitter"
    random: ClassVar[bool] = True

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        strengths = self._strengths()
        if min(strengths.values(), default=-1) < 0 or self.hue > 0.5:
            raise UsageError(
                f"color_jitter with {strengths or 'no strength'}",
                expected="brightness, contrast or saturation above 0, hue from 0 to 0.5",
                hint="color_jitter:brightness=0.4,contrast=0.4,saturation=0.4",
            )

    def _strengths(self) -> dict[str, float]:
        every = {name: float(getattr(self, name)) for name in _ADJUSTMENTS}
        return {name: strength for name, strength in every.items() if strength}

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Eight numbers each: four strengths, four for the order."""
        numbers = draws.uniform(8)
        strengths = self._strengths()
        factors = {
            name: _between(numbers[row], -strength, strength)
            if name == "hue"
            else _between(numbers[row], max(0.0, 1 - strength), 1 + strength)
            for row, (name, strength) in enumerate(strengths.items())
        }
        order = np.argsort(numbers[4 : 4 + len(strengths)], axis=0, kind="stable")
        out = images.clone()
        for turn in order:
            for which, name in enumerate(strengths):
                rows = torch.from_numpy(np.flatnonzero(turn == which))
                if len(rows):
                    there = rows.to(images.device)
                    out[there] = _ADJUSTMENTS[name](out[there], factors[name][rows])
        return out

    def in_words(self) -> str:
        """In words."""
        parts = [
            f"{name} turned by up to ±{strength:g} of the circle"
            if name == "hue"
            else f"{name} times {max(0.0, 1 - strength):g} to {1 + strength:g}"
            for name, strength in self._strengths().items()
        ]
        return f"{', '.join(parts)}, in random order"


def _between(numbers: np.ndarray, low: float, high: float) -> Tensor:
    return torch.from_numpy(low + numbers * (high - low))


@dataclass(frozen=True, slots=True)
class Grayscale(Transform):
    """Colours taken away, with probability ``p``; the channels stay three."""

    name: ClassVar[str] = "grayscale"
    random: ClassVar[bool] = True

    p: float = 0.1

    def __post_init__(self) -> None:
        probability(self.p, self.name)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """One number each."""
        which = draws.chance(self.p).to(images.device)[:, None, None, None]
        return torch.where(which, colour.grey(images), images)

    def in_words(self) -> str:
        """In words."""
        return f"colours taken away with probability {self.p:g}"


@dataclass(frozen=True, slots=True)
class Blur(Transform):
    """Gaussian blur with probability ``p``, the deviation uniform in a range.

    Args:
        kernel: width of the window in pixels, odd.
        sigma: range of the deviation in pixels.
        p: probability.
    """

    name: ClassVar[str] = "blur"
    random: ClassVar[bool] = True

    kernel: int
    sigma: tuple[float, float] = (0.1, 2.0)
    p: float = 1.0

    def __post_init__(self) -> None:
        probability(self.p, self.name)
        if self.kernel < 1 or self.kernel % 2 == 0 or not 0 < self.sigma[0] <= self.sigma[1]:
            raise UsageError(
                f"blur with kernel={self.kernel}, sigma={self.sigma[0]:g}..{self.sigma[1]:g}",
                expected="an odd kernel, and deviations above 0, the smaller first",
            )

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Two numbers each."""
        numbers = draws.uniform(2)
        rows = torch.from_numpy(np.flatnonzero(numbers[0] < self.p))
        out = images.clone()
        if len(rows):
            there, sigmas = rows.to(images.device), _between(numbers[1], *self.sigma)[rows]
            out[there] = colour.blur(out[there], sigmas, self.kernel)
        return out

    def in_words(self) -> str:
        """In words."""
        low, high = self.sigma
        often = "" if self.p == 1 else f" with probability {self.p:g}"
        return f"Gaussian blur, {self.kernel}×{self.kernel}, deviation {low:g} to {high:g}{often}"
