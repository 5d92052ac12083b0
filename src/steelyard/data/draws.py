"""`Draws`: random numbers that depend on the seed, the epoch, the sample and the place of use alone.

A generator with a state gives the n-th caller the n-th number: who runs first, in which process, decides.
Here a number is a function of its coordinates, so that a sample is augmented the same in any batch, on any
rank, in any worker, and after a resume in the middle of an epoch.

The function is Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011): the counter is (sample, block, place, epoch), the key is the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

__all__ = ["Draws", "philox", "shuffled"]

Words = NDArray[np.uint64]

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
_LOW, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)
_ROUNDS = 10

_ORDER = 0xFFFFFFFF
"""The place that is kept for the order of an epoch."""


def philox(counter: tuple[Words, Words, Words, Words], seed: int) -> tuple[Words, ...]:
    """Four random 32-bit words for every counter.

    Args:
        counter: four words of 32 bits in arrays of uint64 that broadcast.
        seed: 64 bits, the key.
    """
    a, b, c, d = counter
    keys = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF]
    for _ in range(_ROUNDS):
        first, second = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (
            second >> _32 ^ b ^ np.uint64(keys[0]),
            second & _LOW,
            first >> _32 ^ d ^ np.uint64(keys[1]),
            first & _LOW,
        )
        keys = [key + step & 0xFFFFFFFF for key, step in zip(keys, _WEYL, strict=True)]
    return a, b, c, d


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of some samples at one place of a pipeline.

    Attributes:
        seed: 0 to 2^64 - 1.
        epoch: 0 to 2^32 - 1.
        indices: int64, (N,): which samples of the data set, each below 2^32.
        place: the transform's place in its pipeline.
    """

    seed: int
    epoch: int
    indices: NDArray[np.int64]
    place: int

    def uniform(self, count: int, *, skip: int = 0) -> NDArray[np.float64]:
        """Numbers in [0, 1), multiples of 2^-32, of shape ``(count, N)``.

        Args:
            count: how many for each sample.
            skip: how many to pass over, a multiple of 4: two calls give independent numbers if they
                do not overlap.
        """
        return self._words(count, skip).astype(np.float64) * 2.0**-32

    def _words(self, count: int, skip: int) -> Words:
        first, blocks = skip // 4, -(-count // 4)
        block = np.arange(first, first + blocks, dtype=np.uint64)[:, None]
        sample = self.indices.astype(np.uint64)[None]
        words = philox((sample, block, np.uint64(self.place), np.uint64(self.epoch)), self.seed)  # type: ignore[arg-type]
        return np.stack(words, axis=1).reshape(4 * blocks, -1)[:count]

    def chance(self, p: float) -> Tensor:
        """Which samples something happens to with probability ``p``: bool, (N,); one number each."""
        return from_numpy(self.uniform(1)[0] < p)

    def of(self, rows: NDArray[np.int64] | slice) -> Draws:
        """The same of some of the samples."""
        return Draws(self.seed, self.epoch, self.indices[rows], self.place)


def shuffled(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The numbers 0 to ``count`` - 1 in the order of an epoch: a function of (seed, epoch) alone.

    Sorted by a random key of 64 bits for each, so that every order is equally likely.
    """
    words = Draws(seed, epoch, np.arange(count), _ORDER)._words(2, 0)
    return np.argsort(words[0] << _32 | words[1], kind="stable")
