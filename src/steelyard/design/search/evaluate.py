"""`Evaluator`: what a search wants to know of one network, the cheap first, and nothing more once a constraint fails."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from steelyard.design.latency import Clock, energy_j
from steelyard.design.search.goals import COUNTED, SEARCHED, Constraint, Quantity
from steelyard.design.search.parts import Counts, PartCosts, captured
from steelyard.design.search.places import Places, places
from steelyard.design.spaces.base import Point, SearchSpace
from steelyard.design.spaces.codesign import Codesign
from steelyard.errors import SteelyardError, UsageError
from steelyard.hardware.area import silicon_area
from steelyard.hardware.device import Roofline
from steelyard.hardware.estimate_result import Estimate
from steelyard.hardware.roofline import roofline
from steelyard.measure.api import measure
from steelyard.measure.predictor.prediction import predict
from steelyard.train.recipe import NetworkPart, Recipe
from steelyard.workload import Workload

State = Literal["done", "infeasible", "failed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came out.

    Attributes:
        state: ``done``: all is known and all constraints hold; ``infeasible``: one does not; ``failed``: the network
            cannot be built, captured, placed or trained.
        values: by quantity's text, as far as they were found.
        reason: which constraint, or what failed; "" if done.
    """

    state: State
    values: dict[str, float]
    reason: str = ""


