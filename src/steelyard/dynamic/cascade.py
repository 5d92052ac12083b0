"""`Cascade`: separate networks, small first, tried one after the other until one is sure."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import ShapeError, UsageError

__all__ = ["Cascade"]


class Cascade(nn.Module):
    """The naive way to spend less on easy images; an `EarlyExit` whose stages share nothing.

    Each network sees the image anew, so that what the first ones did is lost when an image goes on::

        cascade = Cascade([create("alexnet"), create("googlenet"), create("resnet50")])

    Attributes:
        networks: in the order in which they are tried; each (N, C, H, W) -> (N, classes).
        exits: how many there are.
        input_shape: (1, C, H, W) of the largest image that any of them was made for, or None.
    """

    input_shape: tuple[int, ...] | None = None

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        """Takes the networks as they are.

        Raises:
            UsageError: none, or one of them twice.
        """
        super().__init__()
        if not networks or len({id(one) for one in networks}) != len(networks):
            raise UsageError(
                f"a cascade of {len(networks)} networks, {len({id(one) for one in networks})} different ones",
                expected="one network or more, each once",
            )
        self.networks = nn.ModuleList(networks)
        self.exits = len(networks)
        shapes = [getattr(one, "input_shape", None) for one in networks]
        known = [tuple(shape) for shape in shapes if shape is not None]
        self._sizes = [None if shape is None else tuple(shape[2:]) for shape in shapes]
        if known:
            self.input_shape = max(known, key=lambda shape: shape[-1])

    def begin(self, images: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> the images alone."""
        return [images]

    def advance(self, stage: int, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The network of that number -> (N, classes), the images; it sees them resized (bilinear) to what it was made for.

        Raises:
            ShapeError: the network returns no logits.
        """
        images, size = state[0], self._sizes[stage]
        own = images
        if size is not None and images.shape[2:] != size:
            own = F.interpolate(images, size=size, mode="bilinear")
        logits = self.networks[stage](own)
        if not isinstance(logits, Tensor) or logits.dim() != 2:
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ShapeError(
                f"network {stage + 1} of the cascade returns {found}",
                expected="logits (N, classes)",
            )
        return logits, [images] if stage + 1 < self.exits else []

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) -> (N, classes) of every network."""
        state, logits = self.begin(images), []
        for stage in range(self.exits):
            out, state = self.advance(stage, state)
            logits.append(out)
        return tuple(logits)
