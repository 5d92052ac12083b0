"""`Compound` and `Fast`: how depth, width and resolution share in a growth of multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.design.scaling_knobs import Factors
from steelyard.errors import UsageError

TOLERANCE = 0.1
"""How far alpha beta^2 gamma^2 may be from 2: the paper's own coefficients give 1.92."""


@dataclass(frozen=True, slots=True)
class Compound:
    """Compound scaling: depth alpha^phi, width beta^phi, resolution gamma^phi.

    Tan and Le 2019 (arXiv:1905.11946), equation 3; the coefficients are those that the paper found for
    EfficientNet-B0 (sec. 4).

    Raises:
        UsageError: a coefficient below 1, or a product that is not about 2.
    """

    alpha: float = 1.2
    beta: float = 1.1
    gamma: float = 1.15

    def __post_init__(self) -> None:
        if min(self.alpha, self.beta, self.gamma) < 1 or abs(self.growth - 2) > TOLERANCE:
            raise UsageError(
                f"alpha={self.alpha:g}, beta={self.beta:g}, gamma={self.gamma:g}: "
                f"alpha x beta^2 x gamma^2 = {self.growth:.3f}",
                expected=f"each at least 1, the product 2 within {TOLERANCE:g}",
                hint="alpha=1.2, beta=1.1, gamma=1.15",
            )

    @property
    def growth(self) -> float:
        """What multiply-accumulates grow by at phi = 1: alpha beta^2 gamma^2."""
        return self.alpha * self.beta**2 * self.gamma**2

    def factors(self, phi: float) -> Factors:
        """Of depth, width and resolution."""
        return Factors(self.alpha**phi, self.beta**phi, self.gamma**phi)

    def __str__(self) -> str:
        return f"compound scaling, alpha {self.alpha:g}, beta {self.beta:g}, gamma {self.gamma:g}"


@dataclass(frozen=True, slots=True)
class Fast:
    """Fast compound scaling: width takes most, so that activations, and with them time, grow slowest.

    For s times the multiply-accumulates depth is s^((1-alpha)/2), width s^(alpha/2), resolution s^((1-alpha)/4).
    Dollár, Singh, Girshick 2021 (CVPR, arXiv:2103.06877), table 4; they take alpha = 0.8.

    Raises:
        UsageError: alpha is not within 0 and 1.
    """

    alpha: float = 0.8

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"alpha={self.alpha:g} in fast scaling", expected="0 to 1, e.g. 0.8")

    @property
    def growth(self) -> float:
        """What multiply-accumulates grow by at phi = 1."""
        return 2.0

    def factors(self, phi: float) -> Factors:
        """Of depth, width and resolution, for 2^phi times the multiply-accumulates."""
        rest = (1 - self.alpha) / 2
        return Factors(2 ** (rest * phi), 2 ** (self.alpha / 2 * phi), 2 ** (rest / 2 * phi))

    def __str__(self) -> str:
        return f"fast compound scaling, alpha {self.alpha:g}"


Rule = Compound | Fast
