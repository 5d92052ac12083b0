"""`Probe`: a network as a list of steps, so that each can be timed in its place; and what a step may be."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

POOL = 1 << 14
"""Random numbers that all weights are made of: few, since what is freed changes how the heap behaves afterwards."""


@dataclass(frozen=True, slots=True)
class Step:
    """One module applied to values that are there.

    Attributes:
        module: what computes.
        reads: numbers of the values that it is given; 0 is the network's input, n the result of step n - 1.
        drops: numbers of the values that nobody reads any more.
    """

    module: nn.Module
    reads: tuple[int, ...]
    drops: tuple[int, ...]


class Probe(nn.Module):
    """Steps in order; a value is dropped when the last step that reads it is done, as in a network."""

    def __init__(self, steps: Sequence[tuple[nn.Module, tuple[int, ...]]]) -> None:
        super().__init__()
        last = {number: place for place, (_, reads) in enumerate(steps) for number in reads}
        self.plan = tuple(
            Step(module, reads, tuple(n for n in dict.fromkeys(reads) if n and last[n] == place))
            for place, (module, reads) in enumerate(steps)
        )
        self.steps = nn.ModuleList(module for module, _ in steps)
        self.ends = tuple(n for n in range(1, len(steps) + 1) if n not in last)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The values that no step reads."""
        values: list[Tensor | None] = [x]
        for step in self.plan:
            values.append(step.module(*[values[n] for n in step.reads]))
            for n in step.drops:
                values[n] = None
        return tuple(value for n in self.ends if (value := values[n]) is not None)

    def shapes(self, shape: Sequence[int]) -> list[tuple[int, ...]]:
        """Of every value, the network's input first."""
        values = [torch.zeros(tuple(shape))]
        with torch.inference_mode():
            for step in self.plan:
                values.append(step.module(*[values[n] for n in step.reads]))
        return [tuple(value.shape) for value in values]

    def timed(self, x: Tensor) -> list[int]:
        """Nanoseconds of every step of one inference: its call, and giving back what nobody reads any more."""
        values: list[Tensor | None] = [x]
        marks = [0] * (len(self.plan) + 1)
        now = time.perf_counter_ns
        marks[0] = now()
        for place, step in enumerate(self.plan):
            values.append(step.module(*[values[n] for n in step.reads]))
            for n in step.drops:
                values[n] = None
            marks[place + 1] = now()
        return [after - before for before, after in pairwise(marks)]


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        """Of the function."""
        return self.function(*inputs)


def add(a: Tensor, b: Tensor) -> Tensor:
    """Into a new tensor."""
    return a + b


def add_(a: Tensor, b: Tensor) -> Tensor:
    """Into the first."""
    a += b
    return a


def mul(a: Tensor, b: Tensor) -> Tensor:
    """Of a map and a gate of one number a channel, or of two maps."""
    return a * b


def cat(*parts: Tensor) -> Tensor:
    """Along the channels."""
    return torch.cat(parts, 1)


def flat(x: Tensor) -> Tensor:
    """A row a sample."""
    return x.flatten(1)


def mean(x: Tensor) -> Tensor:
    """Over the map."""
    return x.mean([2, 3])


def upsampled(x: Tensor) -> Tensor:
    """Twice as high and wide."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def padded(x: Tensor) -> Tensor:
    """By a row and a column at the end."""
    return F.pad(x, (0, 1, 0, 1))


class Shuffle(nn.Module):
    """Channels of the groups, interleaved."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Into a new tensor."""
        return F.channel_shuffle(x, self.groups)


class Half(nn.Module):
    """The first or the second half of the channels; a view."""

    def __init__(self, which: int) -> None:
        super().__init__()
        self.which = which

    def forward(self, x: Tensor) -> Tensor:
        """Of the input's storage."""
        return torch.split(x, x.shape[1] // 2, dim=1)[self.which]


class Picked(nn.Module):
    """Channels by their numbers, which are kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("order", torch.arange(channels - 1, -1, -1))

    def forward(self, x: Tensor) -> Tensor:
        """In reverse."""
        return x.index_select(1, self.get_buffer("order"))


def fill(model: nn.Module, seed: int) -> None:
    """Weights that keep the scale of what passes through, so that no number becomes tiny or infinite."""
    generator = torch.Generator().manual_seed(seed)
    pool = torch.rand(POOL, generator=generator) * 2 - 1
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                fan = math.prod(module.weight.shape[1:])
                flat_weight = module.weight.view(-1)
                for start in range(0, flat_weight.numel(), pool.numel()):
                    part = flat_weight[start : start + pool.numel()]
                    torch.mul(pool[: part.numel()], math.sqrt(6 / fan), out=part)
                if module.bias is not None:
                    module.bias.fill_(0.01)
