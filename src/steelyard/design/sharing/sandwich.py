"""`Sandwich`: the training of once for all: at every step the largest network, the smallest, and some between.

The sandwich rule and in-place distillation of Yu and Huang 2019 (universally slimmable networks, arXiv:1903.05134, sec.
3.1 and 3.2), as BigNAS has them (Yu et al. 2020, arXiv:2003.11142, sec. 3.1): the largest learns from the labels, all
others from what the largest says, and the gradients add up. Once for all itself shrinks networks in stages instead
(Cai et al. 2019, arXiv:1908.09791, sec. 3.3); its elastic dimensions are those of `ElasticNetwork`.
"""

from __future__ import annotations

from random import Random

import torch.nn.functional as F
from torch import Tensor

from steelyard.data.loader import Batch
from steelyard.design.sharing.data import Endless
from steelyard.design.sharing.elastic import ElasticNetwork
from steelyard.design.sharing.lesson import Pupil, optimizer_of, stepped
from steelyard.design.spaces.base import Point
from steelyard.train.recipe import Recipe


class Sandwich(Pupil):
    """Teaches an elastic network.

    Args:
        shared: the network.
        recipe: optimiser, label smoothing, clipping and seed count.
        between: networks that are drawn for a step, besides the largest and the smallest.
        distil: False: all learn from the labels.
        ends: False: only the networks that are drawn, which learn from the labels. The authors of once for all draw one to
            four for a step (their train_ofa_net.py), all of them taught by a network that was trained before.
    """

    def __init__(
        self,
        shared: ElasticNetwork,
        recipe: Recipe,
        *,
        between: int = 2,
        distil: bool = True,
        ends: bool = True,
    ) -> None:
        self.shared, self.recipe, self.between, self.ends = shared, recipe, between, ends
        self.distil = distil and ends
        self.optimizer = optimizer_of(recipe, shared)
        self.modules = {"shared": shared}
        self.optimizers = {"shared": self.optimizer}

    def points(self, number: int) -> list[Point]:
        """The networks of a step, the largest first if it is one of them."""
        random = Random(f"{self.recipe.seed}/sandwich/{number}")  # noqa: S311
        drawn = [self.shared.space.sample(random) for _ in range(self.between)]
        return [self.shared.biggest, *drawn, self.shared.smallest] if self.ends else drawn

    def step(self, batch: Batch, held: Endless, number: int, rate: float) -> float:
        """One step along the sum of the gradients; the first network's loss."""
        self.shared.train()
        self.optimizer.zero_grad(set_to_none=True)
        losses = self.gradients(batch, self.points(number))
        stepped(self.optimizer, self.shared, rate, self.recipe.clip)
        return losses[0]

    def gradients(self, batch: Batch, points: list[Point]) -> list[float]:
        """Adds up the gradients of the networks' losses, which are returned; the first network teaches the others."""
        found, teacher = [], None
        targets = batch.labels if batch.targets is None else batch.targets
        smoothing = self.recipe.loss.label_smoothing
        for point in points:
            logits = self.shared(self.shared.sized(batch.images, point), point)
            if teacher is None or not self.distil:
                loss = F.cross_entropy(logits, targets, label_smoothing=smoothing)
                teacher = logits.detach()
            else:
                loss = distilled(logits, teacher)
            # one network's activations in memory at a time
            loss.backward()  # type: ignore[no-untyped-call]
            found.append(loss.item())
        return found


def distilled(logits: Tensor, teacher: Tensor) -> Tensor:
    """The cross-entropy with the teacher's probabilities, the mean over images: (N, classes) twice -> ()."""
    return F.cross_entropy(logits, teacher.softmax(1))
