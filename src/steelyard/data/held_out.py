"""`held_out`: a data set in two parts, a share of every class kept apart from what a network is trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from steelyard.data.dataset import ArrayDataset, Dataset
from steelyard.data.split import split_order
from steelyard.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["VALIDATION", "Part", "held_out"]

VALIDATION = "validation"
"""The split that images which were kept apart call themselves."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some images of a data set.

    Attributes:
        whole: the data set.
        indices: of the images.
        split: as of every `Dataset`.
        fingerprint: likewise.
    """

    whole: Dataset = field(repr=False)
    indices: Sequence[int] = field(repr=False)
    split: str
    fingerprint: str = field(repr=False)

    @property
    def name(self) -> str:
        """That of the data set."""
        return self.whole.name

    @property
    def classes(self) -> Sequence[str]:
        """The names of the labels."""
        return self.whole.classes

    def __len__(self) -> int:
        return len(self.indices)

    def image(self, index: int) -> Tensor:
        """Image ``index``, uint8, ``(C, H, W)``."""
        return self.whole.image(self.indices[index])

    def label(self, index: int) -> int:
        """The label of image ``index``."""
        return self.whole.label(self.indices[index])


def held_out(whole: Dataset, share: float) -> tuple[Dataset, Dataset]:
    """The images to train on, and those that are kept apart.

    The division is the same everywhere and for ever; every class is divided alike.

    >>> from steelyard.data.registry import load_data
    >>> rest, kept = held_out(load_data("digits", "train"), 0.1)
    >>> len(rest), len(kept), kept.split
    (1293, 144, 'validation')

    Args:
        whole: the training images.
        share: that is kept apart, above 0 and below 1.

    Raises:
        InputError: too few images for both parts.
    """
    count = len(whole)
    order = split_order(
        [str(i).encode() for i in range(count)], [whole.label(i) for i in range(count)]
    )
    kept = round(share * count)
    if not 0 < kept < count:
        raise InputError(
            f"{share:.0%} of {count} images cannot be held out", expected="more images"
        )
    return (
        _part(whole, sorted(order[kept:].tolist()), whole.split),
        _part(whole, sorted(order[:kept].tolist()), VALIDATION),
    )


def _part(whole: Dataset, indices: list[int], split: str) -> Dataset:
    said = f"{whole.fingerprint} {split} {len(indices)} of {len(whole)}"
    fingerprint = hashlib.sha256(said.encode()).hexdigest()
    if not isinstance(whole, ArrayDataset):
        return Part(whole, indices, split, fingerprint)
    images, labels = whole.images[indices], whole.labels[indices]
    return replace(whole, split=split, images=images, labels=labels, fingerprint=fingerprint)
