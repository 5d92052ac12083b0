"""`Images`: a recipe's training images in two parts: those that weights learn from, and those that networks are judged by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from steelyard.data.dataset import ArrayDataset, Dataset
from steelyard.data.loader import Batch, Loader
from steelyard.data.registry import load_data
from steelyard.data.split import split_order
from steelyard.data.transforms import parse_transforms
from steelyard.errors import InputError
from steelyard.train.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

JUDGING = 256
"""Images at once where nothing is learnt."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some images of a data set.

    Attributes:
        whole: the data set.
        indices: of the images.
    """

    whole: Dataset = field(repr=False)
    indices: Sequence[int] = field(repr=False)

    @property
    def name(self) -> str:
        """That of the data set."""
        return self.whole.name

    @property
    def split(self) -> str:
        """That of the data set."""
        return self.whole.split

    @property
    def classes(self) -> Sequence[str]:
        """The names of the labels."""
        return self.whole.classes

    @property
    def fingerprint(self) -> str:
        """That of the data set."""
        return self.whole.fingerprint

    def __len__(self) -> int:
        return len(self.indices)

    def image(self, index: int) -> Tensor:
        """Image ``index``, uint8, ``(C, H, W)``."""
        return self.whole.image(self.indices[index])

    def label(self, index: int) -> int:
        """The label of image ``index``."""
        return self.whole.label(self.indices[index])


@dataclass(frozen=True, slots=True)
class Images:
    """The batches of a search with shared weights.

    Attributes:
        train: that weights learn from, shuffled and transformed.
        held: the others, likewise, for what learns from networks: controllers and the weights of operations.
        judge: the others in order, as images are tested.
        classes: the names of the labels.
        fingerprint: of the data set.
    """

    train: Loader
    held: Loader
    judge: Loader
    classes: tuple[str, ...]
    fingerprint: str


def images_of(recipe: Recipe, share: float, *, root: Path | None = None) -> Images:
    """The training images of a recipe, divided.

    The division is the same for every seed, and every class is divided alike.

    Args:
        recipe: its data, transforms, batch and seed count.
        share: of the images that is held out, above 0 and below 1.
        root: as of `steelyard.load_data`.

    Raises:
        InputError: too few images.
        SteelyardError: as `steelyard.load_data` and the transforms.
    """
    part = recipe.data
    whole = load_data(part.source, "train", root=root)
    labels = [whole.label(i) for i in range(len(whole))]
    order = split_order([str(i).encode() for i in range(len(whole))], labels)
    held = round(share * len(order))
    if not 0 < held < len(order):
        raise InputError(
            f"{share:.0%} of {len(order)} images cannot be held out", expected="more images"
        )
    train, other = (_some(whole, sorted(some.tolist())) for some in (order[held:], order[:held]))

    def loader(data: Dataset, transforms: Sequence[str], *, shuffle: bool, batch: int) -> Loader:
        return Loader(
            data, batch=batch, transforms=parse_transforms(transforms), seed=recipe.seed, shuffle=shuffle,
            workers=part.workers, channels_last=recipe.channels_last, on_corrupt=part.on_corrupt,
            drop_last=shuffle and len(data) >= batch,
        )  # fmt: skip

    return Images(
        loader(train, part.transforms, shuffle=True, batch=part.batch),
        loader(other, part.transforms, shuffle=True, batch=part.batch),
        loader(other, part.test_transforms, shuffle=False, batch=JUDGING),
        tuple(whole.classes),
        whole.fingerprint,
    )


def _some(whole: Dataset, indices: list[int]) -> Dataset:
    if not isinstance(whole, ArrayDataset):
        return Part(whole, indices)
    where = torch.tensor(indices)
    return replace(whole, images=whole.images[where], labels=whole.labels[where])


class Endless:
    """The batches of a loader by number, epoch after epoch; those in order are read on, others entered at.

    Args:
        loader: whose batches.
    """

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self._next = -1
        self._batches: Iterator[Batch] = iter(())

    def __getitem__(self, number: int) -> Batch:
        epoch, place = divmod(number, len(self.loader))
        if number != self._next or place == 0:
            self._batches = self.loader.epoch(epoch, start=place)
        self._next = number + 1
        return next(self._batches)
