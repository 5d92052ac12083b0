"""Policies: how sure an exit is of an image, as one number; the image leaves where that is high enough.

A policy sees the probabilities of the exits that an image has passed, nothing else. Its score of an image does not
depend on the images beside it, so scores on whole arrays and stage by stage are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from steelyard.dynamic.exit_outputs import Floats
from steelyard.errors import UnknownNameError

__all__ = ["Confidence", "Entropy", "Margin", "Patience", "Policy", "named_policy"]


@runtime_checkable
class Policy(Protocol):
    """Scores of exits; a frozen dataclass.

    Attributes:
        name: of the kind, as in files and on the command line.
    """

    name: ClassVar[str]

    def score(self, history: Sequence[Floats]) -> Floats:
        """How sure the last exit of the history is: (n,), the higher, the sooner an image leaves.

        Args:
            history: probabilities (n, classes) of the exits so far, earliest first.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain data, with ``name``."""
        ...


Plain = Callable[[Sequence[float]], float]
"""The score of one image from the probabilities of its last exit, within rounding; NaN of NaN. In plain numbers, which of
ten classes take a fifth of the time. A policy has it as ``plain`` if its score hangs on nothing else and does not jump."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """The probability of the likeliest class (Huang et al. 2018, arXiv:1703.09844, section 5); 1/classes to 1."""

    name: ClassVar[str] = "confidence"

    def score(self, history: Sequence[Floats]) -> Floats:
        """See `Policy.score`."""
        best: Floats = np.maximum.reduce(history[-1], axis=-1)
        return best

    def plain(self, shares: Sequence[float]) -> float:
        """See `Plain`."""
        return max(shares)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name}


@dataclass(frozen=True, slots=True)
class Margin:
    """The probability of the likeliest class less that of the second; 0 to 1."""

    name: ClassVar[str] = "margin"

    def score(self, history: Sequence[Floats]) -> Floats:
        """See `Policy.score`."""
        return margin(history[-1])

    def plain(self, shares: Sequence[float]) -> float:
        """See `Plain`."""
        *_, second, first = (0.0, *sorted(shares))
        return first - second

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name}


@dataclass(frozen=True, slots=True)
class Entropy:
    """1 less the entropy's share of the largest possible one (Teerapittayanon et al. 2016, BranchyNet); 0 to 1."""

    name: ClassVar[str] = "entropy"

    def score(self, history: Sequence[Floats]) -> Floats:
        """See `Policy.score`."""
        return certainty(history[-1])

    def plain(self, shares: Sequence[float]) -> float:
        """See `Plain`."""
        if len(shares) < 2:
            return shares[0]
        return 1 + sum(share * log(share) for share in shares if share != 0) / log(len(shares))

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name}


@dataclass(frozen=True, slots=True)
class Patience:
    """How many exits in a row chose the same class (Zhou et al. 2020, arXiv:2006.04152), this one counted.

    The whole number of exits, and half the confidence to tell equals apart: with the threshold k at every exit
    an image leaves once k exits agree, and thresholds between meet any budget.
    """

    name: ClassVar[str] = "patience"

    def score(self, history: Sequence[Floats]) -> Floats:
        """See `Policy.score`."""
        last = history[-1].argmax(-1)
        run = np.ones(len(last))
        same = np.ones(len(last), dtype=bool)
        for earlier in reversed(history[:-1]):
            same &= earlier.argmax(-1) == last
            run += same
        score: Floats = run + history[-1].max(-1) / 2
        return score

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name}


def margin(probabilities: Floats) -> Floats:
    """Largest less second: (n, classes) -> (n,); of one class its probability."""
    if probabilities.shape[-1] < 2:
        only: Floats = probabilities[..., 0]
        return only
    largest = np.partition(probabilities, -2, axis=-1)
    gap: Floats = largest[..., -1] - largest[..., -2]
    return gap


def certainty(probabilities: Floats) -> Floats:
    """1 - entropy / log(classes): (n, classes) -> (n,); 1 of one class."""
    classes = probabilities.shape[-1]
    if classes < 2:
        return np.ones(probabilities.shape[:-1])
    safe = np.where(probabilities > 0, probabilities, 1.0)
    sure: Floats = 1 + (probabilities * np.log(safe)).sum(-1) / np.log(classes)
    return sure


def scores(policy: Policy, probabilities: Sequence[Floats]) -> Floats:
    """The scores of all exits at once: (N, classes) of each exit -> (exits, N)."""
    stages = range(1, len(probabilities) + 1)
    found: Floats = np.stack([policy.score(probabilities[:stage]) for stage in stages])
    return found


PLAIN: Mapping[str, type[Confidence | Margin | Entropy | Patience]] = {
    kind.name: kind for kind in (Confidence, Margin, Entropy, Patience)
}


def named_policy(name: str) -> Policy:
    """A policy that needs no fitting: ``confidence``, ``margin``, ``entropy`` or ``patience``.

    Raises:
        UnknownNameError: another name.
    """
    if name not in PLAIN:
        raise UnknownNameError(
            "policy", name, PLAIN, hint="learnt policies are made by fit_learnt()"
        )
    return PLAIN[name]()
