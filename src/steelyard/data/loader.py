"""`Loader`: the batches of an epoch, the same whatever processes compute them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from steelyard.data.batches import Batches
from steelyard.data.dataset import ArrayDataset, Dataset
from steelyard.data.transforms import Pipeline

__all__ = ["Batch", "Loader"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a network is given at once.

    Attributes:
        images: float32, ``(N, C, H, W)``.
        labels: int64, ``(N,)``.
        targets: float32, ``(N, classes)``, where labels are mixed; None otherwise.
        indices: int64, ``(N,)``: the samples' numbers in the data set.
        whole: samples in the batch of all ranks together; a share's gradient counts N / whole.
    """

    images: Tensor
    labels: Tensor
    targets: Tensor | None
    indices: Tensor
    whole: int

    def __len__(self) -> int:
        return len(self.labels)


class Loader:
    """The batches of a data set, epoch for epoch.

    The order of an epoch is a function of (seed, epoch); what a transform draws, of (seed, epoch, sample,
    place in the pipeline). So an epoch is the same for any number of ranks and workers, and can be
    entered at any batch.

    Args:
        dataset: where images come from.
        batch: samples in a batch, of all ranks together.
        transforms: what happens to the images.
        seed: of the order and the transforms, 0 to 2^64 - 1.
        shuffle: an order of its own for every epoch; otherwise that of the data set.
        workers: processes that read images; a data set that lies in memory needs none.
        rank: which process this is: it gets its share of every batch.
        world: how many processes there are.
        drop_last: leave out the last batch if it is not full.
        channels_last: lay out the images as N, H, W, C in memory.
        on_corrupt: what an image that cannot be read means.
        train: apply the random transforms; None: as ``shuffle``.

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
        on_corrupt: Literal["fail", "skip"] = "fail",
        train: bool | None = None,
    ) -> None:
        self.dataset = dataset
        self.transforms = transforms.of_data(dataset.name)
        if not (shuffle if train is None else train):
            self.transforms = self.transforms.evaluation()
        self._batches = Batches(len(dataset), batch, shuffle, seed, rank, world, drop_last)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._seed = seed

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._batches)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch ``number`` from batch ``start``; what is skipped is not computed."""
        for samples, whole in self._batches.of_epoch(number, start):
            indices = torch.from_numpy(samples)
            images, labels = _gathered(self.dataset, indices)
            seen = self.transforms(images, indices, seed=self._seed, epoch=number)
            yield Batch(seen.contiguous(memory_format=self._layout), labels, None, indices, whole)


def _gathered(dataset: Dataset, indices: Tensor) -> tuple[Tensor | list[Tensor], Tensor]:
    if isinstance(dataset, ArrayDataset):
        where = indices.to(dataset.images.device)
        return dataset.images.index_select(0, where), dataset.labels.index_select(0, where)
    samples = indices.tolist()
    labels = torch.tensor([dataset.label(i) for i in samples], dtype=torch.int64)
    return [dataset.image(i) for i in samples], labels
