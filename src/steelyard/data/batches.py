"""Which samples make which batch on which rank: the order of an epoch, cut into shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.data.draws import shuffled
from steelyard.errors import UsageError

__all__ = ["Batches"]


@dataclass(frozen=True, slots=True)
class Batches:
    """The samples of every batch of one rank.

    The global batches are those of one process; a rank's share of each is a run of neighbours, and the
    shares of all ranks are the global batch in order. Shares differ by at most ``unit``; one may be
    empty where fewer samples are left than ranks, unless ``fill``.

    Attributes:
        count: samples in the data set.
        batch: samples in a global batch.
        shuffle: an order of its own for every epoch; otherwise that of the data set.
        seed: of the order.
        rank: which process this is.
        world: how many there are.
        drop_last: leave out the last batch if it is not full.
        unit: so many neighbours stay on one rank.
        fill: a global batch that would leave a rank empty goes to every rank whole.
    """

    count: int
    batch: int
    shuffle: bool
    seed: int
    rank: int
    world: int
    drop_last: bool
    unit: int = 1
    fill: bool = False

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UsageError(f"batch={self.batch}", expected="1 or more samples")
        if self.world < 1 or not 0 <= self.rank < self.world:
            raise UsageError(
                f"rank={self.rank} of world={self.world}", expected="a rank from 0 to world - 1"
            )
        if self.batch < self.world * self.unit:
            raise UsageError(
                f"a batch of {self.batch} for {self.world} processes",
                expected=f"at least {self.world * self.unit}: the batch is that of all together",
            )
        if not 0 <= self.seed < 2**64:
            raise UsageError(f"seed={self.seed}", expected="0 to 2^64 - 1")

    def __len__(self) -> int:
        """The number of batches, the same on every rank."""
        return self.count // self.batch if self.drop_last else -(-self.count // self.batch)

    def of_epoch(self, epoch: int, start: int) -> list[tuple[NDArray[np.int64], int]]:
        """This rank's samples of every batch from number ``start``, each with the global batch's size."""
        if not 0 <= epoch < 2**32:
            raise UsageError(f"epoch={epoch}", expected="0 to 2^32 - 1")
        if not 0 <= start <= len(self):
            raise UsageError(f"start={start}", expected=f"0 to {len(self)} batches to skip")
        order = shuffled(self.count, self.seed, epoch) if self.shuffle else np.arange(self.count)
        cuts = range(start * self.batch, len(self) * self.batch, self.batch)
        wholes = [order[cut : cut + self.batch] for cut in cuts]
        return [(self._share(whole), len(whole)) for whole in wholes]

    def copies(self, whole: int) -> int:
        """How many ranks get each sample of a global batch of ``whole``: one, or all."""
        return self.world if self.fill and whole <= (self.world - 1) * self.unit else 1

    def _share(self, whole: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.copies(len(whole)) > 1:
            return whole
        units = -(-len(whole) // self.unit)
        low, high = (self.unit * (units * r // self.world) for r in (self.rank, self.rank + 1))
        return whole[low:high]
