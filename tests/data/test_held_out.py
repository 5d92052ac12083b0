"""Images kept from training: every one in one part, every class alike, the same always, of arrays and of files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

import steelyard as sy
from steelyard.data.dataset import Dataset
from steelyard.data.held_out import held_out
from steelyard.data.loader import Loader
from steelyard.data.transforms import parse_transforms
from steelyard.errors import InputError


@dataclass(frozen=True)
class OneByOne:
    """Another data set whose images are read one by one."""

    inner: Dataset
    name: str = "digits"
    split: str = "train"
    fingerprint: str = "f"

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.inner.classes)

    def __len__(self) -> int:
        return len(self.inner)

    def image(self, index: int) -> Tensor:
        return self.inner.image(index)

    def label(self, index: int) -> int:
        return self.inner.label(index)


@pytest.mark.parametrize("read", [lambda digits: digits, OneByOne])
def test_each_image_is_in_one_part_and_each_class_is_shared_alike(read) -> None:
    whole = read(sy.load_data("digits", "train"))
    rest, kept = held_out(whole, 0.2)
    seen = [
        (part.image(i).numpy().tobytes(), part.label(i))
        for part in (rest, kept)
        for i in range(len(part))
    ]
    every = [(whole.image(i).numpy().tobytes(), whole.label(i)) for i in range(len(whole))]
    assert Counter(seen) == Counter(every)
    for label, count in Counter(label for _, label in every).items():
        own = sum(kept.label(i) == label for i in range(len(kept)))
        assert abs(own - 0.2 * count) <= 1
    assert (rest.split, kept.split, kept.name) == ("train", "validation", "digits")
    assert len({rest.fingerprint, kept.fingerprint, whole.fingerprint}) == 3
    again = held_out(whole, 0.2)[1]
    assert again.fingerprint == kept.fingerprint
    assert [again.label(i) for i in range(9)] == [kept.label(i) for i in range(9)]


def test_arrays_and_files_are_divided_alike_and_load() -> None:
    digits = sy.load_data("digits", "train")
    parts = [held_out(whole, 0.05)[1] for whole in (digits, OneByOne(digits))]
    steps = parse_transforms(["normalize"])
    batches = [next(Loader(part, batch=72, transforms=steps).epoch(0)) for part in parts]
    assert torch.equal(batches[0].images, batches[1].images)
    assert torch.equal(batches[0].labels, batches[1].labels)


@pytest.mark.parametrize("share", [0.0001, 0.9999])
def test_too_few_images(share: float) -> None:
    with pytest.raises(InputError, match="of 1437 images cannot be held out"):
        held_out(sy.load_data("digits", "train"), share)
