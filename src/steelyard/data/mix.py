"""Images mixed with others of their batch, and their labels with them: mixup and CutMix."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.data.draws import Draws
from steelyard.data.transform import Step, probability
from steelyard.errors import UsageError

__all__ = ["CutMix", "Mixing", "Mixup", "beta", "targets"]

Floats = NDArray[np.float64]


class Mixing(Step):
    """A step from a batch and a partner for each of its images to mixed images."""

    __slots__ = ()

    random = True

    @abstractmethod
    def __call__(self, images: Tensor, partners: Tensor, draws: Draws) -> tuple[Tensor, Floats]:
        """The mixed images, and the part of each that is its own, (N,).

        Args:
            images: float32, ``(N, C, H, W)``.
            partners: of the same shape: what each is mixed with.
            draws: the random numbers of the N samples.
        """


@dataclass(frozen=True, slots=True)
class Mixup(Mixing):
    """Two images added, in parts drawn from Beta(alpha, alpha) (Zhang et al., "mixup", ICLR 2018).

    Args:
        alpha: above 0, up to 100: the larger, the more equal the parts.
        p: probability.
    """

    name: ClassVar[str] = "mixup"

    alpha: float = 0.2
    p: float = 1.0

    def __post_init__(self) -> None:
        _checked(self.alpha, self.p, self.name)

    def __call__(self, images: Tensor, partners: Tensor, draws: Draws) -> tuple[Tensor, Floats]:
        """One number each for whether, then as many as the Beta distribution needs."""
        own = np.where(draws.uniform(1)[0] < self.p, beta(self.alpha, draws, skip=4), 1.0)
        part = torch.from_numpy(own).to(images.device, torch.float32)[:, None, None, None]
        return images * part + partners * (1 - part), own

    def in_words(self) -> str:
        """In words."""
        return f"added to another image, in parts of Beta({self.alpha:g}, {self.alpha:g})" + _often(
            self.p
        )


@dataclass(frozen=True, slots=True)
class CutMix(Mixing):
    """A box of another image pasted in (Yun et al., "CutMix", ICCV 2019).

    Its area is drawn from Beta(alpha, alpha), its middle is anywhere; what hangs over is cut off, and
    the labels count the pixels that remain.

    Args:
        alpha: above 0, up to 100.
        p: probability.
    """

    name: ClassVar[str] = "cutmix"

    alpha: float = 1.0
    p: float = 1.0

    def __post_init__(self) -> None:
        _checked(self.alpha, self.p, self.name)

    def __call__(self, images: Tensor, partners: Tensor, draws: Draws) -> tuple[Tensor, Floats]:
        """Three numbers each for whether and where, then as many as the Beta distribution needs."""
        height, width = images.shape[2:]
        whether, *middles = draws.uniform(3)
        cut = np.where(whether < self.p, np.sqrt(1 - beta(self.alpha, draws, skip=4)), 0.0)
        masks, lengths = [], []
        for side, middle in zip((height, width), middles, strict=True):
            half = np.trunc(cut * side) // 2
            centre = np.floor(middle * side)
            low, high = np.maximum(centre - half, 0), np.minimum(centre + half, side)
            pixels = np.arange(side)[None]
            masks.append((pixels >= low[:, None]) & (pixels < high[:, None]))
            lengths.append(high - low)
        box = torch.from_numpy(masks[0][:, None, :, None] & masks[1][:, None, None, :])
        mixed = torch.where(box.to(images.device), partners, images)
        return mixed, 1 - lengths[0] * lengths[1] / (height * width)

    def in_words(self) -> str:
        """In words."""
        return (
            f"a box of another image, of an area of Beta({self.alpha:g}, {self.alpha:g})"
            + _often(self.p)
        )


def _often(p: float) -> str:
    return "" if p == 1 else f", with probability {p:g}"


def _checked(alpha: float, p: float, what: str) -> None:
    probability(p, what)
    if not 0 < alpha <= 100:
        raise UsageError(f"{what} with alpha={alpha:g}", expected="above 0, up to 100")


def beta(alpha: float, draws: Draws, *, skip: int) -> Floats:
    """A number of Beta(alpha, alpha) for every sample.

    From 1 on of uniform u, v: 1/2 + sqrt(1 - u^(2 / (2 alpha - 1))) cos(2 pi v) / 2 (Ulrich 1984).
    Below, by Jöhnk (1964): x = u^(1/alpha), y = v^(1/alpha); x / (x + y) if x + y <= 1, otherwise again.
    """
    if alpha >= 1:
        u, v = draws.uniform(2, skip=skip)
        radius: Floats = np.sqrt(1 - u ** (2 / (2 * alpha - 1)))
        symmetric: Floats = 0.5 + 0.5 * radius * np.cos(2 * np.pi * v)
        return symmetric
    out = np.empty(len(draws.indices))
    left = np.arange(len(out))
    while len(left):
        # away from 0, whose logarithm there is not
        x, y = np.log(draws.of(left).uniform(2, skip=skip) + 2.0**-33) / alpha
        both = np.logaddexp(x, y)
        out[left] = np.exp(x - both)
        left, skip = left[both > 0], skip + 4
    return out


def targets(labels: Tensor, partners: Tensor, own: Floats, classes: int) -> Tensor:
    """The mixed labels: float32, (N, classes); each row sums to 1.

    Args:
        labels: int64, (N,).
        partners: int64, (N,): the labels that each is mixed with.
        own: (N,): the part of the own label.
        classes: how many labels there are.
    """
    part = torch.from_numpy(own).to(labels.device, torch.float32)[:, None]
    out = torch.zeros(len(labels), classes, device=labels.device)
    out.scatter_add_(1, labels[:, None], part)
    return out.scatter_add_(1, partners[:, None], 1 - part)
