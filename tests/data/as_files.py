"""Data sets that are not in memory, for tests of reading: some images cannot be read, some kill."""

import os
import signal
import time
from dataclasses import dataclass

import torch
from as_pillow import pictures
from torch import Tensor

from steelyard.errors import FileFormatError


@dataclass(frozen=True)
class Files:
    """Images of sizes of their own, made when they are asked for."""

    count: int
    torn: tuple[int, ...] = ()
    broken: int = -1
    deadly: int = -1
    slow_s: float = 0.0
    name: str = "files"
    split: str = "train"
    classes: tuple[str, ...] = ("a", "b", "c")
    fingerprint: str = ""

    def __len__(self) -> int:
        return self.count

    def image(self, index: int) -> Tensor:
        time.sleep(self.slow_s)
        if index in self.torn:
            raise FileFormatError(f"{index}.jpg is damaged or cut off", expected="a whole image")
        if index == self.broken:
            raise KeyError("colour")
        if index == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return pictures(1, 12 + index % 5, 15 - index % 3, seed=index)[0]

    def label(self, index: int) -> int:
        return index % 3


def same(one: Tensor | None, other: Tensor | None) -> bool:
    return (one is other) if one is None or other is None else torch.equal(one, other)
