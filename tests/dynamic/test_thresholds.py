"""Thresholds: at the bounds, infinite ones, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.policies import Confidence
from steelyard.dynamic.thresholds import Thresholds
from steelyard.errors import InputError, UsageError

Made = Callable[..., ExitOutputs]


def test_a_score_equal_to_the_threshold_leaves(made: Made) -> None:
    outputs = made(exits=2)
    first = Thresholds(Confidence(), (np.inf,)).scores(outputs)[0]
    value = float(np.sort(first)[200])
    ends = Thresholds(Confidence(), (value,)).decide(outputs)
    assert (ends == 0).sum() == 200


@pytest.mark.parametrize(("value", "end"), [(np.inf, 3), (-np.inf, 0)])
def test_all_leave_at_once_and_never(value: float, end: int, made: Made) -> None:
    thresholds = Thresholds(Confidence(), (value,) * 3)
    assert (thresholds.decide(made()) == end).all()
    history = [thresholds.probabilities(0, np.array([[80.0, -80.0]]))]
    assert thresholds.leaves(history).tolist() == [end == 0]


def test_logits_that_are_not_finite_are_said_with_their_exit() -> None:
    thresholds = Thresholds(Confidence(), (0.5,))
    with pytest.raises(InputError, match="logits of exit 2 are not finite"):
        thresholds.probabilities(1, np.array([[0.0, np.nan]]))


def test_logits_whose_squares_are_too_large_are_finite() -> None:
    logits = np.array([[3e38, -3e38, 0.0]], dtype=np.float32)
    thresholds = Thresholds(Confidence(), (0.5,))
    assert thresholds.probabilities(0, logits).tolist() == [[1.0, 0.0, 0.0]]
    assert thresholds.stops([logits])
    assert thresholds.stops([-logits, logits])


def test_thresholds_and_temperatures_that_are_none() -> None:
    with pytest.raises(InputError, match="a threshold is NaN"):
        Thresholds(Confidence(), (np.nan,))
    for heat in ((1.0,), (1.0, 0.0), (1.0, np.inf)):
        with pytest.raises(InputError, match="temperatures"):
            Thresholds(Confidence(), (0.5,), heat)


def test_outputs_of_another_number_of_exits(made: Made) -> None:
    thresholds = Thresholds(Confidence(), (0.5,))
    with pytest.raises(UsageError, match="outputs of 4 exits"):
        thresholds.decide(made())
    with pytest.raises(UsageError, match="exit 3 of 2"):
        thresholds.probabilities(2, np.zeros((1, 5)))
    with pytest.raises(UsageError, match="0 exits"):
        thresholds.leaves([])
