"""`RandAugment` and `TrivialAugment`: some of 14 operations on each image, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.data import colour
from steelyard.data.draws import Draws
from steelyard.data.transform import Transform
from steelyard.data.warp import METHODS, about, matrices, warped
from steelyard.errors import UsageError

__all__ = ["OPERATIONS", "RandAugment", "Strengths", "TrivialAugment"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Strengths:
    """What full strength means; from none to full the strength is proportional.

    Attributes:
        shear: pixels to the side for every pixel down (or down for every pixel to the side).
        translate: moved by so much of the side, or where above 1 by so many pixels.
        rotate: degrees.
        enhance: how far a factor of colour, contrast, brightness or sharpness is from 1.
        bits: how many of a pixel's 8 bits `posterize` takes away.
    """

    shear: float
    translate: float
    rotate: float
    enhance: float
    bits: int


_RAND = Strengths(shear=0.3, translate=150 / 331, rotate=30.0, enhance=0.9, bits=4)
"""Ranges of AutoAugment (Cubuk et al. 2019, table 6), which RandAugment keeps."""

_TRIVIAL = Strengths(shear=0.99, translate=32.0, rotate=135.0, enhance=0.99, bits=6)
"""The wide ranges of TrivialAugment (Müller and Hutter 2021, table 1)."""


@dataclass(frozen=True, slots=True)
class _Some:
    """Some images and how each is to be changed.

    Attributes:
        images: uint8, ``(N, C, H, W)``.
        level: (N,), from 0 to 1.
        sign: (N,), -1 or 1.
        strengths: at level 1.
        method: of interpolation.
        fill: of what comes from outside.
    """

    images: Tensor
    level: Floats
    sign: Floats
    strengths: Strengths
    method: str
    fill: int

    def signed(self, full: float) -> Floats:
        return self.sign * self.level * full

    def warped(self, *rows: list[Floats | float], middle: bool = False) -> Tensor:
        count, _, height, width = self.images.shape
        back = matrices(list(rows), count)
        back = about(back, height, width) if middle else back
        return warped(self.images, back, self.method, self.fill)

    def enhanced(self, by: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        return by(self.images, torch.from_numpy(1 + self.signed(self.strengths.enhance)))


def _shear_x(some: _Some) -> Tensor:
    return some.warped([1.0, some.signed(some.strengths.shear), 0.0], [0.0, 1.0, 0.0])


def _shear_y(some: _Some) -> Tensor:
    return some.warped([1.0, 0.0, 0.0], [some.signed(some.strengths.shear), 1.0, 0.0])


def _pixels(some: _Some, side: int) -> Floats:
    full = some.strengths.translate
    return np.trunc(some.signed(full * side if full <= 1 else full))


def _translate_x(some: _Some) -> Tensor:
    return some.warped([1.0, 0.0, _pixels(some, some.images.shape[3])], [0.0, 1.0, 0.0])


def _translate_y(some: _Some) -> Tensor:
    return some.warped([1.0, 0.0, 0.0], [0.0, 1.0, _pixels(some, some.images.shape[2])])


def _rotate(some: _Some) -> Tensor:
    angle = np.radians(some.signed(some.strengths.rotate))
    cos, sin = np.cos(angle), np.sin(angle)
    return some.warped([cos, -sin, 0.0], [sin, cos, 0.0], middle=True)


def _posterize(some: _Some) -> Tensor:
    return colour.posterize(
        some.images, torch.from_numpy(8 - np.round(some.level * some.strengths.bits))
    )


def _solarize(some: _Some) -> Tensor:
    return colour.solarize(some.images, torch.from_numpy(255 - 255 * some.level))


OPERATIONS: dict[str, Callable[[_Some], Tensor]] = {
    # the 14 of RandAugment's section 3
    "identity": lambda some: some.images,
    "auto_contrast": lambda some: colour.autocontrast(some.images),
    "equalize": lambda some: colour.equalize(some.images),
    "rotate": _rotate,
    "solarize": _solarize,
    "color": lambda some: some.enhanced(colour.saturation),
    "posterize": _posterize,
    "contrast": lambda some: some.enhanced(colour.contrast),
    "brightness": lambda some: some.enhanced(colour.brightness),
    "sharpness": lambda some: some.enhanced(colour.sharpness),
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}


def _augmented(
    images: Tensor, which: Floats, level: Floats, sign: Floats, strengths: Strengths,
    method: str, fill: int,
) -> Tensor:  # fmt: skip
    """One operation on each image; ``which`` is uniform in [0, 1)."""
    chosen = np.floor(which * len(OPERATIONS))
    out = images.clone()
    for place, operation in enumerate(OPERATIONS.values()):
        rows = np.flatnonzero(chosen == place)
        if len(rows):
            there = torch.from_numpy(rows).to(images.device)
            some = _Some(images[there], level[rows], sign[rows], strengths, method, fill)
            out[there] = operation(some)
    return out


def _signs(numbers: Floats) -> Floats:
    return np.where(numbers < 0.5, -1.0, 1.0)


def _checked(method: str, fill: int, what: str) -> None:
    if method not in METHODS or not 0 <= fill <= 255:
        raise UsageError(
            f"{what} with method={method}, fill={fill}",
            expected=f"{' or '.join(METHODS)}, a fill from 0 to 255",
        )


@dataclass(frozen=True, slots=True)
class RandAugment(Transform):
    """``n`` of 14 operations after one another, each as likely, all of one strength.

    Cubuk et al., "RandAugment" (NeurIPS 2020), section 3. As torchvision has it: strength grows with
    ``m`` for every operation, 30 is full (the paper's text has a scale of 10; ``of=10`` sets it), a sign
    is drawn where there is one.

    Args:
        n: how many operations.
        m: the strength.
        of: the full strength.
        method: of turning and shearing, ``nearest`` or ``bilinear``.
        fill: the value of what comes from outside.
    """

    name: ClassVar[str] = "randaugment"
    random: ClassVar[bool] = True

    n: int = 2
    m: float = 9.0
    of: float = 30.0
    method: str = "nearest"
    fill: int = 0

    def __post_init__(self) -> None:
        _checked(self.method, self.fill, self.name)
        if self.n < 1 or not 0 <= self.m <= self.of or self.of == 0:
            raise UsageError(
                f"randaugment with n={self.n}, m={self.m:g} of {self.of:g}",
                expected="n of 1 or more, m from 0 to its full strength",
                hint="randaugment:n=2,m=9",
            )

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Two numbers each for every operation: which, and its sign."""
        numbers = draws.uniform(2 * self.n)
        level = np.full(len(images), self.m / self.of)
        for which, sign in zip(numbers[::2], numbers[1::2], strict=True):
            images = _augmented(
                images, which, level, _signs(sign), _RAND, self.method, self.fill
            )  # fmt: skip
        return images

    def in_words(self) -> str:
        """In words."""
        return (
            f"{self.n} of 14 operations at {self.m:g}/{self.of:g} of full strength "
            f"({self.method}, outside {self.fill})"
        )


@dataclass(frozen=True, slots=True)
class TrivialAugment(Transform):
    """One of the 14 operations, of a strength drawn from 31 steps (Müller and Hutter, ICCV 2021).

    Args:
        method: of turning and shearing, ``nearest`` or ``bilinear``.
        fill: the value of what comes from outside.
    """

    name: ClassVar[str] = "trivial_augment"
    random: ClassVar[bool] = True

    method: str = "nearest"
    fill: int = 0

    def __post_init__(self) -> None:
        _checked(self.method, self.fill, self.name)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Three numbers each: which operation, its sign, its strength."""
        which, sign, strength = draws.uniform(3)
        level = np.floor(strength * 31) / 30
        return _augmented(
            images, which, level, _signs(sign), _TRIVIAL, self.method, self.fill
        )  # fmt: skip

    def in_words(self) -> str:
        """In words."""
        return (
            f"one of 14 operations, of a random strength in wide ranges "
            f"({self.method}, outside {self.fill})"
        )
