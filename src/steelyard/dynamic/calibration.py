"""`fit_temperatures`: a number for each exit that divides its logits, so that confidence says how often it is right.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017 (arXiv:1706.04599), section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard._display import Printable
from steelyard.dynamic.exit_outputs import ExitOutputs, Floats, Ints, softmax
from steelyard.errors import UsageError

__all__ = ["ExitCalibration", "calibrate_exits", "expected_error", "fit_temperatures", "mean_loss"]

_COLDEST, _HOTTEST = 1e-2, 1e2
_STEPS = 60
_BINS = 15


@dataclass(frozen=True, slots=True)
class ExitCalibration(Printable):
    """Temperatures, and what they do to images that they were not fitted on.

    Attributes:
        temperatures: of each exit; above 1: it was too sure.
        error_before, error_after: expected calibration error of each exit, fractions of 1, in 15 bins.
        loss_before, loss_after: negative log-likelihood of each exit, mean in nats.
    """

    temperatures: tuple[float, ...]
    error_before: tuple[float, ...]
    error_after: tuple[float, ...]
    loss_before: tuple[float, ...]
    loss_after: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.exit-calibration/1``."""
        return {
            "schema": "steelyard.exit-calibration/1",
            "temperatures": list(self.temperatures),
            "error_before": list(self.error_before),
            "error_after": list(self.error_after),
            "loss_before": list(self.loss_before),
            "loss_after": list(self.loss_after),
        }


def fit_temperatures(validation: ExitOutputs) -> tuple[float, ...]:
    """The temperature of each exit with the least loss on the images; 0.01 to 100 (an exit that is never wrong has none)."""
    return tuple(_fit(logits, validation.labels) for logits in validation.logits)


def calibrate_exits(validation: ExitOutputs, held_out: ExitOutputs) -> ExitCalibration:
    """Fits on the validation images and looks at the others.

    Raises:
        UsageError: another number of exits.
    """
    if validation.exits != held_out.exits:
        raise UsageError(
            f"{held_out.exits} exits of the held-out images, {validation.exits} of the others",
            expected="outputs of one network",
        )
    found = fit_temperatures(validation)
    pairs = list(zip(held_out.logits, held_out.correct, found, strict=True))
    labels = held_out.labels
    return ExitCalibration(
        found,
        tuple(expected_error(softmax(one).max(-1), right) for one, right, _ in pairs),
        tuple(expected_error(softmax(one, heat).max(-1), right) for one, right, heat in pairs),
        tuple(mean_loss(one, labels) for one, _, _ in pairs),
        tuple(mean_loss(one / heat, labels) for one, _, heat in pairs),
    )


def expected_error(confidences: Floats, right: NDArray[np.bool_], *, bins: int = _BINS) -> float:
    """Mean distance of accuracy and confidence over bins of equal width (equation 3): (N,), (N,)."""
    places = np.clip(np.ceil(confidences * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(places, weights=right - confidences, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidences))


def mean_loss(logits: Floats, labels: Ints) -> float:
    """Negative log-likelihood in nats: (N, classes), (N,)."""
    top = logits.max(-1)
    own = logits[np.arange(len(labels)), labels]
    return float((top + np.log(np.exp(logits - top[:, None]).sum(-1)) - own).mean())


def _fit(logits: Floats, labels: Ints) -> float:
    """The loss is convex in 1 / temperature; its slope there is the mean expected logit less the mean own one."""
    own = float(logits[np.arange(len(labels)), labels].mean())
    low, high = np.log(_COLDEST), np.log(_HOTTEST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        expected = (softmax(logits, float(np.exp(middle))) * logits).sum(-1).mean()
        if expected > own:
            low = middle  # too sure: hotter
        else:
            high = middle
    return float(np.exp((low + high) / 2))
