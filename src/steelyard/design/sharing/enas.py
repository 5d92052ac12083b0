"""`Enas`: shared weights and a controller that learn in turns.

Pham et al. 2018 (arXiv:1802.03268), sec. 2.2: an epoch of steps in which the weights of a network that the controller
writes learn (eq. 1 with M = 1), then steps in which the controller learns by REINFORCE from the accuracy of networks on
a batch of held-out images. Figures of the controller are those of sec. 3.2: LSTM of 100 units, weights within 0.1,
temperature 5 and tanh constant 2.5, entropy by 0.0001, Adam; the rate of 0.0035, the 30 steps of 10 networks and the
baseline's 0.99 are those of the authors' code (melodyguan/enas scripts/cifar10_micro_search.sh).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from random import Random
from typing import Any

import torch
import torch.nn.functional as F

from steelyard.data.loader import Batch
from steelyard.design.search.controller import Baseline, Controller, ControllerShape
from steelyard.design.search.strategies import Proposal, Strategy, Values
from steelyard.design.sharing.base import SharedWeights
from steelyard.design.sharing.data import Endless
from steelyard.design.sharing.lesson import Pupil, optimizer_of, stepped
from steelyard.design.spaces.base import Point, SearchSpace
from steelyard.train.recipe import Recipe

SHAPE = ControllerShape(hidden=100, layers=1, spread=0.1, temperature=5.0, bound=2.5)
DECAY = 0.99


class Enas(Pupil):
    """Teaches shared weights and a controller.

    Args:
        shared: the weights.
        recipe: optimiser of the weights, label smoothing, clipping and seed count.
        steps: of the controller after every epoch.
        batch: networks in each of them.
        rate: of the controller's Adam.
        entropy: weight of the controller's entropy.
    """

    def __init__(
        self,
        shared: SharedWeights,
        recipe: Recipe,
        *,
        steps: int = 30,
        batch: int = 10,
        rate: float = 0.0035,
        entropy: float = 1e-4,
    ) -> None:
        self.shared, self.recipe = shared, recipe
        self.steps, self.batch, self.entropy = steps, batch, entropy
        self.controller = Controller(shared.space, SHAPE, seed=recipe.seed)
        self.optimizer = optimizer_of(recipe, shared)
        self.policy_optimizer = torch.optim.Adam(self.controller.parameters(), rate)
        self.baseline = Baseline(DECAY)
        self.modules = {"shared": shared, "controller": self.controller}
        self.optimizers = {"shared": self.optimizer, "controller": self.policy_optimizer}

    def step(self, batch: Batch, held: Endless, number: int, rate: float) -> float:
        """The weights of one network that the controller writes learn."""
        point = self.controller.sample(self._random("weights", number))
        self.shared.train()
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.shared(self.shared.sized(batch.images, point), point)
        targets = batch.labels if batch.targets is None else batch.targets
        smoothing = self.recipe.loss.label_smoothing
        loss = F.cross_entropy(logits, targets, label_smoothing=smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        stepped(self.optimizer, self.shared, rate, self.recipe.clip)
        return loss.item()

    def after_epoch(self, held: Endless, epoch: int) -> None:
        """The controller learns."""
        if not self.controller.open:
            return
        for number in range(epoch * self.steps, (epoch + 1) * self.steps):
            random = self._random("controller", number)
            points, advantages = [], []
            for i in range(self.batch):
                points.append(self.controller.sample(random))
                reward = self.accuracy(held[number * self.batch + i], points[-1])
                advantages.append(self.baseline.advantage(reward))
            self.policy_optimizer.zero_grad()
            loss = self.controller.loss(points, advantages, entropy=self.entropy)
            loss.backward()  # type: ignore[no-untyped-call]
            self.policy_optimizer.step()

    def accuracy(self, batch: Batch, point: Point) -> float:
        """Of the network of a point on one batch, whose statistics its normalisations use."""
        self.shared.eval()
        with torch.no_grad():
            logits = self.shared(self.shared.sized(batch.images, point), point)
        return float((logits.argmax(1) == batch.labels).float().mean())

    def facts(self) -> dict[str, Any]:
        """The baseline."""
        return {"baseline": asdict(self.baseline)}

    def go_back(self, facts: Mapping[str, Any]) -> None:
        """The same."""
        self.baseline = Baseline(**facts["baseline"])

    def _random(self, what: str, number: int) -> Random:
        return Random(f"{self.recipe.seed}/{what}/{number}")  # noqa: S311


class Policy(Strategy):
    """Draws from a controller that has learnt already (sec. 2.2, "deriving architectures").

    Args:
        space: to be searched.
        controller: over the same choices.
        seed: of the draws.
    """

    def __init__(self, space: SearchSpace, controller: Controller, seed: int) -> None:
        self.space, self.controller, self.seed = space, controller, seed

    def propose(self, number: int, attempt: int) -> Proposal:
        """First the likeliest network, then what is drawn."""
        if (number, attempt) == (0, 0):
            likeliest = self.controller.likeliest()
            if self.space.contains(likeliest):
                return Proposal(likeliest)
        random = Random(f"{self.seed}/{number}/{attempt}")  # noqa: S311
        return Proposal(self.controller.sample(random))

    def tell(self, proposal: Proposal, values: Values | None) -> None:
        """Nothing is learnt any more."""
