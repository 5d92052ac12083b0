"""`Ema`: a moving average of a network's parameters, which often tests better than the last of them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from steelyard.train.recipe import EmaPart

__all__ = ["Ema", "decay_at"]

_AVERAGED = ("running_mean", "running_var")


def decay_at(part: EmaPart, step: int) -> float:
    """The decay of step ``step`` (0 is the first): with warm-up at most (1 + step) / (10 + step).

    As TensorFlow's ``ExponentialMovingAverage(num_updates=...)``.

    >>> [round(decay_at(EmaPart(0.99), step), 3) for step in (0, 1, 100_000)]
    [0.1, 0.182, 0.99]
    """
    return min(part.decay, (1 + step) / (10 + step)) if part.warmup else part.decay


class Ema:
    """The average of a network's parameters and of its batch normalisations' statistics.

    Other buffers (counters, masks) are copied as they are.

    Attributes:
        network: the network with averaged parameters, in eval mode.

    Args:
        network: what is being trained; its present parameters are the first average.
        part: decay and warm-up.
    """

    def __init__(self, network: nn.Module, part: EmaPart) -> None:
        self.part = part
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        averaged: list[tuple[Tensor, Tensor]] = list(
            zip(self.network.parameters(), network.parameters(), strict=True)
        )
        self._copied: list[tuple[Tensor, Tensor]] = []
        buffers = dict(network.named_buffers())
        for name, mine in self.network.named_buffers():
            pair = (mine, buffers[name])
            (averaged if name.endswith(_AVERAGED) else self._copied).append(pair)
        self._mine = [mine for mine, _ in averaged]
        self._theirs = [theirs for _, theirs in averaged]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the average towards the parameters after step ``step`` (0 is the first)."""
        torch._foreach_lerp_(self._mine, self._theirs, 1 - decay_at(self.part, step))
        for mine, theirs in self._copied:
            mine.copy_(theirs)
