"""Search spaces for the tests, in a module that other processes can import."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import socket
import time
from pathlib import Path

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


class Noted(SearchSpace):
    """Networks of one layer that take a while and leave a note where they were built; one kills its process."""

    kind = "noted"
    name = "noted"

    def __init__(self, folder: str, victim: int = -1) -> None:
        self.folder, self.victim, self.parent = folder, victim, os.getpid()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Channels."""
        return (Choice("channels", tuple(range(1, 41))),)

    def build(self, point: Point) -> nn.Module:
        """A convolution."""
        if os.getpid() != self.parent:
            where = socket.gethostname()
            if importlib.util.find_spec("ray") is not None:
                ray = importlib.import_module("ray")
                where = ray.util.get_node_ip_address() if ray.is_initialized() else where
            (Path(self.folder) / f"{where}.{point[0]}.{time.monotonic_ns()}").touch()
            if point[0] == self.victim:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.3)
        return nn.Conv2d(1, 1 + point[0], 3)

    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        """(1, 1, 4, 4)."""
        return (1, 1, 4, 4)
