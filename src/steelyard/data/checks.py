"""Checks that all readers share: of labels, of how many there are, and of each class."""

from __future__ import annotations

from pathlib import Path

import numpy
from numpy.typing import NDArray

from steelyard.data.source import DataSource
from steelyard.errors import FileFormatError


def check_labels(
    path: Path, labels: NDArray[numpy.uint8], classes: int, start: int, stride: int = 1
) -> None:
    """Refuses labels that no class has.

    Args:
        path: the file.
        labels: of it.
        classes: how many there are.
        start: the offset of the first label.
        stride: the bytes from one to the next.

    Raises:
        FileFormatError: with the offset.
    """
    wrong = numpy.flatnonzero(labels >= classes)
    if len(wrong):
        first = int(wrong[0])
        raise FileFormatError(
            f"{path} has the label {labels[first]} at offset {start + first * stride:,}"
            + (f", and {len(wrong) - 1:,} more like it" if len(wrong) > 1 else ""),
            expected=f"labels of 0 to {classes - 1}",
        )


def check_classes(
    source: DataSource, place: Path, split: str, labels: NDArray[numpy.uint8]
) -> None:
    """Refuses a balanced data set with more images of one class than of another.

    Raises:
        FileFormatError: with the first class that has another number than it should.
    """
    if not source.balanced or split not in source.counts:
        return
    each = source.counts[split] // len(source.classes)
    found = numpy.bincount(labels, minlength=len(source.classes))
    wrong = numpy.flatnonzero(found != each)
    if len(wrong):
        first = int(wrong[0])
        raise FileFormatError(
            f"{place} holds {found[first]:,} images of {source.classes[first]!r} (label {first})",
            expected=f"{each:,} of every class in the {split} split of {source.name}",
            hint="are the files of training and testing exchanged, or mixed with another set's?",
        )
