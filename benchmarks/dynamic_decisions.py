"""How benchmarks/dynamic.py decides: networks with exits that are to be as often right as another on the same images.

Half of the test images are for solving, the other half for judging, then the other way round: every image is judged
once, by thresholds and weights that did not see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from steelyard.dynamic.budget import Distribution, solve_thresholds
from steelyard.dynamic.combination import combine, fit_combination
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.learnt import fit_learnt
from steelyard.dynamic.policies import Policy, named_policy
from steelyard.dynamic.thresholds import Thresholds

GRID = 60
"""Budgets that are tried with geometric shares."""

HALVINGS = 8

DRAWS = 4000


@dataclass(frozen=True)
class Way:
    """How a network decides."""

    policy: str
    distribution: Distribution
    combined: bool

    def prepared(self, outputs: ExitOutputs, half: ExitOutputs) -> ExitOutputs:
        """The outputs as this way sees them; weights are fitted on the half."""
        return combine(outputs, fit_combination(half)) if self.combined else outputs

    def made(self, half: ExitOutputs) -> Policy:
        """The policy, fitted where it is learnt."""
        return fit_learnt(half) if self.policy == "learnt" else named_policy(self.policy)


@dataclass(frozen=True)
class Settled:
    """A way that was to be as good as another network, on all images.

    Attributes:
        way: which.
        cost: mean of an image.
        right: whether each image is right, (N,).
        exits: where it left, (N,).
        scores: of the policy there, (N,).
        predictions: (N,).
        reached: whether both halves for solving are as often right as by the other network; else these are the
            thresholds that come nearest.
    """

    way: Way
    cost: float
    right: np.ndarray
    exits: np.ndarray
    scores: np.ndarray
    predictions: np.ndarray
    reached: bool

    @property
    def name(self) -> str:
        """The way in words."""
        joined = "combined exits" if self.way.combined else "exits as they are"
        return f"{self.way.policy}, {self.way.distribution}, {joined}"


PLAN = Way("confidence", "geometric", True)
FEWER = 3.0
"""The plan, which is timed and compared over the seeds: with this way as many times fewer MACs than the best network
without exits, as a budget. It was chosen by what came of seeds 1 and 2."""


def halves(samples: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(solve on, judge on), twice."""
    even, odd = np.arange(0, samples, 2), np.arange(1, samples, 2)
    return [(even, odd), (odd, even)]


def settle(outputs: ExitOutputs, costs: np.ndarray, static: np.ndarray, way: Way) -> Settled:
    """The least budget with which the half for solving is as often right as by the static network.

    Args:
        outputs: of the network with exits on all images.
        costs: of leaving at each exit.
        static: whether the other network is right, (N,).
        way: how to decide.
    """
    return _crossed(
        outputs,
        costs,
        way,
        lambda half, solve: least(half, costs, float(static[solve].mean()), way),
    )


def keep_to(outputs: ExitOutputs, costs: np.ndarray, budget: float, way: Way) -> Settled:
    """The thresholds that the half for solving gives for a budget."""
    return _crossed(
        outputs, costs, way, lambda half, solve: (within(half, costs, budget, way), True)
    )


def within(half: ExitOutputs, costs: np.ndarray, budget: float, way: Way) -> Thresholds:
    """Thresholds for a budget, of outputs as the way sees them."""
    return solve_thresholds(way.made(half), half, costs, budget, distribution=way.distribution)


def _crossed(
    outputs: ExitOutputs,
    costs: np.ndarray,
    way: Way,
    solved: Callable[[ExitOutputs, np.ndarray], tuple[Thresholds, bool]],
) -> Settled:
    """Each half judged by what was solved on the other, given its outputs as the way sees them and its numbers."""
    number = outputs.samples
    right, exits = np.zeros(number, dtype=bool), np.zeros(number, dtype=np.int64)
    scores, predictions = np.zeros(number), np.zeros(number, dtype=np.int64)
    reached = True
    for solve, judge in halves(number):
        half = way.prepared(outputs.rows(solve), outputs.rows(solve))
        other = way.prepared(outputs.rows(judge), outputs.rows(solve))
        thresholds, enough = solved(half, solve)
        reached = reached and enough
        left = thresholds.decide(other)
        places = np.arange(len(judge))
        exits[judge], right[judge] = left, other.correct[left, places]
        scores[judge] = thresholds.scores(other)[left, places]
        predictions[judge] = other.logits.argmax(-1)[left, places]
    return Settled(way, float(costs[exits].mean()), right, exits, scores, predictions, reached)


def least(half: ExitOutputs, costs: np.ndarray, wanted: float, way: Way) -> tuple[Thresholds, bool]:
    """Thresholds of the least budget with which as many images are right, or else of the most, and which of the two.

    With geometric shares the first of a grid of budgets; free ones never lose by a larger budget, so by halving.
    """
    policy = way.made(half)

    def solved(budget: float) -> tuple[float, Thresholds]:
        found = solve_thresholds(policy, half, costs, budget, distribution=way.distribution)
        return float(half.correct[found.decide(half), np.arange(half.samples)].mean()), found

    if way.distribution == "geometric":
        grid = np.linspace(costs[0], costs[-1], GRID + 1)[1:]
        tried = [solved(min(float(budget), float(costs[-1]))) for budget in grid]
        enough = [found for share, found in tried if share >= wanted]
        return (enough[0], True) if enough else (max(tried, key=lambda one: one[0])[1], False)
    low, high = float(costs[0]), float(costs[-1])
    share, best = solved(high)
    if share < wanted:
        return best, False
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        share, found = solved(middle)
        if share < wanted:
            low = middle
        else:
            high, best = middle, found
    return best, True


def difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Share right less share right, (N,) each, and its 95 % interval over draws of the same images."""
    gaps = np.round(ours.astype(float) - theirs.astype(float), 9)
    values, counts = np.unique(gaps, return_counts=True)
    draws = np.random.default_rng(0).multinomial(len(gaps), counts / len(gaps), size=DRAWS)
    means = draws @ values / len(gaps)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(gaps.mean()), float(low), float(high)


def logits_of(network: nn.Module, images: Tensor) -> list[np.ndarray]:
    """(N, classes) of every exit; of a network without exits one."""
    parts: list[list[np.ndarray]] = []
    with torch.inference_mode():
        for some in images.split(500):
            said = network(some)
            several = list(said) if isinstance(said, (list, tuple)) else [said]
            parts.append([one.numpy() for one in several])
    return [np.concatenate(rows) for rows in zip(*parts, strict=True)]
