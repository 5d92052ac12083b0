"""`calibration`: how far a classifier's confidence is from its accuracy, in bins of equal width and of equal size.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017 (arXiv:1706.04599), equations 2 to 5.
All figures are fractions of 1, sums are exactly rounded: the order of the samples changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum

import torch
from torch import Tensor

from steelyard.errors import InputError, ShapeError, UsageError

__all__ = ["BINS", "Bin", "Calibration", "calibration"]

BINS = 15
"""As in the paper's tables."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Samples whose confidence is near.

    Attributes:
        low, high: bounds of the confidence; those of bins of equal size are the confidences that are in it.
        samples: how many; a bin may be empty.
        accuracy: share of them that are right, 0 where empty.
        confidence: their mean confidence, 0 where empty.
    """

    low: float
    high: float
    samples: int
    accuracy: float
    confidence: float

    @property
    def gap(self) -> float:
        """Accuracy less confidence: below 0 where the network is too sure of itself."""
        return self.accuracy - self.confidence


@dataclass(frozen=True, slots=True)
class Calibration:
    """Confidence against accuracy; fractions of 1.

    Attributes:
        bins: of equal width, (low, high] each; the reliability diagram.
        adaptive_bins: of equal size, to within one sample.
    """

    bins: tuple[Bin, ...]
    adaptive_bins: tuple[Bin, ...]

    @property
    def expected_error(self) -> float:
        """Mean distance of accuracy and confidence over the samples (equation 3)."""
        return _expected(self.bins)

    @property
    def maximum_error(self) -> float:
        """The largest distance in a bin that holds samples (equation 5)."""
        return max((abs(one.gap) for one in self.bins if one.samples), default=0.0)

    @property
    def adaptive_error(self) -> float:
        """As `expected_error`, in bins of equal size (Nguyen, O'Connor, 2015, arXiv:1508.05154)."""
        return _expected(self.adaptive_bins)

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "expected_error": self.expected_error,
            "maximum_error": self.maximum_error,
            "adaptive_error": self.adaptive_error,
            "bins": [_plain(one) for one in self.bins],
            "adaptive_bins": [_plain(one) for one in self.adaptive_bins],
        }


def calibration(confidences: Tensor, correct: Tensor, *, bins: int = BINS) -> Calibration:
    """Sorts samples into bins by confidence and compares it with accuracy in each.

    Args:
        confidences: probability of the class that the network chose, 0 to 1, (N,).
        correct: whether it was right, (N,); equal confidences go to bins of equal size in this order.
        bins: of each kind.

    Raises:
        ShapeError: the two are not (N,) with the same N.
        InputError: a confidence outside of 0 to 1, or no sample.
        UsageError: less than one bin.
    """
    if bins < 1:
        raise UsageError(f"bins={bins}", expected="1 or more")
    if confidences.dim() != 1 or confidences.shape != correct.shape:
        raise ShapeError(
            f"confidences of shape {tuple(confidences.shape)} and correct of shape {tuple(correct.shape)}",
            expected="(N,) both",
        )
    values = confidences.detach().to("cpu", torch.float64)
    right = correct.detach().to("cpu", torch.bool)
    if not len(values) or not bool(((values >= 0) & (values <= 1)).all()):
        what = "no sample" if not len(values) else "a confidence that is no probability"
        raise InputError(what, expected="samples with confidences from 0 to 1")
    edges = [i / bins for i in range(bins + 1)]
    inner = torch.tensor(edges[1:-1], dtype=torch.float64)
    place = torch.searchsorted(inner, values)
    even = tuple(
        _bin(values[place == i], right[place == i], edges[i], edges[i + 1]) for i in range(bins)
    )
    return Calibration(even, _of_equal_size(values, right, bins))


def _of_equal_size(values: Tensor, right: Tensor, bins: int) -> tuple[Bin, ...]:
    order = torch.argsort(values, stable=True)
    values, right = values[order], right[order]
    number = len(values)
    ends = [number * i // bins for i in range(bins + 1)]
    return tuple(
        _bin(values[a:b], right[a:b], float(values[a]), float(values[b - 1]))
        for a, b in pairwise(ends)
        if a < b
    )


def _bin(values: Tensor, right: Tensor, low: float, high: float) -> Bin:
    number = len(values)
    if not number:
        return Bin(low, high, 0, 0.0, 0.0)
    return Bin(low, high, number, int(right.sum()) / number, fsum(values.tolist()) / number)


def _expected(bins: Sequence[Bin]) -> float:
    return fsum(one.samples * abs(one.gap) for one in bins) / sum(one.samples for one in bins)


def _plain(one: Bin) -> dict[str, object]:
    return {
        "low": one.low,
        "high": one.high,
        "samples": one.samples,
        "accuracy": one.accuracy,
        "confidence": one.confidence,
    }