class Evaluator:
    """Evaluates networks of one space.

    Args:
        space: whose networks.
        objectives: to be found.
        constraints: to be held.
        proxy: the recipe by which ``error`` is found, its network replaced.
        found: the devices that are asked about; None: they are looked up.

    Raises:
        UsageError: ``error`` without a recipe, or a device that does not tell what is asked.
        UnknownNameError: no such device.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Quantity],
        constraints: Sequence[Constraint],
        proxy: Recipe | None = None,
        found: Places | None = None,
    ) -> None:
        self.space, self.constraints, self.proxy = space, tuple(constraints), proxy
        both = (*objectives, *(one.quantity for one in constraints))
        self.wanted = tuple(sorted(dict.fromkeys(both), key=lambda one: one.expense))
        self.costs = PartCosts(space)
        self.judge: Callable[[Point], float] | None = None
        """Tells the error instead of a training."""
        if any(one.name == "error" for one in self.wanted) and proxy is None:
            raise UsageError(
                "the error needs a recipe to train by",
                expected="a name of steelyard train --list, or a TOML file; its network is replaced",
                hint="--recipe digits_resnet56 --set epochs=2",
            )
        self.places = places(self.wanted) if found is None else found
        searched = [one for one in self.wanted if one.device == SEARCHED]
        self._codesign = space if isinstance(space, Codesign) else None
        if searched and self._codesign is None:
            raise UsageError(
                f"{searched[0]}: {space.name} searches no device",
                expected="a space with a table [device]", hint=f"{searched[0].name}@eyeriss",
            )  # fmt: skip

    def counted(self, point: Point) -> dict[str, float]:
        """The counted ones of what is wanted, without a device or a training.

        Raises:
            SteelyardError: the network cannot be built or captured.
        """
        areas = {str(one): self._area(one, point) for one in self.wanted if one.name == "area_mm2"}
        if not any(one.name in COUNTED for one in self.wanted):
            return areas
        return areas | _named(self.costs(point), self.wanted)

    def _area(self, one: Quantity, point: Point) -> float:
        if one.device == SEARCHED and self._codesign is not None:
            return silicon_area(self._codesign.chip(point)).mm2
        return self.places.areas[one.device]

    def broken(self, values: dict[str, float]) -> Constraint | None:
        """The first constraint that these values break."""
        for one in self.constraints:
            value = values.get(str(one.quantity))
            if value is not None and not one.holds(value):
                return one
        return None

    def __call__(self, point: Point) -> Answer:
        """All that is wanted of a network; nothing that goes wrong with it is raised."""
        values: dict[str, float] = {}
        try:
            values |= self.counted(point)
            if broken := self.broken(values):
                return Answer("infeasible", values, _said(broken, values))
            network = _Captured(self.space, point)
            for one in self.wanted:
                if not one.counted:
                    values[str(one)] = self._value(one, network)
                    if broken := self.broken(values):
                        return Answer("infeasible", values, _said(broken, values))
        except SteelyardError as error:
            return Answer("failed", values, error.given)
        except Exception as error:  # a network of the user's own may raise anything
            return Answer("failed", values, f"{type(error).__name__}: {error}")
        return Answer("done", values)

    def _value(self, one: Quantity, network: _Captured) -> float:
        if one.device == SEARCHED and network.mapped is not None:
            found = network.mapped
            return 1e3 * found.latency_s if one.name == "latency_ms" else 1e-9 * found.energy_pj
        if one.name == "latency_ms":
            return 1e3 * self._seconds(self.places.clocks[one.device], network)
        if one.name == "energy_mj":
            return 1e3 * energy_j(network.load, self.places.chips[one.device])
        if one.name == "naswot":
            return self._naswot(network.point)
        return self._error(network.point)

    def _naswot(self, point: Point) -> float:
        """The sign turned, since all objectives are minimised; weights are those of seed 0."""
        import torch

        from steelyard.design.search.zero_cost import naswot

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = self.space.build(point)
        return -naswot(network, self.space.input_shape(point))

    def _seconds(self, found: Clock, network: _Captured) -> float:
        if found.calibration is not None:
            return predict(network.load, found.calibration).seconds
        if found.means == "measured":
            module = self.space.build(network.point).eval()
            shape = self.space.input_shape(network.point)
            return measure(module, backend=found.backend, input_shape=shape, budget_s=0.5).median_s
        if isinstance(found.model, Roofline):
            return roofline(network.load, found.model).time_s
        return found.seconds("", network.load)

    def _error(self, point: Point) -> float:
        """Of the last epoch of a training, or with shared weights."""
        if self.judge is not None:
            return self.judge(point)
        from steelyard.train.api import train

        recipe = recipe_of(self.space, point, self.proxy)
        with tempfile.TemporaryDirectory(prefix="steelyard-search-") as folder:
            run = train(recipe, run=Path(folder) / "run", device="cpu", say=lambda text: None)
            return 1.0 - float(run.metrics("epoch")[-1]["test_top1"]) / 100


class _Captured:
    """A network, captured when it is first asked for."""

    def __init__(self, space: SearchSpace, point: Point) -> None:
        self.space, self.point = space, point

    @cached_property
    def load(self) -> Workload:
        return captured(self.space, self.point)

    @cached_property
    def mapped(self) -> Estimate | None:
        """On the device that is searched with it."""
        return (
            self.space.mapped(self.point, self.load) if isinstance(self.space, Codesign) else None
        )


def recipe_of(space: SearchSpace, point: Point, base: Recipe | None) -> Recipe:
    """A recipe with its network replaced by that of a point.

    Raises:
        UsageError: no recipe, or a space whose networks the zoo does not have.
    """
    found = space.zoo(point)
    if base is None or found is None:
        what = (
            "no recipe is given"
            if base is None
            else f"{space.name} builds networks that the zoo has not"
        )
        raise UsageError(
            f"there is nothing to train: {what}",
            expected="a recipe, and a space of networks of the zoo",
            hint="--recipe digits_resnet56",
        )
    name, settings = found
    return replace(
        base, name=f"{space.name}_{space.encode(point)}"[:80], network=NetworkPart(name, settings),
        about=f"a network of the search space {space.name}, point {space.encode(point)}",
    )  # fmt: skip


def _named(counts: Counts, wanted: Iterable[Quantity]) -> dict[str, float]:
    known = {
        "macs": counts.macs, "params": counts.params, "access": counts.access_bytes, "peak_memory": counts.peak_bytes,
    }  # fmt: skip
    return {str(one): float(known[one.name]) for one in wanted if one.name in COUNTED}


def _said(broken: Constraint, values: dict[str, float]) -> str:
    return f"{broken}: it is {broken.quantity.show(values[str(broken.quantity)])}"
