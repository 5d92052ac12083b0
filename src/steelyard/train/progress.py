"""`Moment`: where a training stands, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Moment", "Watch"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a training stands.

    Attributes:
        phase: ``train``, ``test``, or ``end`` of the epoch.
        epoch: the first is 1.
        epochs: of the recipe.
        done: batches, or of a test images, done in this epoch.
        total: of these.
        loss: mean over the epoch so far; None before the first step.
        top1: training accuracy in percent over the epoch so far.
        lr: of the last step.
        images_per_s: over the epoch so far.
        test_top1: of the last test, in percent; None before the first.
    """

    phase: Literal["train", "test", "end"]
    epoch: int
    epochs: int
    done: int
    total: int
    loss: float | None = None
    top1: float | None = None
    lr: float | None = None
    images_per_s: float | None = None
    test_top1: float | None = None


Watch = Callable[[Moment], None]
