"""`Nodes`: evaluates points on the machines of a Ray cluster; those of a machine that is lost go to another."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from steelyard.design.search.crew import Finished, Packed, killed, unpacked
from steelyard.design.search.evaluate import Answer, Evaluator
from steelyard.design.spaces.base import Point
from steelyard.errors import UsageError
from steelyard.hardware.engines import on_nodes


class Nodes:
    """Machines of a cluster, each of whose processes makes its own evaluator once.

    Args:
        ray: the module, connected.
        packed: what is evaluated.
        workers: points at once.

    Raises:
        UsageError: the space cannot be sent.
    """

    def __init__(self, ray: Any, packed: Packed, workers: int) -> None:
        self._ray, self._workers = ray, workers
        parcel = _Parcel(secrets.token_hex(16), packed)
        try:
            self._begin = on_nodes(ray, partial(_evaluate, parcel))
        except ray.exceptions.RayError:
            raise
        except Exception as error:  # what cannot be sent raises many things
            raise UsageError(
                f"the space {packed[0].name} cannot be sent to another machine: {error}",
                expected="a class with plain data",
                hint="--engine local",
            ) from error
        self._running: dict[Any, int] = {}

    @property
    def idle(self) -> bool:
        """Whether fewer than ``workers`` points are evaluated."""
        return len(self._running) < self._workers

    def submit(self, number: int, point: Point) -> None:
        """Hands it to the cluster."""
        self._running[self._begin(point)] = number

    def finished(self) -> list[Finished]:
        """Waits until one is done or given up.

        Raises:
            ray.exceptions.RayError: the cluster is gone; `ray_cluster` says it in our words.
        """
        done, _ = self._ray.wait([*self._running], num_returns=1)
        return [self._answer(reference) for reference in done]

    def _answer(self, reference: Any) -> Finished:
        number = self._running.pop(reference)
        errors = self._ray.exceptions
        try:
            answer, seconds = self._ray.get(reference)
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError):
            # Ray has tried it again by then
            return number, killed("was killed again and again"), 0.0
        return number, answer, seconds

    def close(self) -> None:
        """What is still evaluated is ended."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What is evaluated, under a name that no other search has: it arrives anew with every point."""

    name: str
    packed: Packed = field(compare=False)


def _evaluate(parcel: _Parcel, point: Point) -> tuple[Answer, float]:
    """On a machine of the cluster."""
    evaluator = _evaluator(parcel)
    begun = time.perf_counter()
    return evaluator(point), time.perf_counter() - begun


@lru_cache(maxsize=1)
def _evaluator(parcel: _Parcel) -> Evaluator:
    return unpacked(parcel.packed)
