"""`fit_combination`: each exit's logits joined with those of the exits before it, by weights that are fitted.

What earlier exits said is known when a later one speaks, and their errors differ; a weighted sum of their logits is a
weighted geometric mean of their probabilities (Wołczyk et al. 2021, "Zero Time Waste", arXiv:2106.05409, section 3.2).
The diagonal alone is temperature calibration, so a combination is calibrated as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steelyard.dynamic.calibration import mean_loss
from steelyard.dynamic.exit_outputs import ExitOutputs, Floats, Ints, softmax
from steelyard.errors import UsageError

__all__ = ["Combination", "combine", "fit_combination", "joined"]

Combination = tuple[tuple[float, ...], ...]
"""Weights of the exits up to each one: one of the first, two of the second and so on."""

_PENALTY = 1e-6
_MOST_STEPS = 100


def fit_combination(validation: ExitOutputs) -> Combination:
    """The weights with the least negative log-likelihood of each exit.

    Args:
        validation: images that the network was not trained on.
    """
    logits, labels = validation.logits, validation.labels
    return tuple(
        tuple(_fit(logits[: stage + 1], labels).tolist()) for stage in range(validation.exits)
    )


def combine(outputs: ExitOutputs, weights: Combination) -> ExitOutputs:
    """The outputs with combined logits.

    Raises:
        UsageError: weights of another number of exits.
    """
    check_combination(weights, outputs.exits)
    said = [np.tensordot(np.asarray(row), outputs.logits[: len(row)], axes=1) for row in weights]
    return ExitOutputs.of(said, outputs.labels)


def joined(weights: Sequence[Any], logits: Sequence[Any]) -> Any:
    """The logits of an exit, weighed with those of the exits before it; of arrays to the bit as of tensors.

    Args:
        weights: of these exits, or more: numbers, or arrays of one.
        logits: (n, classes) of each, float32, all tensors or all arrays.
    """
    said = logits[0] * weights[0]
    for at in range(1, len(logits)):
        said = said + logits[at] * weights[at]
    return said


def check_combination(weights: Sequence[Sequence[float]], exits: int) -> None:
    """That there is one weight for the first exit, two for the second and so on.

    Raises:
        UsageError: other numbers.
    """
    sizes = [len(row) for row in weights]
    if sizes != list(range(1, exits + 1)):
        raise UsageError(
            f"weights of {sizes} exits for a network of {exits}",
            expected=f"{list(range(1, exits + 1))}",
        )


def _fit(logits: Floats, labels: Ints) -> Floats:
    """Newton's method; the loss is convex in the weights: (exits, N, classes), (N,) -> (exits,)."""
    numbers = np.arange(len(labels))
    own = logits[:, numbers, labels].mean(1)
    weights = np.full(len(logits), 1 / len(logits))

    def loss(at: Floats) -> float:
        return mean_loss(np.tensordot(at, logits, axes=1), labels) + _PENALTY / 2 * float(at @ at)

    lowest = loss(weights)
    for _ in range(_MOST_STEPS):
        shares = softmax(np.tensordot(weights, logits, axes=1))
        expected = np.einsum("nc,enc->en", shares, logits)
        slope = expected.mean(1) - own + _PENALTY * weights
        around = logits - expected[..., None]
        bend = np.einsum("nc,enc,fnc->ef", shares, around, around) / len(labels)
        step = np.linalg.solve(bend + _PENALTY * np.eye(len(logits)), slope)
        size, found = 1.0, loss(weights - step)
        while not found < lowest and size > 1e-6:
            size /= 2
            found = loss(weights - size * step)
        if not found < lowest - 1e-15:
            break
        weights, lowest = weights - size * step, found
    return weights
