"""What proxies for accuracy are worth: how well they rank networks all of which were trained, as measured once.

The networks are the 216 of ``benchmarks/tabulated_space.toml``, trained on a part of Fashion-MNIST; the table is
``benchmarks/results/tabulated_space.csv``, from which a test works the figures out again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a proxy ranks networks.

    Attributes:
        spearman: its rank correlation with the accuracy after the full training.
        networks: that it was measured over.
        proxy: what was compared, in words.
    """

    spearman: float
    networks: int
    proxy: str

    def __str__(self) -> str:
        return f"{self.proxy} ranked {self.networks} small networks for Fashion-MNIST with a correlation of {self.spearman:.2f}"


NASWOT = Ranking(0.70, 216, "the score")
SHORT_TRAINING = Ranking(0.92, 54, "half the epochs")
