"""`read_cifar10` and `read_cifar100`: the binary version of both data sets.

Their files are records: one byte of label (CIFAR-100: superclass, then class), then 32 x 32 bytes of red, of green and
of blue (A. Krizhevsky, Learning multiple layers of features from tiny images, 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray

from steelyard.data.checks import check_classes, check_labels
from steelyard.data.dataset import ArrayDataset, content_fingerprint
from steelyard.data.opening import open_data
from steelyard.data.source import DataSource
from steelyard.errors import FileFormatError

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
SUPERCLASSES = 20

CIFAR10_FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
CIFAR100_FILES = {"train": ("train.bin",), "test": ("test.bin",)}


def read_cifar10(source: DataSource, place: str, split: str) -> ArrayDataset:
    """One split of CIFAR-10; images (N, 3, 32, 32).

    Args:
        source: its name, classes and counts.
        place: the folder with the files, or that in which ``cifar-10-batches-bin`` lies.
        split: ``train`` or ``test``.

    Raises:
        FileFormatError: a file is missing, has another size than it should, or holds a label that is none.
    """
    folder = _folder(Path(place), "cifar-10-batches-bin")
    return _read(source, folder, split, CIFAR10_FILES[split], (len(source.classes),))


def read_cifar100(source: DataSource, place: str, split: str) -> ArrayDataset:
    """One split of CIFAR-100 with its 100 classes, as `read_cifar10` from ``cifar-100-binary``."""
    folder = _folder(Path(place), "cifar-100-binary")
    return _read(source, folder, split, CIFAR100_FILES[split], (SUPERCLASSES, len(source.classes)))


def _folder(place: Path, name: str) -> Path:
    return place / name if (place / name).is_dir() else place


def _read(
    source: DataSource, folder: Path, split: str, files: Sequence[str], ranges: Sequence[int]
) -> ArrayDataset:
    """All records of some files; ``ranges`` says how many values each byte before the pixels may have."""
    each = source.counts[split] // len(files)
    parts = [_records(folder / file, each, len(ranges)) for file in files]
    for file, records in zip(files, parts, strict=True):
        for at, values in enumerate(ranges):
            check_labels(folder / file, records[:, at], values, at, records.shape[1])
    records = numpy.concatenate(parts)
    labels = records[:, len(ranges) - 1]
    check_classes(source, folder, split, labels)
    images = numpy.ascontiguousarray(records[:, len(ranges) :]).reshape(-1, *_SHAPE)
    return ArrayDataset(
        source.name,
        split,
        source.classes,
        torch.from_numpy(images),
        torch.from_numpy(labels.astype(numpy.int64)),
        content_fingerprint(source.classes, images, labels),
    )


def _records(path: Path, count: int, heading: int) -> NDArray[numpy.uint8]:
    """The records of one file, (count, heading + pixels)."""
    record = heading + _PIXELS
    expected = f"{count:,} records of {record:,} bytes, {count * record:,} bytes"
    if not path.exists() and path.with_suffix("").exists():
        raise FileFormatError(
            f"{path.with_suffix('')} is the Python version, which is a pickle and is not read",
            expected=f"the binary version, {path.name}",
            hint="steelyard data get",
        )
    with open_data(path, expected) as file:
        size = path.stat().st_size
        if size != count * record:
            ends = f"ends at offset {size:,}, after {size // record:,} records"
            more = f" and {size % record:,} bytes of the next" if size % record else ""
            raise FileFormatError(f"{path} {ends}{more}", expected=expected, hint="fetch it again")
        return numpy.frombuffer(file.read(), numpy.uint8).reshape(count, record)
