"""`Images`: a recipe's training images in two parts: those that weights learn from, and those that networks are judged by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.data.dataset import Dataset
from steelyard.data.held_out import held_out
from steelyard.data.loader import Batch, Loader
from steelyard.data.registry import load_data
from steelyard.data.transforms import parse_transforms
from steelyard.train.recipe import Recipe

JUDGING = 256
"""Images at once where nothing is learnt."""


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
    train, other = held_out(whole, share)

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
