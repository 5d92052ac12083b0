"""`read_digits`: 1,797 handwritten digits of 8 x 8 pixels that come with steelyard; ``files/`` says where they are from."""

from __future__ import annotations

from pathlib import Path

import numpy

from steelyard.data.dataset import ArrayDataset
from steelyard.data.idx import read_idx
from steelyard.data.mnist import greyscale
from steelyard.data.source import DataSource
from steelyard.data.split import part, split_order

_FOLDER = Path(__file__).parent / "files"


def read_digits(source: DataSource, place: str, split: str) -> ArrayDataset:
    """The training or test part; images (N, 1, 8, 8), the values 0 to 16 spread over 0 to 255.

    The data set has no published split. Ours keeps a fifth of every class for testing; the writers of both parts are
    the same.
    """
    images = read_idx(_FOLDER / "digits-images-idx3-ubyte.gz", 3)
    labels = read_idx(_FOLDER / "digits-labels-idx1-ubyte.gz", 1)
    order = split_order(
        [f"digits {index}".encode() for index in range(len(labels))], labels.tolist()
    )
    chosen = part(order, split, source.counts["test"])
    images = ((images[chosen].astype(numpy.uint16) * 255 + 8) // 16).astype(numpy.uint8)
    return greyscale(source, split, images, labels[chosen])
