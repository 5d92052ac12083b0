"""`Correction`: what whole networks take beyond the sum of their operators, learnt from some that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.errors import UsageError

ROUNDS = 30
"""Of reweighting."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A network that was measured.

    Attributes:
        network: its name.
        family: networks of one family are left out together.
        summed_s: seconds of its operators by the model, added up.
        operators: how many there are.
        measured_s: seconds of an inference.
    """

    network: str
    family: str
    summed_s: float
    operators: int
    measured_s: float


@dataclass(frozen=True, slots=True)
class Correction:
    """Seconds of a network: ``slope`` times the sum, and ``call_s`` for each operator."""

    slope: float = 1.0
    call_s: float = 0.0

    def seconds(self, summed_s: float, operators: int) -> float:
        """Of a network."""
        return self.slope * summed_s + self.call_s * operators


def corrected(references: Sequence[Reference]) -> Correction:
    """The correction with the least mean absolute relative error (by iteratively reweighted least squares).

    Fewer than four references settle the slope alone; none, nothing. The constant is never negative.
    """
    if not references:
        return Correction()
    measured = np.array([r.measured_s for r in references])
    summed = np.array([r.summed_s for r in references])
    slope = float(np.median(measured / summed))
    if len(references) < 4:
        return Correction(slope)
    sizes = np.stack([summed, [float(r.operators) for r in references]], axis=1) / measured[:, None]
    weights = np.ones(len(measured))
    found = np.array([slope, 0.0])
    for _ in range(ROUNDS):
        found, *_ = np.linalg.lstsq(sizes * weights[:, None], weights, rcond=None)
        if found[1] < 0 or found[0] <= 0:
            return Correction(slope)
        weights = 1 / np.sqrt(np.maximum(np.abs(sizes @ found - 1), 1e-3))
    return Correction(float(found[0]), float(found[1]))


def left_out(references: Sequence[Reference]) -> tuple[float, ...]:
    """Predicted over measured, minus 1, of each; the correction is learnt from all other families.

    Raises:
        UsageError: a single family, which leaves nothing to learn from.
    """
    families = {r.family for r in references}
    if len(families) < 2:
        raise UsageError(f"{len(families)} families of networks", expected="two at least")
    known = {
        family: corrected([r for r in references if r.family != family]) for family in families
    }
    return tuple(
        known[r.family].seconds(r.summed_s, r.operators) / r.measured_s - 1 for r in references
    )
