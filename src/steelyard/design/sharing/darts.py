"""`Darts`: cells whose operations are mixed, weights and shares of the operations learning in turns.

Liu et al. 2018 (arXiv:1806.09055), algorithm 1: for every batch the architecture goes down the gradient of the held-out
loss (`steelyard.design.sharing.second_order`), then the weights that of the training loss. Figures are those of
sec. 3.1 and appendix A: Adam with 3e-4, betas 0.5 and 0.999, decay 1e-3; alphas begin near 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from steelyard.data.loader import Batch
from steelyard.design.sharing.cells import Mix, SharedCells
from steelyard.design.sharing.data import Endless
from steelyard.design.sharing.expected_cost import ExpectedCost
from steelyard.design.sharing.lesson import Pupil, optimizer_of, stepped
from steelyard.design.sharing.second_order import (
    NEAR,
    Loss,
    Weights,
    architecture_gradient,
    first_order,
)
from steelyard.design.spaces.base import Point
from steelyard.design.spaces.cells import CELLS, DartsSpace
from steelyard.errors import UsageError
from steelyard.train.recipe import Recipe

KEPT = 2
"""Edges of a step in the network that is derived (sec. 2.4)."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A cost that counts, besides the loss.

    Attributes:
        cost: expected, 1 for all operations alike.
        weight: of it in the loss.
    """

    cost: ExpectedCost
    weight: float


class Alphas(nn.Module):
    """What every operation on every edge weighs before the softmax; the last column is no connection at all.

    Args:
        edges: of a cell.
        operations: to choose from, besides none.
        seed: of the beginning, N(0, 0.001^2), as in the authors' code.
    """

    def __init__(self, edges: int, operations: int, *, seed: int = 0) -> None:
        super().__init__()
        dice = torch.Generator().manual_seed(seed)
        self.kinds = nn.ParameterDict(
            {kind: 1e-3 * torch.randn(edges, operations + 1, generator=dice) for kind in CELLS}
        )

    def values(self) -> list[Tensor]:
        """Of normal cells, then of reductions: (edges, operations + 1) each."""
        return [self.kinds[kind] for kind in CELLS]


def shares(alphas: Sequence[Tensor]) -> dict[str, Tensor]:
    """Of every operation on every edge, by kind of cell: (edges, operations); no connection takes the rest (eq. 2)."""
    return {kind: a.softmax(1)[:, :-1] for kind, a in zip(CELLS, alphas, strict=True)}


class _Mixture(nn.Module):
    """The network as a function of images and alphas."""

    def __init__(self, shared: SharedCells) -> None:
        super().__init__()
        self.shared = shared

    def forward(self, images: Tensor, alphas: Sequence[Tensor]) -> Tensor:
        """(N, C, H, W) -> (N, classes)."""
        return self.shared.mixed(images, self._mix(shares(alphas)))

    def _mix(self, weights: Mapping[str, Tensor]) -> Mix:
        mix = {}
        for kind, table in weights.items():
            flat, at, steps = table.flatten(), 0, []
            for step in self.shared.graph.steps:
                steps.append([(i, flat[at + i]) for i in range(len(step))])
                at += len(step)
            mix[kind] = steps
        return mix


class Darts(Pupil):
    """Teaches mixed cells and their alphas.

    Args:
        shared: cells without learnt normalisations.
        recipe: SGD for the weights, clipping and seed count.
        order: 1 or 2.
        near: of the second order's difference, see `architecture_gradient`; 0: exact second derivatives.
        rate, decay: of the alphas' Adam.
        costs: that count.

    Raises:
        UsageError: the second order with another optimiser than SGD.
    """

    def __init__(
        self,
        shared: SharedCells,
        recipe: Recipe,
        *,
        order: int = 2,
        near: float = NEAR,
        rate: float = 3e-4,
        decay: float = 1e-3,
        costs: Sequence[Weighed] = (),
    ) -> None:
        if order == 2 and recipe.optimizer.kind != "sgd":
            raise UsageError(
                f"DARTS looks a step of SGD ahead, and the recipe has {recipe.optimizer.kind}",
                expected="optimizer.kind = sgd, or the first order",
                hint="--strategy darts:order=1",
            )
        self.shared, self.recipe, self.costs = shared, recipe, tuple(costs)
        self.order, self.near = order, near
        self.mixture = _Mixture(shared)
        edges = sum(len(step) for step in shared.graph.steps) // len(shared.operations)
        self.alphas = Alphas(edges, len(shared.operations), seed=recipe.seed)
        self.optimizer = optimizer_of(recipe, self.mixture)
        self.alpha_optimizer = torch.optim.Adam(
            self.alphas.parameters(), rate, betas=(0.5, 0.999), weight_decay=decay
        )
        self.modules = {"shared": shared, "alphas": self.alphas}
        self.optimizers = {"shared": self.optimizer, "alphas": self.alpha_optimizer}

    def step(self, batch: Batch, held: Endless, number: int, rate: float) -> float:
        """Algorithm 1: the alphas, then the weights."""
        self.shared.train()
        alphas = self.alphas.values()
        weights = dict(self.mixture.named_parameters())
        train, judge = self._loss(batch), self._loss(held[number], costs=True)
        if self.order == 1:
            found = first_order(judge, weights, alphas)
        else:
            part = self.recipe.optimizer
            xi = rate * (1 + part.momentum * part.nesterov)
            found = architecture_gradient(
                train, judge, weights, alphas,
                ahead=lambda slopes: self._ahead(slopes, rate), rate=xi, near=self.near,
            )  # fmt: skip
        for alpha, gradient in zip(alphas, found, strict=True):
            alpha.grad = gradient
        self.alpha_optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        loss = train(weights, [alpha.detach() for alpha in alphas])
        loss.backward()  # type: ignore[no-untyped-call]
        stepped(self.optimizer, self.mixture, rate, self.recipe.clip)
        return loss.item()

    def _loss(self, batch: Batch, *, costs: bool = False) -> Loss:
        targets = batch.labels if batch.targets is None else batch.targets
        smoothing = self.recipe.loss.label_smoothing

        def loss(weights: Weights, alphas: Sequence[Tensor]) -> Tensor:
            logits = functional_call(self.mixture, dict(weights), (batch.images, alphas))
            total = F.cross_entropy(logits, targets, label_smoothing=smoothing)
            for one in self.costs if costs else ():
                total = total + one.weight * one.cost(shares(alphas))
            return total

        return loss

    def _ahead(self, slopes: Weights, rate: float) -> Weights:
        """w' with the momentum and the decay that the weights' next step will have (as in the authors' code)."""
        groups = self.optimizer.param_groups
        how = {id(p): group for group in groups for p in group["params"]}
        found = {}
        with torch.no_grad():
            for name, w in self.mixture.named_parameters():
                group, slope = how[id(w)], slopes[name]
                slope = slope + group["weight_decay"] * w
                kept = self.optimizer.state.get(w, {}).get("momentum_buffer")
                if group["momentum"]:
                    gathered = slope if kept is None else group["momentum"] * kept + slope
                    slope = slope + group["momentum"] * gathered if group["nesterov"] else gathered
                found[name] = w - rate * slope
        return found

    def derived(self) -> Point:
        """The network that the alphas say, see `derive`."""
        with torch.no_grad():
            return derive(self.shared.space, [alpha.softmax(1) for alpha in self.alphas.values()])


def derive(space: DartsSpace, strengths: Sequence[Tensor]) -> Point:
    """Each step keeps its two strongest edges, each with its strongest operation, none not counted (sec. 2.4).

    Args:
        space: whose points have one number of cells and one of filters.
        strengths: for normal cells and reductions (edges, operations + 1); the last column is none.
    """
    values: dict[str, object] = {"layers": space.layers[0], "filters": space.filters[0]}
    for kind, table in zip(CELLS, strengths, strict=True):
        at = 0
        for i in range(space.steps):
            rows = table[at : at + i + 2, :-1]
            at += i + 2
            strongest = rows.max(1)
            two = sorted(strongest.values.topk(KEPT).indices.tolist())
            values[f"{kind}.{i}.states"] = tuple(two)
            for side, state in zip(("first", "second"), two, strict=True):
                values[f"{kind}.{i}.{side}"] = space.operations[int(strongest.indices[state])]
    return tuple(choice.values.index(values[choice.name]) for choice in space.choices)
