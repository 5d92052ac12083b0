"""`Reinforce`: neural architecture search as it began: a controller writes networks and is rewarded for good ones.

Zoph and Le 2016 (arXiv:1611.01578). The paper trained 12,800 networks and moved the controller by Adam with a rate of
0.0006; a search of some hundred needs a larger one.
"""

from __future__ import annotations

from random import Random

import torch

from steelyard.design.search.controller import Baseline, Controller, ControllerShape
from steelyard.design.search.strategies import Proposal, Strategy, Values
from steelyard.design.spaces.base import Point, SearchSpace
from steelyard.errors import UsageError


class Reinforce(Strategy):
    """Draws points from a controller, which then learns from what became of them.

    The reward is minus the objective; of several, the sum of their advantages, each in standard deviations. Points that
    break a constraint, failed, or were there before teach nothing.

    Args:
        space: to be searched.
        seed: of the controller's weights and of all draws.
        batch: networks from step to step of the controller; the paper has 8.
        rate: of Adam.
        decay: of the baseline.
        entropy: weight of the controller's entropy; the paper has none.
        shape: of the controller.

    Raises:
        UsageError: a batch below 1 or a rate that is not above 0.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        batch: int = 8,
        rate: float = 0.02,
        decay: float = 0.9,
        entropy: float = 0.0,
        shape: ControllerShape | None = None,
    ) -> None:
        if batch < 1 or not rate > 0:
            raise UsageError(
                f"a batch of {batch}, a rate of {rate}", expected="at least 1, and above 0"
            )
        self.space, self.seed, self.batch, self.entropy = space, seed, batch, entropy
        self.decay = decay
        self.controller = Controller(space, shape, seed=seed)
        self._optimizer = torch.optim.Adam(self.controller.parameters(), rate)
        self._baselines: list[Baseline] = []
        self._points: list[Point] = []
        self._advantages: list[float] = []

    def propose(self, number: int, attempt: int) -> Proposal:
        """What the controller writes."""
        random = Random(f"{self.seed}/{number}/{attempt}")  # noqa: S311
        return Proposal(self.controller.sample(random))

    def tell(self, proposal: Proposal, values: Values | None) -> None:
        """The controller learns when a batch is full."""
        if values is None or not self.controller.open:
            return
        if not self._baselines:
            self._baselines = [Baseline(self.decay) for _ in values]
        pairs = zip(self._baselines, values, strict=True)
        self._points.append(proposal.point)
        self._advantages.append(sum(one.advantage(-value) for one, value in pairs))
        if len(self._points) == self.batch:
            self._learn()

    def _learn(self) -> None:
        self._optimizer.zero_grad()
        loss = self.controller.loss(self._points, self._advantages, entropy=self.entropy)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._points, self._advantages = [], []
