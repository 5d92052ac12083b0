"""`DatasetContract`: a pytest class that any data set must pass; derive from it and say how it is loaded.

::

    class TestMine(DatasetContract):
        def load(self, split: str) -> Dataset:
            return steelyard.load_data("mine", split)
"""

from __future__ import annotations

import copy
import re
from typing import ClassVar

import pytest
import torch

from steelyard.data.dataset import Dataset

_SAMPLE = 20
"""Images that are looked at, spread over the data set."""


class DatasetContract:
    """What `Dataset` promises."""

    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    """Those that there are."""

    def load(self, split: str) -> Dataset:
        """The data set, read anew."""
        pytest.fail(f"{type(self).__name__} does not say how its data set is loaded")

    @pytest.fixture(params=["train", "test"])
    def dataset(self, request: pytest.FixtureRequest) -> Dataset:
        """Each split in turn."""
        if request.param not in self.splits:
            pytest.skip(f"no split {request.param}")
        return self.load(request.param)

    def test_it_follows_the_protocol(self, dataset: Dataset) -> None:
        """It has a name that can be typed, a split, images, and classes that differ."""
        assert isinstance(dataset, Dataset)
        assert dataset.name.isidentifier()
        assert dataset.split in self.splits
        assert len(dataset) > 0
        assert all(isinstance(name, str) and name for name in dataset.classes)
        assert len(set(dataset.classes)) == len(dataset.classes)

    def test_labels_are_indices_into_the_classes(self, dataset: Dataset) -> None:
        """All of them; and the same classes in both splits."""
        labels = {dataset.label(index) for index in range(len(dataset))}
        assert all(type(label) is int for label in labels)
        assert labels <= set(range(len(dataset.classes)))
        for split in self.splits:
            assert tuple(self.load(split).classes) == tuple(dataset.classes)

    def test_images_are_bytes_by_channel_row_and_column(self, dataset: Dataset) -> None:
        """The first, the last and some between them: uint8, (C, H, W), the same when read again."""
        for index in self.some(dataset):
            image = dataset.image(index)
            assert image.dtype is torch.uint8
            assert image.dim() == 3
            assert image.shape[0] in (1, 3)
            assert image.numel() > 0
            assert torch.equal(dataset.image(index), image)

    def test_the_fingerprint_tells_contents_apart(self, dataset: Dataset) -> None:
        """It is a SHA-256, the same for the same content, another one for the other split."""
        assert re.fullmatch("[0-9a-f]{64}", dataset.fingerprint)
        found = {split: self.load(split).fingerprint for split in self.splits}
        assert found[dataset.split] == dataset.fingerprint
        assert len(set(found.values())) == len(found)

    def test_a_copy_reads_the_same(self, dataset: Dataset) -> None:
        """Worker processes have one."""
        other = copy.deepcopy(dataset)
        for index in self.some(dataset):
            assert torch.equal(other.image(index), dataset.image(index))
            assert other.label(index) == dataset.label(index)

    @staticmethod
    def some(dataset: Dataset) -> list[int]:
        """Indices from the first to the last."""
        last = len(dataset) - 1
        return sorted({round(last * at / (_SAMPLE - 1)) for at in range(_SAMPLE)})
