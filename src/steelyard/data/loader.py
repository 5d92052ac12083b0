"""`Loader`: the batches of an epoch, the same whatever processes compute them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from steelyard.data.batches import Batches
from steelyard.data.dataset import ArrayDataset, Dataset
from steelyard.data.reading import Corrupt, OnCorrupt, Reader, read_ahead
from steelyard.data.transforms import Pipeline
from steelyard.errors import UsageError

__all__ = ["Batch", "Loader"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a network is given at once.

    Attributes:
        images: float32, ``(N, C, H, W)``.
        labels: int64, ``(N,)``.
        targets: float32, ``(N, classes)``, where images are mixed; None otherwise.
        indices: int64, ``(N,)``: the samples' numbers in the data set.
        whole: samples in the batch of all ranks together; a share's gradient counts N / (whole * copies).
        copies: how many ranks have these samples: 1, or all where there are fewer samples than ranks.
    """

    images: Tensor
    labels: Tensor
    targets: Tensor | None
    indices: Tensor
    whole: int
    copies: int = 1

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class _Part:
    """8-bit images of this rank's share of a batch, and the places they have in it."""

    images: Tensor
    labels: Tensor
    rows: np.ndarray


class Loader:
    """The batches of a data set, epoch for epoch.

    The order of an epoch is a function of (seed, epoch); what a transform draws, of (seed, epoch, sample,
    place in the pipeline). So an epoch is the same for any number of ranks and workers, and can be
    entered at any batch. Mixup and CutMix take neighbours of the epoch's order, two and two.

    Args:
        dataset: where images come from.
        batch: samples in a batch, of all ranks together.
        transforms: what happens to the images.
        seed: of the order and the transforms, 0 to 2^64 - 1.
        shuffle: an order of its own for every epoch; otherwise that of the data set.
        workers: processes that read images ahead; a data set that lies in memory needs none.
        rank: which process this is: it gets its share of every batch.
        world: how many processes there are.
        drop_last: leave out the last batch if it is not full.
        channels_last: lay out the images as N, H, W, C in memory.
        on_corrupt: an image that cannot be read ends the epoch (``fail``) or is left out of its batch and
            noted in `corrupt` (``skip``).
        train: apply the random transforms; None: as ``shuffle``.
        fill: a batch that has not a sample for every rank goes to all ranks whole, see `Batch.copies`.
        deal: ranks take turns at whole batches of ``batch`` samples, so that a network computes on each what
            one process would, bit for bit; a rank may get empty ones.

    Raises:
        UsageError: a number is out of its range, or the transforms do not suit evaluation.
        UnknownNameError: ``normalize`` says no numbers and none are registered for the data set.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch: int,
        transforms: Pipeline,
        seed: int = 0,
        shuffle: bool = False,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
        drop_last: bool = False,
        channels_last: bool = False,
        on_corrupt: OnCorrupt = "fail",
        train: bool | None = None,
        fill: bool = False,
        deal: bool = False,
    ) -> None:
        if workers < 0 or on_corrupt not in ("fail", "skip"):
            raise UsageError(
                f"workers={workers}, on_corrupt={on_corrupt!r}",
                expected="0 or more workers, fail or skip",
            )
        self.dataset = dataset
        self.transforms = transforms.of_data(dataset.name)
        if not (shuffle if train is None else train):
            self.transforms = self.transforms.evaluation()
        # mixed images are neighbours, and stay on one rank
        unit = batch if deal else 2 if self.transforms.mixes else 1
        every = batch * world if deal else batch
        self._batches = Batches(
            len(dataset), every, shuffle, seed, rank, world, drop_last, unit, fill
        )
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._seed = seed
        self._workers = workers
        self._on_corrupt: OnCorrupt = on_corrupt
        self._corrupt: dict[int, Corrupt] = {}

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._batches)

    @property
    def corrupt(self) -> tuple[Corrupt, ...]:
        """The images that were left out so far on this rank, each once, in the order of the data set."""
        return tuple(self._corrupt[index] for index in sorted(self._corrupt))

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch ``number`` from batch ``start``; what is skipped is not computed.

        Raises:
            UsageError: no such epoch or batch.
            FileFormatError: an image cannot be read.
            ShapeError: images differ in size after the transforms.
            BackendError: a process that reads images was killed.
        """
        batches = self._batches.of_epoch(number, start)
        parts = self._parts([samples for samples, _ in batches], number)
        for (samples, whole), part in zip(batches, parts, strict=True):
            yield self._batch(part, samples, whole, number)

    def _parts(self, batches: list[np.ndarray], epoch: int) -> Iterator[_Part]:
        if isinstance(self.dataset, ArrayDataset):
            yield from (self._gathered(self.dataset, samples, epoch) for samples in batches)
            return
        reader = Reader(self.dataset, self.transforms, self._seed, self._on_corrupt)
        workers = min(self._workers, len(batches))
        reads = (
            read_ahead(reader, batches, epoch, workers)
            if workers
            else (reader(samples, epoch) for samples in batches)
        )
        for read in reads:
            self._corrupt.update((each.index, each) for each in read.corrupt)
            yield _Part(torch.from_numpy(read.images), torch.from_numpy(read.labels), read.rows)

    def _gathered(self, dataset: ArrayDataset, samples: np.ndarray, epoch: int) -> _Part:
        where = torch.from_numpy(samples).to(dataset.images.device)
        images = self.transforms.bytes(
            dataset.images.index_select(0, where), samples, self._seed, epoch
        )
        labels = dataset.labels.index_select(0, where.to(dataset.labels.device))
        return _Part(images, labels, np.arange(len(samples)))

    def _batch(self, part: _Part, samples: np.ndarray, whole: int, epoch: int) -> Batch:
        kept = samples[part.rows]
        images, targets = self.transforms.floats(part.images, kept, self._seed, epoch), None
        if self.transforms.mixes:
            images, targets = self.transforms.mix(
                images,
                part.labels,
                kept,
                partners=_partners(part.rows),
                classes=len(self.dataset.classes),
                seed=self._seed,
                epoch=epoch,
            )
        copies = self._batches.copies(whole)
        ready = images.contiguous(memory_format=self._layout)
        return Batch(ready, part.labels, targets, torch.from_numpy(kept), whole, copies)


def _partners(rows: np.ndarray) -> np.ndarray:
    """For each image its pair's place among the images: of rows 2k and 2k + 1; its own where that is missing."""
    places = {row: place for place, row in enumerate(rows.tolist())}
    return np.array([places.get(row ^ 1, place) for row, place in places.items()], dtype=np.int64)
