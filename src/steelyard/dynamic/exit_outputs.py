"""`ExitOutputs`: the logits of all exits on labelled images, checked; softmax and costs as the policies want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.errors import InputError, ShapeError

__all__ = ["ExitOutputs", "Floats", "Ints", "checked_costs", "softmax"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ExitOutputs:
    """What every exit says of every image, and what the images are; made by `of`.

    Attributes:
        logits: (exits, N, classes).
        labels: (N,), 0 to classes - 1.
    """

    logits: Floats
    labels: Ints

    @classmethod
    def of(
        cls, logits: Sequence[ArrayLike] | NDArray[np.floating], labels: ArrayLike
    ) -> ExitOutputs:
        """Checks and joins.

        Args:
            logits: (N, classes) of each exit, earliest first; or one array (exits, N, classes).
            labels: (N,).

        Raises:
            ShapeError: exits that disagree in images or classes, or other shapes.
            InputError: no exit, no image, logits that are not finite, or a label that is no class.
        """
        several = [np.asarray(one, dtype=np.float64) for one in logits]
        if not several:
            raise InputError("no exits", expected="logits of one exit or more")
        shapes = [one.shape for one in several]
        if any(len(shape) != 2 or shape != shapes[0] for shape in shapes):
            odd = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), 0)
            raise ShapeError(
                f"exit {odd + 1} has logits of shape {shapes[odd]}, exit 1 of {shapes[0]}",
                expected="(images, classes), the same of every exit",
            )
        whole = np.ascontiguousarray(np.stack(several))
        kinds = np.asarray(labels)
        if kinds.shape != (whole.shape[1],):
            raise ShapeError(
                f"{whole.shape[1]} images and labels of shape {kinds.shape}",
                expected="one label for each image",
            )
        _check(whole, kinds)
        return cls(whole, kinds.astype(np.int64))

    @property
    def exits(self) -> int:
        """How many."""
        return int(self.logits.shape[0])

    @property
    def samples(self) -> int:
        """How many images."""
        return int(self.logits.shape[1])

    @property
    def classes(self) -> int:
        """How many classes."""
        return int(self.logits.shape[2])

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the class with the largest logit is the image's own (the first of equals): (exits, N)."""
        right: NDArray[np.bool_] = self.logits.argmax(-1) == self.labels
        return right

    def rows(self, index: NDArray[np.int64] | slice) -> ExitOutputs:
        """Some of the images."""
        return ExitOutputs(np.ascontiguousarray(self.logits[:, index]), self.labels[index])


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """Probabilities over the last axis, in float64; a row's are the same whatever rows are beside it.

    Args:
        logits: (..., classes).
        temperature: logits are divided by it.
    """
    # reductions by their own names, in place, nothing divided by 1: of a single row calls are most of the time
    shares: Floats = np.array(logits, dtype=np.float64, order="C")
    if temperature != 1.0:
        shares /= temperature
    shares -= np.maximum.reduce(shares, axis=-1, keepdims=True)
    np.exp(shares, out=shares)
    shares /= np.add.reduce(shares, axis=-1, keepdims=True)
    return shares


def checked_costs(costs: ArrayLike, exits: int) -> Floats:
    """The cost of leaving at each exit, as an array.

    Args:
        costs: cumulative, in any unit: MACs, seconds, joules.
        exits: how many there are.

    Raises:
        ShapeError: not one for each exit.
        InputError: costs that are not finite, not above 0 or not growing.
    """
    values = np.asarray(costs, dtype=np.float64)
    if values.shape != (exits,):
        raise ShapeError(
            f"{exits} exits and costs of shape {values.shape}", expected="one cost for each exit"
        )
    if not np.isfinite(values).all() or values[0] <= 0 or (np.diff(values) <= 0).any():
        raise InputError(
            "costs " + ", ".join(f"{value:g}" for value in values),
            expected="finite numbers above 0, each larger than the one before",
        )
    return values


def _check(logits: Floats, labels: NDArray[Any]) -> None:
    exits, samples, classes = logits.shape
    if not samples or not classes:
        raise InputError(
            f"{samples} images of {classes} classes", expected="one image or more, with a label"
        )
    bad = np.argwhere(~np.isfinite(logits).all(-1))
    if len(bad):
        at, sample = bad[0]
        found = "NaN" if np.isnan(logits[at, sample]).any() else "infinite"
        raise InputError(
            f"the logits of image {sample} at exit {at + 1} of {exits} are {found}",
            expected="finite numbers",
            hint="weights that did not diverge",
        )
    if labels.dtype.kind not in "iu":
        raise InputError(f"labels of type {labels.dtype}", expected="whole numbers")
    odd = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(odd):
        raise InputError(
            f"image {odd[0]} has the label {labels[odd[0]]}, the exits have {classes} classes",
            expected=f"labels from 0 to {classes - 1}",
        )
