"""Data sets of four IDX files: the real Fashion-MNIST, and small ones with every mistake."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from types import MappingProxyType

import numpy
import pytest
import torch
from numpy.testing import assert_array_equal

from steelyard.data.conformance import DatasetContract
from steelyard.data.dataset import ArrayDataset, Dataset
from steelyard.data.mnist import read_mnist
from steelyard.data.registry import data_info, load_data
from steelyard.data.source import DataSource
from steelyard.errors import FileFormatError

SMALL = DataSource(
    "small",
    "noise",
    read_mnist,
    classes=("a", "b", "c"),
    counts=MappingProxyType({"train": 12, "test": 6}),
    balanced=True,
    shape=(1, 5, 4),
)
NAMES = {"train": "train", "test": "t10k"}


def read(folder: Path, split: str = "test") -> ArrayDataset:
    return read_mnist(SMALL, str(folder), split)


class TestSmall(DatasetContract):
    @pytest.fixture(autouse=True)
    def _written(self, tmp_path: Path, write_mnist) -> None:
        write_mnist(tmp_path)
        self.folder = tmp_path

    def load(self, split: str) -> Dataset:
        return read(self.folder, split)


@pytest.mark.parametrize("split", ["train", "test"])
def test_fashion_mnist_is_as_its_authors_describe_it(fashion, split, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path))
    found = load_data("fashion_mnist", split)
    assert isinstance(found, ArrayDataset)
    count = {"train": 60_000, "test": 10_000}[split]
    assert found.images.shape == (count, 1, 28, 28)
    assert found.labels.bincount().tolist() == [count // 10] * 10
    # read once more, by hand
    raw = {
        kind: gzip.decompress((fashion / f"{NAMES[split]}-{kind}.gz").read_bytes())
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    }
    pixels = numpy.frombuffer(raw["images-idx3-ubyte"], numpy.uint8, offset=16)
    assert_array_equal(found.images.numpy().ravel(), pixels)
    assert_array_equal(found.labels.numpy(), list(raw["labels-idx1-ubyte"][8:]))
    assert found.classes[found.label(0)] == "Ankle boot"
    if split == "train":
        info, unit = data_info("fashion_mnist"), numpy.arange(256) / 255
        share = numpy.bincount(pixels, minlength=256) / len(pixels)
        mean = share @ unit
        assert info.mean == (round(mean, 4),)
        assert info.std == (round((share @ (unit - mean) ** 2) ** 0.5, 4),)


def test_packed_and_plain_files_have_the_same_fingerprint(tmp_path, write_mnist) -> None:
    write_mnist(tmp_path / "plain")
    write_mnist(tmp_path / "packed", packed=True)
    plain, packed = read(tmp_path / "plain"), read(tmp_path / "packed")
    assert torch.equal(plain.images, packed.images)
    assert plain.fingerprint == packed.fingerprint


def test_one_changed_pixel_is_another_fingerprint(tmp_path, write_mnist) -> None:
    write_mnist(tmp_path)
    before = read(tmp_path).fingerprint
    file = tmp_path / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    assert read(tmp_path).fingerprint != before


def test_a_missing_file_or_folder(tmp_path, write_mnist) -> None:
    with pytest.raises(FileFormatError, match=r"there is no folder .*gone"):
        read(tmp_path / "gone")
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileFormatError, match=r"t10k-labels-idx1-ubyte\.gz is not in"):
        read(tmp_path)


def test_files_with_a_point_in_their_names(tmp_path, write_mnist) -> None:
    write_mnist(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert len(read(tmp_path)) == 6


def test_images_and_labels_exchanged(tmp_path, write_mnist) -> None:
    write_mnist(tmp_path)
    images, labels = tmp_path / "t10k-images-idx3-ubyte", tmp_path / "t10k-labels-idx1-ubyte"
    kept = images.read_bytes()
    shutil.copy(labels, images)
    labels.write_bytes(kept)
    with pytest.raises(
        FileFormatError, match=r"images.* holds labels \(offset 3\)\n.*\n.*exchanged"
    ):
        read(tmp_path)


def test_training_and_testing_exchanged(tmp_path, write_mnist) -> None:
    write_mnist(tmp_path, train=6, test=12)
    with pytest.raises(
        FileFormatError,
        match=r"t10k-images.* holds 12 images\nexpected: 6, the test split of small\n.*training and testing",
    ):
        read(tmp_path)


def test_more_images_than_labels(tmp_path, write_mnist) -> None:
    write_mnist(tmp_path)
    shutil.copy(tmp_path / "train-labels-idx1-ubyte", tmp_path / "t10k-labels-idx1-ubyte")
    with pytest.raises(FileFormatError, match=r"holds 6 images and .* 12 labels"):
        read(tmp_path)


def test_a_label_without_a_class(tmp_path, write_mnist) -> None:
    write_mnist(tmp_path)
    file = tmp_path / "t10k-labels-idx1-ubyte"
    content = bytearray(file.read_bytes())
    content[8 + 2] = content[8 + 4] = 9
    file.write_bytes(content)
    with pytest.raises(
        FileFormatError,
        match=r"label 9 at offset 10, and 1 more like it\nexpected: labels of 0 to 2",
    ):
        read(tmp_path)


def test_a_wrong_label_in_a_balanced_set(tmp_path, write_mnist) -> None:
    write_mnist(tmp_path)
    file = tmp_path / "t10k-labels-idx1-ubyte"
    content = bytearray(file.read_bytes())
    content[8] = 1
    file.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"holds 1 images of 'a' \(label 0\)\nexpected: 2 of"):
        read(tmp_path)


def test_images_of_another_size(tmp_path, write_mnist) -> None:
    write_mnist(tmp_path)
    file = tmp_path / "t10k-images-idx3-ubyte"
    content = bytearray(file.read_bytes())
    content[11], content[15] = 4, 5
    file.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"6 images of 4 x 5 pixels\nexpected: 5 x 4"):
        read(tmp_path)
