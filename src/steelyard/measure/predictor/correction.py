"""`Correction`: what whole networks take beyond the sum of their operators, learnt from some that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.errors import UsageError
from steelyard.measure.predictor.work import Floats, Work

GROUPS = ("dense", "pointwise", "depthwise", "other")
"""Kinds of operators that share a slope: dense and pointwise convolutions, depthwise and grouped ones, the rest."""

ROUNDS = 30
"""Of reweighting."""

HOLD = 0.3
"""How firmly the groups' slopes are held to their common one: the weight of that against one mean network."""

SHARP = 0.02
"""Relative errors below this weigh alike."""


def group(kind: str) -> int:
    """Place in `GROUPS` of a kind of operator."""
    family, _, name = kind.partition(".")
    if family not in ("conv", "blocked"):
        return 3
    return {"dense": 0, "direct": 0, "pointwise": 1, "depthwise": 2, "grouped": 2, "scale": 2}.get(
        name, 3
    )


def summed(works: Sequence[Work], seconds: Floats) -> tuple[float, ...]:
    """Seconds of the operators of each group."""
    found = [0.0] * len(GROUPS)
    for work, one in zip(works, seconds, strict=True):
        found[group(work.kind)] += float(one)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Reference:
    """A network that was measured.

    Attributes:
        network: its name.
        family: networks of one family are left out together.
        summed_s: seconds of its operators by the model, added up in each of `GROUPS`.
        operators: how many there are.
        measured_s: seconds of an inference.
    """

    network: str
    family: str
    summed_s: tuple[float, ...]
    operators: int
    measured_s: float


@dataclass(frozen=True, slots=True)
class Correction:
    """Seconds of a network: the sum of each group times its slope, and ``call_s`` for each operator."""

    slopes: tuple[float, ...] = (1.0,) * len(GROUPS)
    call_s: float = 0.0

    def seconds(self, summed_s: Sequence[float], operators: int) -> float:
        """Of a network."""
        return float(np.dot(self.slopes, summed_s)) + self.call_s * operators


def corrected(references: Sequence[Reference]) -> Correction:
    """The correction with the least mean absolute relative error (by iteratively reweighted least squares).

    The slopes are drawn towards one of all groups (ridge regression), in units of how far networks differ in the share
    of a group. Fewer than four references settle that one slope alone; none, nothing. No time is ever negative.
    """
    if not references:
        return Correction()
    measured = np.array([r.measured_s for r in references])
    shares = np.array([r.summed_s for r in references]) / measured[:, None]
    slope = float(np.median(1 / shares.sum(axis=1)))
    alike = Correction((slope,) * len(GROUPS))
    if len(references) < 4:
        return alike
    calls = np.array([r.operators for r in references]) / measured
    found = _fitted(np.column_stack([shares, calls]), slope)
    if found[-1] < 0:
        found = np.append(_fitted(shares, slope), 0.0)
    if found[:-1].min() <= 0:
        return alike
    return Correction(tuple(map(float, found[:-1])), float(found[-1]))


def _fitted(sizes: Floats, slope: float) -> Floats:
    """Factors of the columns with which every row adds up to 1."""
    count = len(sizes)
    hold = np.zeros((len(GROUPS), sizes.shape[1]))
    spread = np.maximum(sizes[:, : len(GROUPS)].std(axis=0), 1e-6)
    np.fill_diagonal(hold, np.sqrt(HOLD * count) * spread)
    held = hold[:, : len(GROUPS)].sum(axis=1) * slope
    weights = np.ones(count)
    found: Floats = np.zeros(sizes.shape[1])
    for _ in range(ROUNDS):
        rows = np.vstack([sizes * weights[:, None], hold])
        found, *_ = np.linalg.lstsq(rows, np.concatenate([weights, held]), rcond=None)
        weights = 1 / np.sqrt(np.maximum(np.abs(sizes @ found - 1), SHARP))
        weights /= weights.mean()
    return found


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
