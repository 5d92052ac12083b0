"""`Thresholds`: a policy with the score from which an image leaves at each exit; whole arrays or stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.dynamic.exit_outputs import ExitOutputs, Floats, Ints, softmax
from steelyard.dynamic.policies import Plain, Policy, scores
from steelyard.errors import InputError, UsageError

__all__ = ["Thresholds"]

_DOUBT = 1e-9
"""How near to its threshold a plain score says nothing; rounding moves scores, of 0 to 1, by less than 1e-12."""

_FEW = 100
"""Classes of which plain numbers are quicker than arrays."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When an image leaves: at the first exit whose score reaches the threshold, at the last for certain.

    Stage by stage::

        history = []
        for stage in range(thresholds.exits):
            logits = ...  # (n, classes), of the images that are left
            history.append(thresholds.probabilities(stage, logits))
            leaving = thresholds.leaves(history)  # (n,) bool
            history = [one[~leaving] for one in history]

    Attributes:
        policy: what gives the scores.
        values: of each exit but the last; infinite: no image leaves there, minus infinity: all do.
        temperatures: of each exit, see `steelyard.dynamic.calibration`; none: 1 each.
        model: fingerprint of the network that they were solved for; "" where they go with any.
        budget: that they were solved for, the mean cost of an image; None where none was given.
        unit: of the budget: ``MACs``, ``s``, ``J``.
    """

    policy: Policy
    values: tuple[float, ...]
    temperatures: tuple[float, ...] = ()
    model: str = ""
    budget: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        if any(value != value for value in self.values):
            raise InputError("a threshold is NaN", expected="a number, or infinity")
        heat = self.temperatures
        if heat and (len(heat) != self.exits or not all(0 < t < np.inf for t in heat)):
            raise InputError(
                f"temperatures {heat} for {self.exits} exits",
                expected="one for each exit, finite and above 0",
            )

    @property
    def exits(self) -> int:
        """How many, the last counted."""
        return len(self.values) + 1

    def probabilities(self, stage: int, logits: NDArray[np.floating[Any]]) -> Floats:
        """What goes into the history of an exit: (n, classes) -> (n, classes).

        Args:
            stage: number of the exit, from 0.
            logits: of this exit.

        Raises:
            InputError: logits that are not finite.
            UsageError: no such exit.
        """
        if not 0 <= stage < self.exits:
            raise UsageError(f"exit {stage + 1} of {self.exits}", expected=self._said)
        check_finite(stage, logits)
        return softmax(logits, self.temperatures[stage] if self.temperatures else 1.0)

    def leaves(self, history: Sequence[Floats]) -> NDArray[np.bool_]:
        """Which images leave at the last exit of the history: (n,).

        Args:
            history: `probabilities` of the exits so far, of the images that are still there.

        Raises:
            UsageError: no exit, or more than there are.
            InputError: a score that is NaN.
        """
        stage = len(history) - 1
        if not 0 <= stage < self.exits:
            raise UsageError(f"{len(history)} exits", expected=self._said)
        if stage == self.exits - 1:
            return np.ones(len(history[-1]), dtype=bool)
        found = self.policy.score(history)
        if isnan(np.vdot(found, found)):  # quicker than to look at each
            raise InputError(
                f"the policy {self.policy.name} scores an image at exit {stage + 1} with NaN",
                expected="a number for every image",
            )
        leaving: NDArray[np.bool_] = found >= self.values[stage]
        return leaving

    def stops(self, logits: Sequence[NDArray[np.floating[Any]]]) -> bool:
        """Whether a single image leaves at the last of the exits so far; to the bit as by `leaves`, sooner.

        Args:
            logits: (1, classes) of the exits so far, earliest first.

        Raises:
            UsageError: no exit, or more than there are.
            InputError: logits that are not finite, or a score that is NaN.
        """
        stage = len(logits) - 1
        if stage == len(self.values):
            check_finite(stage, logits[stage])
            return True
        plain: Plain | None = getattr(self.policy, "plain", None)
        if plain is not None and 0 <= stage < len(self.values) and logits[stage].shape[1] <= _FEW:
            heat = self.temperatures[stage] if self.temperatures else 1.0
            score = plain(_plain_shares(logits[stage].tolist()[0], heat))
            if abs(score - self.values[stage]) > _DOUBT:  # NaN is not
                return score > self.values[stage]
        history = [self.probabilities(at, one) for at, one in enumerate(logits)]
        return bool(self.leaves(history)[0])

    def decide(self, outputs: ExitOutputs) -> Ints:
        """Where each image leaves, from 0: (N,).

        Raises:
            UsageError: another number of exits.
        """
        return leave_at(self.scores(outputs), self.values)

    def scores(self, outputs: ExitOutputs) -> Floats:
        """The policy's scores of all exits: (exits, N).

        Raises:
            UsageError: another number of exits.
        """
        if outputs.exits != self.exits:
            raise UsageError(f"outputs of {outputs.exits} exits", expected=self._said)
        return scored(self.policy, outputs, self.temperatures)

    @property
    def _said(self) -> str:
        return f"the network of {self.exits} exits that the thresholds are for"


def check_finite(stage: int, logits: NDArray[np.floating[Any]]) -> None:
    """Refuses logits of an exit, from 0, that are not finite.

    Raises:
        InputError: some are not.
    """
    # the sum of squares first, which of a single row takes a third of the time
    if not isfinite(np.vdot(logits, logits)) and not np.isfinite(logits).all():
        raise InputError(
            f"logits of exit {stage + 1} are not finite",
            expected="finite numbers",
            hint="weights that did not diverge, or a wider precision",
        )


def _plain_shares(logits: list[float], temperature: float) -> list[float]:
    """Probabilities as by `softmax`, but for the last bits of exponentials and sums; NaN if a logit is not finite."""
    scaled = logits if temperature == 1.0 else [one / temperature for one in logits]
    top = max(scaled)
    powers = [exp(one - top) for one in scaled]
    total = sum(powers) if min(scaled) > -inf else nan
    return [power / total for power in powers]


def scored(policy: Policy, outputs: ExitOutputs, temperatures: Sequence[float] = ()) -> Floats:
    """The scores of all exits, with a temperature for each or none: (exits, N).

    Raises:
        UsageError: another number of temperatures.
    """
    heat = tuple(temperatures) or (1.0,) * outputs.exits
    if len(heat) != outputs.exits:
        raise UsageError(
            f"{len(heat)} temperatures for {outputs.exits} exits", expected="one for each"
        )
    shares = [softmax(one, t) for one, t in zip(outputs.logits, heat, strict=True)]
    return scores(policy, shares)


def leave_at(scores: Floats, values: Sequence[float] | Floats) -> Ints:
    """The first exit whose score reaches its threshold, else the last: (exits, N), (exits - 1,) -> (N,)."""
    reached = scores[:-1] >= np.asarray(values, dtype=np.float64)[:, None]
    last = np.ones((1, scores.shape[1]), dtype=bool)
    first: Ints = np.concatenate([reached, last]).argmax(0)
    return first
