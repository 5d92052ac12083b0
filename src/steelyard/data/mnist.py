"""`read_mnist`: data sets that are published as four IDX files, such as MNIST and Fashion-MNIST."""

from __future__ import annotations

import math
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray

from steelyard.data.checks import check_classes, check_labels
from steelyard.data.dataset import ArrayDataset, content_fingerprint
from steelyard.data.idx import read_idx
from steelyard.data.source import DataSource
from steelyard.errors import FileFormatError

STEMS = {"train": "train", "test": "t10k"}
"""How the files of a split begin."""

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"


def read_mnist(source: DataSource, place: str, split: str) -> ArrayDataset:
    """One split of a data set of IDX files; greyscale, images (N, 1, H, W).

    Args:
        source: its classes, and its counts and shape where these are known.
        place: the folder with ``train-images-idx3-ubyte`` and so on, with or without ``.gz``.
        split: ``train`` or ``test``.

    Raises:
        FileFormatError: a file is missing or damaged, has another number of images or another size than it
            should, or a label that is not one.
    """
    folder = Path(place)
    stem = STEMS[split]
    image_file, label_file = _find(folder, f"{stem}-{IMAGES}"), _find(folder, f"{stem}-{LABELS}")
    most = max(source.counts.values(), default=None)
    size = math.prod(source.shape) if source.shape else 1
    images = read_idx(image_file, 3, limit=most and most * size)
    labels = read_idx(label_file, 1, limit=most)
    _check_counts(source, split, (image_file, len(images)), (label_file, len(labels)))
    _check_size(source, image_file, images)
    check_labels(label_file, labels, len(source.classes), 8)
    check_classes(source, label_file, split, labels)
    return greyscale(source, split, images, labels)


def greyscale(
    source: DataSource, split: str, images: NDArray[numpy.uint8], labels: NDArray[numpy.uint8]
) -> ArrayDataset:
    """A split from its images (N, H, W) and labels (N,)."""
    return ArrayDataset(
        source.name,
        split,
        source.classes,
        torch.from_numpy(images).unsqueeze(1),
        torch.from_numpy(labels.astype(numpy.int64)),
        content_fingerprint(source.classes, images, labels),
    )


def _find(folder: Path, name: str) -> Path:
    # some archives write a point where the publishers' files have a dash
    names = (name, f"{name}.gz", name.replace("-idx", ".idx"), name.replace("-idx", ".idx") + ".gz")
    for candidate in names:
        if (folder / candidate).exists():
            return folder / candidate
    what = "is not in" if folder.is_dir() else "cannot be there: there is no folder"
    raise FileFormatError(f"{name}.gz {what} {folder}", expected=f"{name} or {name}.gz")


def _check_counts(
    source: DataSource, split: str, images: tuple[Path, int], labels: tuple[Path, int]
) -> None:
    if images[1] != labels[1]:
        raise FileFormatError(
            f"{images[0]} holds {images[1]:,} images and {labels[0]} {labels[1]:,} labels",
            expected="as many labels as images",
        )
    count = source.counts.get(split, images[1])
    if images[1] != count:
        swapped = images[1] in source.counts.values()
        raise FileFormatError(
            f"{images[0]} holds {images[1]:,} images",
            expected=f"{count:,}, the {split} split of {source.name}",
            hint="are the files of training and testing exchanged?" if swapped else "",
        )


def _check_size(source: DataSource, path: Path, images: NDArray[numpy.uint8]) -> None:
    size = images.shape[1:]
    if 0 in images.shape or (source.shape and size != source.shape[1:]):
        wanted = f"{source.shape[1]} x {source.shape[2]}" if source.shape else "some"
        raise FileFormatError(
            f"{path} holds {len(images):,} images of {size[0]} x {size[1]} pixels", expected=wanted
        )
