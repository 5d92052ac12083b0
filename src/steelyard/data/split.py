"""`split_order`: the order by which a data set that has no test images of its own is divided."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy
from numpy.typing import NDArray


def split_order(keys: Sequence[bytes], labels: Sequence[int]) -> NDArray[numpy.int64]:
    """All indices in an order of which every stretch has about the same share of every class.

    Within a class the order is that of hashes of the keys, hence the same everywhere and for ever; the classes are
    then dealt out evenly.

    Args:
        keys: what tells the samples apart.
        labels: as many.
    """
    members: dict[int, list[tuple[bytes, int]]] = {}
    for index, (key, label) in enumerate(zip(keys, labels, strict=True)):
        members.setdefault(label, []).append((hashlib.sha256(key).digest(), index))
    dealt = [
        ((at + 0.5) / len(group), label, index)
        for label, group in members.items()
        for at, (_, index) in enumerate(sorted(group))
    ]
    return numpy.array([index for _, _, index in sorted(dealt)], dtype=numpy.int64)


def part(order: NDArray[numpy.int64], split: str, test_count: int) -> NDArray[numpy.int64]:
    """The indices of ``train`` or ``test``, ascending; the test part is the end of the order."""
    middle = len(order) - test_count
    return numpy.sort(order[:middle] if split == "train" else order[middle:])
