"""`exit_times`: measured seconds from the images to each exit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.dynamic.engine import Stages
from steelyard.dynamic.exit_outputs import Floats
from steelyard.dynamic.policies import Confidence, Policy
from steelyard.dynamic.thresholds import Thresholds
from steelyard.errors import UsageError
from steelyard.measure.timing import Timing, warm_up

__all__ = ["exit_times"]

_LEAST, _MOST = 10, 500


def exit_times(
    stages: Stages,
    images: Any,
    *,
    policy: Policy | None = None,
    budget_s: float = 2.0,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Timing, ...]:
    """Runs all stages again and again, and notes when each exit has decided; so later exits always take longer.

    Args:
        stages: the network, by whatever computes it.
        images: a batch, (N, C, H, W); of one image for the time that it takes alone.
        policy: whose deciding is part of the time; confidence if not given.
        budget_s: seconds of samples; as many again of warm-up at most. 10 to 500 runs.
        clock: seconds, monotonic.

    Returns:
        A timing for each exit, of the whole batch.

    Raises:
        UsageError: no budget.
    """
    if not budget_s > 0:
        raise UsageError(f"budget_s={budget_s}", expected="above 0")
    never = Thresholds(policy or Confidence(), (math.inf,) * (stages.exits - 1))

    def through() -> list[float]:
        begun, marks = clock(), []
        said: list[NDArray[np.float32]] = []
        history: list[Floats] = []
        state = stages.begin(images)
        for stage in range(stages.exits):
            logits, state = stages.advance(stage, state)
            if len(logits) == 1:  # as an engine decides on one image
                said.append(logits)
                never.stops(said)
            else:
                history.append(never.probabilities(stage, logits))
                never.leaves(history)
            marks.append(clock() - begun)
        return marks

    warm_up(through, limit_s=budget_s, clock=clock)
    begun, rows = clock(), [through()]
    while len(rows) < _LEAST or (clock() - begun < budget_s and len(rows) < _MOST):
        rows.append(through())
    return tuple(Timing(samples) for samples in zip(*rows, strict=True))
