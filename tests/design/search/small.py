"""Search spaces for the tests, in a module that other processes can import."""

from __future__ import annotations

import os
import signal
import time

from torch import nn

from steelyard.design.spaces import Choice, MobileSpace, MobileStage, Point, SearchSpace

SETTINGS = {
    "num_classes": 10, "in_channels": 1, "stem": "cifar", "stem_channels": 8, "head_channels": 16,
}  # fmt: skip


def tiny(kernels: tuple[int, ...] = (3, 5)) -> MobileSpace:
    """24 networks for digits."""
    stages = (
        MobileStage(channels=(8, 16), kernel=kernels, expansion=(2.0,)),
        MobileStage(channels=(16, 24, 32), repeats=(1, 2), expansion=(2.0,), stride=2),
    )
    return MobileSpace("tiny", stages, resolution=(8,), settings=SETTINGS)


class Deadly(SearchSpace):
    """Networks of one layer; one kills the process that builds it, one raises, the others take a while."""

    kind = "deadly"
    name = "deadly"

    def __init__(self, parent: int, seconds: float = 0.0) -> None:
        self.parent, self.seconds = parent, seconds

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Channels: 0 kills, 1 raises."""
        return (Choice("channels", tuple(range(12))),)

    def build(self, point: Point) -> nn.Module:
        """A convolution, or none."""
        channels = point[0]
        if channels == 1:
            raise ZeroDivisionError("one is too few")
        if os.getpid() != self.parent:
            time.sleep(self.seconds)
            if channels == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return nn.Conv2d(1, max(channels, 1), 3)

    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        """(1, 1, 4, 4)."""
        return (1, 1, 4, 4)
