"""`Controller`: a recurrent network that writes points of a space, choice after choice, and learns by REINFORCE.

Zoph and Le 2016 (arXiv:1611.01578), sec. 3.1 and fig. 2: an LSTM predicts every choice by a softmax, and what was chosen
is its next input. ENAS (Pham et al. 2018, arXiv:1802.03268) has the same with a temperature and a bound on the logits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn

from steelyard.design.spaces.base import DRAWS, Point, SearchSpace
from steelyard.errors import UsageError


@dataclass(frozen=True, slots=True)
class ControllerShape:
    """How large it is and how sure it may be; the defaults are those of Zoph and Le 2016, sec. 4.1.

    Attributes:
        hidden: units of each layer.
        layers: of the LSTM.
        spread: weights are drawn from -spread to spread.
        temperature: divides the logits; ENAS has 5.
        bound: logits are ``bound * tanh(logit)``, 0: they are not bounded; ENAS has 2.5.
    """

    hidden: int = 35
    layers: int = 2
    spread: float = 0.08
    temperature: float = 1.0
    bound: float = 0.0


class Controller(nn.Module):
    """A distribution over the points of a space.

    Args:
        space: whose choices it makes, in their order.
        shape: of the network.
        seed: of its weights.
    """

    def __init__(
        self, space: SearchSpace, shape: ControllerShape | None = None, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.space, self.shape = space, shape or ControllerShape()
        self.counts = tuple(len(choice.values) for choice in space.choices)
        self.open = tuple(i for i, n in enumerate(self.counts) if n > 1)
        hidden = self.shape.hidden
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.start = nn.Parameter(torch.empty(hidden))
            self.cells = nn.ModuleList(
                nn.LSTMCell(hidden, hidden) for _ in range(self.shape.layers)
            )
            self.words = nn.ModuleList(nn.Embedding(self.counts[i], hidden) for i in self.open)
            self.heads = nn.ModuleList(nn.Linear(hidden, self.counts[i]) for i in self.open)
            for parameter in self.parameters():
                nn.init.uniform_(parameter, -self.shape.spread, self.shape.spread)

    def sample(self, random: Random) -> Point:
        """A point of the space; such as have values that do not go together are drawn again.

        Raises:
            UsageError: none of `DRAWS` points was allowed.
        """
        for _ in range(DRAWS):
            with torch.no_grad():
                point = self._written(random)
            if self.space.contains(point):
                return point
        raise UsageError(
            f"{self.space.name}: of {DRAWS} points drawn none was allowed",
            expected="choices whose values go together",
        )

    def _written(self, random: Random) -> Point:
        point = [0] * len(self.counts)
        states, word = self._begin(1)
        for place, i in enumerate(self.open):
            chances = self._step(place, word, states).softmax(1)[0].tolist()
            point[i] = random.choices(range(self.counts[i]), chances)[0]
            word = self.words[place](torch.tensor([point[i]]))
        return tuple(point)

    def likeliest(self) -> Point:
        """The point of the likeliest value of every choice in turn, whether the space has it or not."""
        point = [0] * len(self.counts)
        with torch.no_grad():
            states, word = self._begin(1)
            for place, i in enumerate(self.open):
                point[i] = int(self._step(place, word, states).argmax(1))
                word = self.words[place](torch.tensor([point[i]]))
        return tuple(point)

    def forward(self, points: Sequence[Point]) -> tuple[Tensor, Tensor]:
        """Log-probabilities of points, and the entropies of their choices, summed: (B,), (B,)."""
        given = torch.tensor(points)
        states, word = self._begin(len(points))
        log_p = torch.zeros(len(points))
        entropy = torch.zeros(len(points))
        for place, i in enumerate(self.open):
            logs = self._step(place, word, states).log_softmax(1)
            log_p = log_p + logs.gather(1, given[:, i : i + 1])[:, 0]
            entropy = entropy - (logs.exp() * logs).sum(1)
            word = self.words[place](given[:, i])
        return log_p, entropy

    def loss(
        self, points: Sequence[Point], advantages: Sequence[float], *, entropy: float = 0.0
    ) -> Tensor:
        """What is minimised: its gradient is minus that of the expected reward, estimated from the points.

        Zoph and Le 2016, sec. 3.2: 1/m sum_k sum_t grad log P(a_t | a_(t-1):1) (R_k - b).

        Args:
            points: m that it wrote.
            advantages: R_k - b of each.
            entropy: weight of the entropy, which is wanted large (ENAS, appendix).
        """
        log_p, spread = self.forward(points)
        return -(log_p * torch.tensor(advantages)).mean() - entropy * spread.mean()

    def _begin(self, batch: int) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        zeros = torch.zeros(batch, self.shape.hidden)
        return [(zeros, zeros) for _ in self.cells], self.start.expand(batch, -1)

    def _step(self, place: int, word: Tensor, states: list[tuple[Tensor, Tensor]]) -> Tensor:
        """The logits of a choice; the states go on."""
        x = word
        for number, cell in enumerate(self.cells):
            states[number] = cell(x, states[number])
            x = states[number][0]
        logits: Tensor = self.heads[place](x) / self.shape.temperature
        if self.shape.bound:
            logits = self.shape.bound * logits.tanh()
        return logits


@dataclass(slots=True)
class Baseline:
    """A moving mean of what was told, and how far that spreads: the advantage of a network over those before it.

    The mean is Zoph and Le's baseline (2016, sec. 3.2): an exponential moving average of the rewards before. Division by
    the standard deviation of all rewards so far is ours: objectives come in any unit.

    Attributes:
        decay: share of the old mean that stays.
        mean: the moving one, None before the first reward.
        count, middle, squares: of all rewards: their number, mean, and squared distances from it, summed (Welford 1962).
    """

    decay: float = 0.9
    mean: float | None = None
    count: int = 0
    middle: float = 0.0
    squares: float = 0.0

    def advantage(self, reward: float) -> float:
        """Of a reward over those before it, in standard deviations; 0 for the first."""
        before = reward if self.mean is None else self.mean
        self.mean = self.decay * before + (1 - self.decay) * reward
        self.count += 1
        away = reward - self.middle
        self.middle += away / self.count
        self.squares += away * (reward - self.middle)
        deviation = math.sqrt(self.squares / self.count)
        return (reward - before) / deviation if deviation > 0 else 0.0
