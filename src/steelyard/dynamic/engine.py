"""`Engine`: runs a network stage by stage and computes no further than each image needs.

One image stops at its exit. Of a batch the images that left are dropped before the next stage, which then computes on
the rest alone; so stages see batches of many sizes, and kernels that add in another order for another size may differ in
the last bits from a run of everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.dynamic.exit_outputs import Floats, Ints
from steelyard.dynamic.thresholds import Thresholds
from steelyard.errors import InputError, ShapeError, UsageError

__all__ = ["Decision", "Engine", "Stages", "run_all"]

Logits = NDArray[np.float32]


class Stages(Protocol):
    """A network that can be run stage by stage, by whatever computes it.

    The state of a network is whatever its `begin` and `advance` return; nobody else looks into it.
    """

    @property
    def exits(self) -> int:
        """How many classifiers there are."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the network's weights; "" where it is not known."""
        ...

    def begin(self, images: Any) -> Any:
        """Images (N, C, H, W) -> the state before the first stage."""
        ...

    def advance(self, stage: int, state: Any) -> tuple[Logits, Any]:
        """The logits (n, classes) of the exit of a stage, and what later stages need."""
        ...

    def keep(self, state: Any, rows: Ints) -> Any:
        """The state of some of its images, in the order of ``rows``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Where images left and what was said of them there.

    Attributes:
        exits: (N,), from 0.
        logits: float32, (N, classes), of each image's own exit.
        costs: of each image, (N,), in the unit of the engine's costs; None without these.
        computed: images that each stage ran on, for what the saving really is.
    """

    exits: Ints
    logits: Logits
    costs: Floats | None
    computed: tuple[int, ...]

    @property
    def classes(self) -> Ints:
        """The class with the largest logit, the first of equals: (N,)."""
        best: Ints = self.logits.argmax(-1)
        return best

    def histogram(self) -> tuple[int, ...]:
        """Images that left at each exit."""
        counts = np.bincount(self.exits, minlength=len(self.computed))
        return tuple(int(count) for count in counts)


class Engine:
    """A network with the thresholds by which images leave.

    Example: ``Engine(TorchStages(network), thresholds).run(images).exits``.

    Args:
        stages: the network.
        thresholds: when an image leaves.
        costs: of leaving at each exit, cumulative, in any unit.

    Raises:
        UsageError: thresholds or costs for another number of exits.
        InputError: thresholds that were solved for another network.
    """

    def __init__(
        self, stages: Stages, thresholds: Thresholds, *, costs: ArrayLike | None = None
    ) -> None:
        if thresholds.exits != stages.exits:
            raise UsageError(
                f"thresholds for {thresholds.exits} exits and a network with {stages.exits}",
                expected="thresholds that were solved for this network",
            )
        if thresholds.model and stages.fingerprint and thresholds.model != stages.fingerprint:
            raise InputError(
                f"the thresholds were solved for another network (fingerprint {thresholds.model[:16]}…, "
                f"not {stages.fingerprint[:16]}…)",
                expected="thresholds that were solved for this network with these weights",
            )
        self.stages = stages
        self.thresholds = thresholds
        self.costs = None if costs is None else np.asarray(costs, dtype=np.float64)
        if self.costs is not None and self.costs.shape != (stages.exits,):
            raise UsageError(
                f"costs of shape {self.costs.shape}",
                expected=f"one for each of {stages.exits} exits",
            )

    def run(self, images: Any) -> Decision:
        """Decides on a batch.

        Args:
            images: float32 (N, C, H, W), a tensor or an array, as the stages take them.

        Raises:
            InputError: no image, or logits that are not finite.
            ShapeError: exits that disagree in their classes.
        """
        count = images.shape[0]
        if not count:
            raise InputError("no image in the batch", expected="one or more")
        return self._one(images) if count == 1 else self._several(images, count)

    def _one(self, images: Any) -> Decision:
        """As `_several`, without the bookkeeping, which is much of the time of a small network."""
        said: list[Logits] = []
        state, last = self.stages.begin(images), self.stages.exits - 1
        for stage in range(last + 1):
            logits, state = self.stages.advance(stage, state)
            said.append(logits)
            _check(stage, logits, (1, said[0].shape[-1]))
            if self.thresholds.stops(said):
                break
        exits = np.array([stage])
        computed = (1,) * (stage + 1) + (0,) * (last - stage)
        costs = None if self.costs is None else self.costs[exits]
        return Decision(exits, logits, costs, computed)

    def _several(self, images: Any, count: int) -> Decision:
        exits = np.zeros(count, dtype=np.int64)
        chosen: Logits = np.empty((count, 0), dtype=np.float32)
        left = np.arange(count)
        history: list[Floats] = []
        computed = [0] * self.stages.exits
        state = self.stages.begin(images)
        for stage in range(self.stages.exits):
            computed[stage] = len(left)
            logits, state = self.stages.advance(stage, state)
            if not stage:
                chosen = np.empty((count, logits.shape[-1]), dtype=np.float32)
            _check(stage, logits, (len(left), chosen.shape[1]))
            history.append(self.thresholds.probabilities(stage, logits))
            leaving = self.thresholds.leaves(history)
            gone = left[leaving]
            exits[gone], chosen[gone] = stage, logits[leaving]
            if len(gone) == len(left):
                break
            if len(gone):
                staying = np.flatnonzero(~leaving)
                left, state = left[staying], self.stages.keep(state, staying)
                history = [one[staying] for one in history]
        costs = None if self.costs is None else self.costs[exits]
        return Decision(exits, chosen, costs, tuple(computed))


def run_all(stages: Stages, images: Any) -> list[Logits]:
    """The logits of every exit, (N, classes) each, without any policy."""
    state, found = stages.begin(images), []
    for stage in range(stages.exits):
        logits, state = stages.advance(stage, state)
        found.append(logits)
    return found


def _check(stage: int, logits: Logits, expected: tuple[int, int]) -> None:
    if logits.shape != expected:
        raise ShapeError(
            f"exit {stage + 1} has logits of shape {tuple(logits.shape)}",
            expected=f"{expected}: images and the classes of exit 1",
        )
