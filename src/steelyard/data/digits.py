"""`read_digits`: 1,797 handwritten digits of 8 x 8 pixels that come with steelyard; ``files/`` says where they are from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray

from steelyard.data.dataset import ArrayDataset, content_fingerprint
from steelyard.data.idx import read_idx
from steelyard.data.source import DataSource

_FOLDER = Path(__file__).parent / "files"

TEST_COUNT = 360
"""The last fifth of `split_order`."""


def read_digits(source: DataSource, place: str, split: str) -> ArrayDataset:
    """The training or test part; images (N, 1, 8, 8), the values 0 to 16 spread over 0 to 255.

    The data set has no published split. Ours keeps a fifth of every class for testing; the writers of both parts are
    the same.
    """
    images = read_idx(_FOLDER / "digits-images-idx3-ubyte.gz", 3)
    labels = read_idx(_FOLDER / "digits-labels-idx1-ubyte.gz", 1)
    order = split_order(labels)
    chosen = numpy.sort(order[:-TEST_COUNT] if split == "train" else order[-TEST_COUNT:])
    images = ((images[chosen].astype(numpy.uint16) * 255 + 8) // 16).astype(numpy.uint8)
    labels = labels[chosen]
    return ArrayDataset(
        source.name,
        split,
        source.classes,
        torch.from_numpy(images).unsqueeze(1),
        torch.from_numpy(labels.astype(numpy.int64)),
        content_fingerprint(source.classes, images, labels),
    )


def split_order(labels: NDArray[numpy.uint8]) -> NDArray[numpy.int64]:
    """All indices in an order of which every stretch has about the same share of every class.

    Within a class the order is that of hashes of the indices, hence the same everywhere and for ever; the classes are
    then dealt out evenly.
    """
    rank: list[tuple[float, int, int]] = []
    for label in range(int(labels.max()) + 1):
        members = [int(index) for index in numpy.flatnonzero(labels == label)]
        members.sort(key=lambda index: hashlib.sha256(f"digits {index}".encode()).digest())
        rank += [((at + 0.5) / len(members), label, index) for at, index in enumerate(members)]
    return numpy.array([index for _, _, index in sorted(rank)], dtype=numpy.int64)
