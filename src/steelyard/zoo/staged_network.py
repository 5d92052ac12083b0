"""`StagedNetwork`: what networks with a classifier behind each of their stages share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from steelyard.zoo.network import Network


class StagedNetwork(Network):
    """A network that is run exit by exit; all outputs are returned, earliest first.

    Attributes:
        exits: number of classifiers.
        classifiers: one for each exit.
    """

    exits: int
    classifiers: nn.ModuleList

    def begin(self, images: Tensor) -> Any:
        """What the first stage reads: (N, C, H, W) -> the images alone."""
        return [images]

    @abstractmethod
    def advance(self, stage: int, state: Any) -> tuple[Tensor, Any]:
        """The stage of that number -> (N, classes) of its classifier, and what later stages read."""

    def classify(self, x: Tensor) -> Tensor:
        """The last classifier on what it reads: (N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.classifiers[-1](x)
        return out

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) -> (N, classes) from every classifier, earliest first."""
        state, logits = self.begin(x), []
        for stage in range(self.exits):
            out, state = self.advance(stage, state)
            logits.append(out)
        return tuple(logits)
