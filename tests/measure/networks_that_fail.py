"""Networks for the tests of measuring, imported by child processes: each has a fault of its own."""

from __future__ import annotations

import os
import signal
import sys
import time

import torch
from torch import Tensor, nn


class Small(nn.Module):
    """A convolution and no fault."""

    input_shape = (1, 3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).mean((2, 3))


class Talking(Small):
    """Prints, from Python and below, on what was standard output."""

    def forward(self, x: Tensor) -> Tensor:
        print('{"ok": "not an answer"}')
        os.write(1, b'{"ok": 1}\n')
        return super().forward(x)


class Crashing(Small):
    """Dies of a segmentation fault, as native code does."""

    def forward(self, x: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGSEGV)
        return x


class Leaving(Small):
    """Ends the process."""

    def forward(self, x: Tensor) -> Tensor:
        print("goodbye", file=sys.stderr)
        sys.stderr.flush()
        os._exit(3)


class Killed(Small):
    """Is killed in the middle of being measured, as by the system when memory runs out."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        type(self).calls += 1
        if self.calls > 200:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)


class Raising(Small):
    """Raises."""

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("no luck today")


class TooLarge(Small):
    """Asks for more memory than there is, at batches above 1."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            torch.empty(2**55)
        return super().forward(x)


class Moody(Small):
    """Other outputs at each call."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + time.perf_counter() % 1.0 + 0.5 * torch.rand(())


class Infinite(Small):
    """Not a number, but only from the second call on."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        type(self).calls += 1
        return super().forward(x) / (0.0 if self.calls > 1 else 1.0)


class Shapeless(nn.Conv2d):
    """Does not know its input."""

    def __init__(self) -> None:
        super().__init__(3, 4, 3)
