"""The time to each exit, with stages that turn a clock of their own."""

from __future__ import annotations

import numpy as np
import pytest

from steelyard.errors import UsageError
from steelyard.measure.stages.exit_times import exit_times


class Turning:
    """Three stages that take 1, 2 and 4 seconds of a clock that nothing else turns."""

    exits, fingerprint = 3, ""

    def __init__(self) -> None:
        self.now = 0.0
        self.runs = 0

    def begin(self, images):
        self.runs += 1
        return images

    def advance(self, stage, state):
        self.now += 2.0**stage
        return np.zeros((len(state), 2), dtype=np.float32), state

    def keep(self, state, rows):
        return state[rows]


def test_later_exits_take_the_stages_before_as_well() -> None:
    stages = Turning()
    found = exit_times(stages, np.zeros((1, 3)), budget_s=50, clock=lambda: stages.now)
    assert [one.median_s for one in found] == [1.0, 3.0, 7.0]
    assert len({len(one.samples_s) for one in found}) == 1


def test_ten_runs_however_long_they_take() -> None:
    stages = Turning()
    found = exit_times(stages, np.zeros((1, 3)), budget_s=1e-9, clock=lambda: stages.now)
    assert len(found[0].samples_s) == 10
    with pytest.raises(UsageError, match="budget_s=0"):
        exit_times(stages, np.zeros((1, 3)), budget_s=0)
