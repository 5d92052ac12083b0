"""`PartCosts`: what the networks of a space cost, thousands a second: every part is captured once and remembered.

A space whose networks are chains says of each network which parts it is made of. Parameters, multiply-accumulates and
memory access of a chain are the sums over its parts, peak memory the largest: exactly those of the whole network.
Latency is the sum of what the calibrated predictor says of each part, as if it stood in a typical network of the
space, times what whole networks take over such sums; that is near what it says of a whole network, not the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from steelyard.capture.api import capture
from steelyard.capture.weightless import weightless
from steelyard.cost.counts import add_up, tally
from steelyard.cost.memory import peak_activation_memory
from steelyard.design.spaces.base import Part, Point, SearchSpace
from steelyard.errors import ModelError, SteelyardError
from steelyard.measure.predictor.calibration import Calibration
from steelyard.measure.predictor.correction import summed
from steelyard.measure.predictor.prediction import works_of
from steelyard.measure.predictor.work import Surroundings, Work, surroundings
from steelyard.workload import Workload

if TYPE_CHECKING:
    from torch import nn

TYPICAL = 9
"""Networks that are drawn to find out what surrounds a part."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a network costs, or a part of one.

    Attributes:
        params: parameters.
        macs: multiply-accumulates.
        access_bytes: of all tensors, each moved once for every layer.
        peak_bytes: of activations at once.
    """

    params: int
    macs: int
    access_bytes: int
    peak_bytes: int


def counts_of(load: Workload) -> Counts:
    """Of a captured network."""
    total = add_up(tally(load))
    peak = peak_activation_memory(load, state_cap=0).peak_bytes
    return Counts(total.params, total.macs, total.access_bytes, peak)


def captured(space: SearchSpace, point: Point) -> Workload:
    """The network of a point, built without weights.

    Raises:
        SteelyardError: it cannot be built or captured.
    """
    network = _built(partial(space.build, point))
    return capture(network, input_shape=space.input_shape(point))


def _built(make: Callable[[], nn.Module]) -> nn.Module:
    try:
        with weightless():
            return make()
    except SteelyardError:
        raise
    except Exception as error:  # a space of the user's own may raise anything
        raise ModelError(f"it cannot be built: {type(error).__name__}: {error}") from error


def whole_costs(space: SearchSpace, point: Point) -> Counts:
    """Of the network of a point, captured as a whole."""
    return counts_of(captured(space, point))


@dataclass(frozen=True, slots=True)
class _Known:
    """A part that was captured: its costs, and what the predictor says."""

    params: int
    macs: int
    access_bytes: int
    peak_bytes: int
    seconds: float


class PartCosts:
    """Costs of the networks of one space, remembering parts.

    Args:
        space: whose networks are costed; one that is no chain is captured as a whole each time.
        calibration: for latencies; None: none are told.
    """

    def __init__(self, space: SearchSpace, calibration: Calibration | None = None) -> None:
        self.space = space
        self.calibration = calibration
        self._known: dict[tuple[Hashable, tuple[int, ...]], _Known] = {}
        self._modules: dict[Hashable, nn.Module] = {}
        self._around: Surroundings | None = None
        self._factor: float | None = None
        self._drawn: list[tuple[Point, tuple[Work, ...]]] = []

    @property
    def remembered(self) -> int:
        """Parts that were captured."""
        return len(self._known)

    def __call__(self, point: Point) -> Counts:
        """Of one network.

        Raises:
            SteelyardError: it cannot be built or captured.
        """
        parts = self.space.parts(point)
        if parts is None:
            return whole_costs(self.space, point)
        params = macs = access = peak = 0
        for part in parts:
            known = self._known.get((part.key, part.shape)) or self._look(part)
            params += known.params
            macs += known.macs
            access += known.access_bytes
            peak = max(peak, known.peak_bytes)
        return Counts(params, macs, access, peak)

    def latency_s(self, point: Point) -> float | None:
        """From the sum over the parts; None without a calibration, or of a network that is no chain."""
        parts = self.space.parts(point)
        if parts is None or self.calibration is None:
            return None
        if self._factor is None:
            self._factor = self._whole_over_parts(self.calibration)
        return self._factor * self._sum(parts)

    def _sum(self, parts: Sequence[Part]) -> float:
        return sum(
            (self._known.get((part.key, part.shape)) or self._look(part)).seconds for part in parts
        )

    def _whole_over_parts(self, calibration: Calibration) -> float:
        """The median over the typical networks."""
        ratios = [
            _seconds(calibration, works) / self._sum(self.space.parts(point) or ())
            for point, works in self._typical(calibration)
        ]
        return float(np.median(ratios))

    def _look(self, part: Part) -> _Known:
        module = self._modules.get(part.key)
        if module is None:
            module = self._modules[part.key] = _built(part.make)
        load = capture(module, input_shape=part.shape)
        found, seconds = counts_of(load), 0.0
        if self.calibration is not None:
            works = _works(load, self.calibration)
            seconds = _seconds(self.calibration, works, self._surroundings(self.calibration))
        known = _Known(found.params, found.macs, found.access_bytes, found.peak_bytes, seconds)
        self._known[part.key, part.shape] = known
        return known

    def _surroundings(self, calibration: Calibration) -> Surroundings:
        """Of a part: the medians over the typical networks."""
        if self._around is None:
            every = [surroundings(works) for _, works in self._typical(calibration)]
            found = [(one.weights, one.largest, one.moved) for one in every]
            self._around = Surroundings(*(float(x) for x in np.median(np.array(found), axis=0)))
        return self._around

    def _typical(self, calibration: Calibration) -> list[tuple[Point, tuple[Work, ...]]]:
        """Some networks, and what the backend executes of them."""
        if not self._drawn:
            random = Random(0)  # noqa: S311
            points = [self.space.sample(random) for _ in range(TYPICAL)]
            self._drawn = [(p, _works(captured(self.space, p), calibration)) for p in points]
        return self._drawn


def _works(load: Workload, calibration: Calibration) -> tuple[Work, ...]:
    works, _ = works_of(load, calibration.record.backend, calibration.record.environment)
    return works


def _seconds(
    calibration: Calibration, works: Sequence[Work], around: Surroundings | None = None
) -> float:
    """With the correction for whole networks, which is linear in the parts."""
    seconds, _ = calibration.model.seconds(works, around)
    return calibration.correction.seconds(summed(works, seconds), len(works))
