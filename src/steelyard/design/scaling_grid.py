"""`scaling_grid`: every alpha, beta, gamma on a grid with alpha beta^2 gamma^2 near 2, and what each does to a network.

The first step of compound scaling (Tan and Le 2019, sec. 3.3): phi is 1, and the coefficients with the best network
are kept for all larger ones. What best means is the caller's: the paper trained each; costs alone do not say it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from steelyard._display import Printable
from steelyard.capture.api import capture
from steelyard.cost.counts import add_up, tally
from steelyard.cost.memory import peak_activation_memory
from steelyard.design.scaling_knobs import knobs_of
from steelyard.design.scaling_rules import TOLERANCE, Compound
from steelyard.errors import UsageError

SCHEMA = "steelyard.scaling_grid/1"

Score = Callable[[str], float]
"""From a SOURCE to a number, the larger the better: an accuracy, for instance."""


@dataclass(frozen=True, slots=True)
class GridPoint:
    """One choice of coefficients, at phi = 1.

    Attributes:
        rule: the coefficients.
        source: the network that they make.
        params, macs, peak_bytes: of it, counted on its capture.
        growth: its MACs over those of the network that was given; ``rule.growth`` is what they should be.
        score: what the caller's function said.
    """

    rule: Compound
    source: str
    params: int
    macs: int
    peak_bytes: int
    growth: float
    score: float | None = None


@dataclass(frozen=True, repr=False)
class ScalingGrid(Printable):
    """All points, the best score first; without scores, by the product's distance from 2.

    Attributes:
        network: the network that was given.
        step: of the grid.
        tolerance: of the product.
        points: those within it.
    """

    network: str
    step: float
    tolerance: float
    points: tuple[GridPoint, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data under the schema ``steelyard.scaling_grid/1``."""
        return {
            "schema": SCHEMA,
            "network": self.network,
            "step": self.step,
            "tolerance": self.tolerance,
            "points": [
                {
                    "alpha": point.rule.alpha,
                    "beta": point.rule.beta,
                    "gamma": point.rule.gamma,
                    "product": point.rule.growth,
                    "macs_ratio": point.growth,
                    "source": point.source,
                    "params": point.params,
                    "macs": point.macs,
                    "peak_activation_bytes": point.peak_bytes,
                    "score": point.score,
                }
                for point in self.points
            ],
        }

    def __repr__(self) -> str:
        return f"<ScalingGrid of {self.network}: {len(self.points)} points>"


def scaling_grid(
    network: str,
    *,
    step: float = 0.1,
    tolerance: float = TOLERANCE,
    score: Score | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ScalingGrid:
    """Every alpha, beta, gamma of the grid whose alpha beta^2 gamma^2 is 2 within the tolerance.

    Args:
        network: a name of the zoo, with settings if need be.
        step: of alpha; that of beta and gamma is half of it.
        tolerance: of the product, at most `TOLERANCE`.
        score: judges each network; the best comes first.
        progress: told (done, all).

    Raises:
        UsageError: a step or a tolerance out of bounds, or a family that cannot be scaled.
        UnknownNameError: no such network.
    """
    if not 0.01 <= step <= 1:
        raise UsageError(f"a grid of step {step:g}", expected="0.01 to 1, e.g. 0.1")
    if not 0 < tolerance <= TOLERANCE:
        raise UsageError(
            f"a tolerance of {tolerance:g}", expected=f"above 0, at most {TOLERANCE:g}"
        )
    knobs = knobs_of(network)
    base = capture(network).macs
    rules = list(_rules(step, tolerance))
    points = []
    for done, rule in enumerate(rules, 1):
        source = knobs.source(rule.factors(1))
        load = capture(source)
        total = add_up(tally(load))
        peak = peak_activation_memory(load, state_cap=0).peak_bytes
        said = None if score is None else float(score(source))
        points.append(
            GridPoint(rule, source, total.params, total.macs, peak, total.macs / base, said)
        )
        if progress is not None:
            progress(done, len(rules))
    points.sort(key=lambda p: abs(p.rule.growth - 2) if p.score is None else -p.score)
    return ScalingGrid(network, step, tolerance, tuple(points))


def _rules(step: float, tolerance: float) -> Iterator[Compound]:
    fine = step / 2
    for i in range(round(1.2 / step) + 1):
        alpha = round(1 + i * step, 6)
        for j in range(round(0.5 / fine) + 1):
            beta = round(1 + j * fine, 6)
            for k in range(round(0.5 / fine) + 1):
                gamma = round(1 + k * fine, 6)
                if abs(alpha * beta**2 * gamma**2 - 2) <= tolerance:
                    yield Compound(alpha, beta, gamma)
