"""`Problem`: the loss of a network at a point of a plane through its weights, the same in any process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from math import fsum, isfinite
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from steelyard.errors import UsageError
from steelyard.train.directions import Direction
from steelyard.train.evaluate import named_logits

__all__ = ["STATISTICS", "Problem", "Statistics", "Value", "at_points"]

Statistics = Literal["kept", "recomputed"]
STATISTICS: tuple[Statistics, ...] = get_args(Statistics)

Value = tuple[float | None, float]
"""Loss in nats, None where it is not finite; top-1 accuracy in percent."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is needed to compute a point.

    Attributes:
        network: a copy that may be changed.
        origin: parameters and floating-point buffers at (0, 0), float64.
        directions: one or two.
        images: what the network sees, (N, C, H, W).
        labels: (N,).
        batch: images at once.
        statistics: of batch normalisation: those of the origin, moved along where a direction says so; or
            recomputed at every point over the same images.
    """

    network: nn.Module
    origin: Mapping[str, Tensor]
    directions: tuple[Direction, ...]
    images: Tensor
    labels: Tensor
    batch: int
    statistics: Statistics

    def value(self, point: tuple[float, ...]) -> Value:
        """Loss and accuracy at a point, computed on one thread."""
        self.network.eval()
        self._move(point)
        with _one_thread(), torch.inference_mode():
            if self.statistics == "recomputed":
                self._recompute()
            losses: list[float] = []
            right = 0
            for x, y in zip(self._pieces(self.images), self._pieces(self.labels), strict=True):
                logits = _main(self.network(x)).double()
                losses += nn.functional.cross_entropy(logits, y, reduction="none").tolist()
                right += int((logits.argmax(1) == y).sum())
        loss = fsum(losses) / len(losses) if all(map(isfinite, losses)) else None
        return loss, 100 * right / len(losses)

    def _pieces(self, rows: Tensor) -> tuple[Tensor, ...]:
        return torch.split(rows, self.batch)

    @torch.no_grad()
    def _move(self, point: tuple[float, ...]) -> None:
        state = self.network.state_dict(keep_vars=True)
        for name, start in self.origin.items():
            here = start
            for step, direction in zip(point, self.directions, strict=True):
                if name in direction and step:
                    here = here + step * direction[name]
            state[name].copy_(here)

    def _recompute(self) -> None:
        """Statistics as means over all images, each batch weighing alike (momentum None)."""
        norms = [module for module in self.network.modules() if isinstance(module, _BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for x in self._pieces(self.images):
            self.network(x)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


def _main(outputs: object) -> Tensor:
    pairs, main = named_logits(outputs)
    return pairs[main][1]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in another order on another number of threads; a point must not depend on that."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def at_points(problem: Problem, workers: int) -> Iterator[Callable[[tuple[float, ...]], Value]]:
    """What computes a point here, or, with several workers, what can be sent to other processes.

    Raises:
        UsageError: a network that cannot be sent.
    """
    if workers == 1:
        yield problem.value
        return
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
        file = Path(folder, "problem")
        try:
            torch.save(problem, file)
        except Exception as error:
            raise UsageError(
                f"the network cannot be sent to other processes: {error}",
                expected="a class at the top of a module, without open files or lambdas",
                hint="--workers 1, or workers=1",
            ) from error
        yield partial(_value, str(file))


def _value(file: str, point: tuple[float, ...]) -> Value:
    return _problem(file).value(point)


@lru_cache(maxsize=1)
def _problem(file: str) -> Problem:
    # written a moment ago by the process that waits for this one, into a folder that only its user may enter
    found: Problem = torch.load(file, weights_only=False)
    return found
