"""CIFAR's binary version, written by hand as its page describes it, and with every mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from steelyard.data.catalog import CIFAR10, CIFAR100
from steelyard.data.cifar import read_cifar10, read_cifar100
from steelyard.data.conformance import DatasetContract
from steelyard.data.dataset import Dataset
from steelyard.errors import FileFormatError

COUNTS = MappingProxyType({"train": 100, "test": 20})
TEN = replace(CIFAR10, counts=COUNTS)
HUNDRED = replace(CIFAR100, counts=MappingProxyType({"train": 200, "test": 100}))


def pixels(seed: int) -> numpy.ndarray:
    return numpy.random.default_rng(seed).integers(0, 256, (3, 32, 32), dtype=numpy.uint8)


def write_ten(folder: Path) -> None:
    """Record by record: label, then red, green and blue."""
    folder.mkdir(parents=True, exist_ok=True)
    batches = {f"data_batch_{n}.bin": range(20 * n - 20, 20 * n) for n in range(1, 6)}
    for name, indices in {**batches, "test_batch.bin": range(900, 920)}.items():
        (folder / name).write_bytes(
            b"".join(bytes([i % 10]) + pixels(i).tobytes() for i in indices)
        )


def write_hundred(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, indices in {"train.bin": range(200), "test.bin": range(900, 1000)}.items():
        (folder / name).write_bytes(
            b"".join(bytes([i % 20, i % 100]) + pixels(i).tobytes() for i in indices)
        )


class TestTen(DatasetContract):
    @pytest.fixture(autouse=True)
    def _written(self, tmp_path: Path) -> None:
        write_ten(tmp_path)
        self.folder = tmp_path

    def load(self, split: str) -> Dataset:
        return read_cifar10(TEN, str(self.folder), split)


@pytest.mark.parametrize("below", ["", "cifar-10-batches-bin"])
def test_records_of_cifar10_in_order(tmp_path, below) -> None:
    write_ten(tmp_path / below)
    found = read_cifar10(TEN, str(tmp_path), "train")
    assert found.images.shape == (100, 3, 32, 32)
    for index in (0, 19, 20, 57, 99):
        assert_array_equal(found.image(index).numpy(), pixels(index))
        assert found.label(index) == index % 10
    assert_array_equal(read_cifar10(TEN, str(tmp_path), "test").image(3).numpy(), pixels(903))


def test_records_of_cifar100_have_the_fine_label(tmp_path) -> None:
    write_hundred(tmp_path / "cifar-100-binary")
    found = read_cifar100(HUNDRED, str(tmp_path), "test")
    assert found.label(57) == 57
    assert_array_equal(found.image(57).numpy(), pixels(957))


def test_cifar100_has_its_classes_in_alphabetical_order() -> None:
    # fine_label_names.txt in the archive is sorted
    assert list(CIFAR100.classes) == sorted(set(CIFAR100.classes))
    assert len(CIFAR100.classes) == 100


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b: b[:-1], r"ends at offset 61,459, after 19 records and 3,072 bytes of the next"),
        (
            lambda b: b + bytes(3073),
            r"ends at offset 64,533, after 21 records\nexpected: 20 records",
        ),
        (lambda b: b"", r"ends at offset 0, after 0 records\n"),
        (lambda b: b[:3073] + b"\x0a" + b[3074:], r"label 10 at offset 3,073\nexpected: .* 0 to 9"),
        (lambda b: b"\x01" + b[1:], r"1 images of 'airplane' \(label 0\)\nexpected: 2 of every"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, change: Callable[[bytes], bytes], says) -> None:
    write_ten(tmp_path)
    file = tmp_path / "test_batch.bin"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(FileFormatError, match=says):
        read_cifar10(TEN, str(tmp_path), "test")


def test_a_superclass_that_is_none(tmp_path) -> None:
    write_hundred(tmp_path)
    file = tmp_path / "test.bin"
    content = bytearray(file.read_bytes())
    content[2 * 3074] = 20
    file.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"label 20 at offset 6,148\nexpected: .* 0 to 19"):
        read_cifar100(HUNDRED, str(tmp_path), "test")


def test_a_missing_batch_is_named(tmp_path) -> None:
    write_ten(tmp_path)
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(
        FileFormatError, match=r"data_batch_3\.bin does not exist\nexpected: 20 rec"
    ):
        read_cifar10(TEN, str(tmp_path), "train")


def test_the_python_version_is_refused(tmp_path) -> None:
    (tmp_path / "test_batch").write_bytes(b"\x80\x04")
    with pytest.raises(FileFormatError, match=r"is the Python version, which is a pickle"):
        read_cifar10(TEN, str(tmp_path), "test")


def test_a_training_batch_in_place_of_the_test_batch(tmp_path) -> None:
    """Of the same size, but the real ones have not the same number of every class."""
    write_ten(tmp_path)
    uneven = b"".join(bytes([min(i, 9)]) + pixels(i).tobytes() for i in range(20))
    (tmp_path / "test_batch.bin").write_bytes(uneven)
    with pytest.raises(FileFormatError, match=r"2 of every class in the test split of cifar10\n"):
        read_cifar10(TEN, str(tmp_path), "test")


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
@given(data=st.data())
def test_damage_is_never_more_than_an_error(tmp_path, data) -> None:
    write_hundred(tmp_path)
    file = tmp_path / "test.bin"
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    file.write_bytes(content[:cut])
    try:
        found = read_cifar100(HUNDRED, str(tmp_path), "test")
    except FileFormatError as error:
        assert str(tmp_path) in str(error)
    else:
        assert int(found.labels.max()) < 100
