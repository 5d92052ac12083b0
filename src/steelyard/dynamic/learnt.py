"""`Learnt`: a policy that is fitted: a small logistic model of whether going on would help, from the exits so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from steelyard.dynamic.exit_outputs import ExitOutputs, Floats, softmax
from steelyard.dynamic.policies import certainty, margin
from steelyard.errors import FileFormatError, InputError, UsageError

__all__ = ["Learnt", "fit_learnt", "logistic"]

_EACH = 3
"""Features of an exit: confidence, margin, certainty."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """The probability that the last exit would not do better than this one; made by `fit_learnt`.

    Attributes:
        weights: of each exit but the last: of the features of all exits so far (confidence, margin, 1 - entropy share),
            of whether this exit agrees with the one before (not of the first exit), and a constant.
    """

    weights: tuple[tuple[float, ...], ...]
    name: ClassVar[str] = "learnt"

    def score(self, history: Sequence[Floats]) -> Floats:
        """See `steelyard.dynamic.policies.Policy.score`; the last exit scores 1.

        Raises:
            UsageError: more exits than the policy was fitted on.
        """
        stage = len(history) - 1
        if stage == len(self.weights):
            return np.ones(len(history[-1]))
        if stage > len(self.weights):
            raise UsageError(
                f"exit {stage + 1} of a policy that was fitted on {len(self.weights) + 1}",
                expected="the network that it was fitted on",
            )
        weights = np.asarray(self.weights[stage])
        # not a matrix product: its rounding depends on the number of rows
        activations: Floats = (_features(history) * weights).sum(-1)
        return _sigmoid(activations)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "weights": [list(row) for row in self.weights]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Learnt:
        """The policy whose `to_dict` this is.

        Raises:
            FileFormatError: weights that do not fit together.
        """
        try:
            rows = tuple(tuple(float(value) for value in row) for row in data["weights"])
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                "the weights of a learnt policy are missing or no numbers"
            ) from error
        fits = all(len(row) == _width(stage) for stage, row in enumerate(rows))
        if not fits or not all(np.isfinite(value) for row in rows for value in row):
            raise FileFormatError(
                "the weights of a learnt policy do not fit its exits",
                expected=", ".join(str(_width(stage)) for stage in range(len(rows)))
                + " finite numbers",
            )
        return cls(rows)


def fit_learnt(
    validation: ExitOutputs,
    *,
    temperatures: Sequence[float] = (),
    penalty: float = 1.0,
) -> Learnt:
    """Fits a logistic model for each exit but the last.

    What it learns: whether the image gains nothing from going on: this exit is right, or the last one wrong.

    Args:
        validation: images that neither the network was trained on nor the result is judged by.
        temperatures: of each exit, where the policy is to be used with them.
        penalty: of the squares of the weights (of features scaled to unit variance), but the constant.

    Raises:
        UsageError: fewer than two exits, or a penalty that is not above 0.
    """
    if validation.exits < 2 or not penalty > 0:
        raise UsageError(
            f"{validation.exits} exits, penalty={penalty}", expected="2 or more, above 0"
        )
    heat = tuple(temperatures) or (1.0,) * validation.exits
    history = [softmax(one, t) for one, t in zip(validation.logits, heat, strict=True)]
    right = validation.correct
    rows = []
    for stage in range(validation.exits - 1):
        content = right[stage] | ~right[-1]
        rows.append(tuple(logistic(_features(history[: stage + 1]), content, penalty).tolist()))
    return Learnt(tuple(rows))


def logistic(features: Floats, outcome: NDArray[np.bool_], penalty: float) -> Floats:
    """Weights of a penalised logistic regression, by Newton's method; the last feature is the constant 1.

    Minimises the sum of the losses in nats + penalty / 2 * the squares of the weights of scaled features, the
    constant's left out. Features that do not vary get the weight 0.

    Args:
        features: (n, width).
        outcome: (n,).
        penalty: above 0.

    Raises:
        InputError: no rows, or features that are not finite.
    """
    if not len(features) or not np.isfinite(features).all():
        raise InputError("no finite features to fit", expected="one row or more of finite numbers")
    mean, spread = features.mean(0), features.std(0)
    mean[-1], spread[-1] = 0.0, 1.0
    flat = spread < 1e-12
    scaled = (features - mean) / np.where(flat, np.inf, spread)
    ridge = np.full(features.shape[1], penalty)
    ridge[-1] = 1e-9  # where all outcomes are alike, the constant is to stay finite
    weights = np.zeros(features.shape[1])
    loss = _loss(weights, scaled, outcome, ridge)
    for _ in range(100):
        chance = _sigmoid(scaled @ weights)
        slope = scaled.T @ (chance - outcome) + ridge * weights
        bend = (scaled * (chance * (1 - chance))[:, None]).T @ scaled + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        size, lower = 1.0, _loss(weights - step, scaled, outcome, ridge)
        while lower > loss and size > 1e-6:
            size /= 2
            lower = _loss(weights - size * step, scaled, outcome, ridge)
        if not lower < loss:
            break
        weights, loss = weights - size * step, lower
    weights = np.where(flat, 0.0, weights / np.where(flat, 1.0, spread))
    weights[-1] -= float((weights * mean).sum())
    return weights


def _loss(weights: Floats, features: Floats, outcome: NDArray[np.bool_], ridge: Floats) -> float:
    activations = features @ weights
    losses = np.logaddexp(0.0, activations) - outcome * activations
    return float(losses.sum() + (ridge * weights**2).sum() / 2)


def _sigmoid(activations: Floats) -> Floats:
    small = np.exp(-np.abs(activations))
    chance: Floats = np.where(activations >= 0, 1.0, small) / (1 + small)
    return chance


def _features(history: Sequence[Floats]) -> Floats:
    """(n, width) of the exits so far, the constant last."""
    features = np.ones((len(history[-1]), _width(len(history) - 1)))
    for at, one in enumerate(history):
        features[:, _EACH * at] = one.max(-1)
        features[:, _EACH * at + 1] = margin(one)
        features[:, _EACH * at + 2] = certainty(one)
    if len(history) > 1:
        features[:, -2] = history[-1].argmax(-1) == history[-2].argmax(-1)
    return features


def _width(stage: int) -> int:
    return _EACH * (stage + 1) + (2 if stage else 1)
