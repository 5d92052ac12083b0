"""What a data set is: named images with labels, read one by one or all at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from steelyard.errors import ShapeError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["ArrayDataset", "Dataset", "content_fingerprint"]


@runtime_checkable
class Dataset(Protocol):
    """Labelled images; what every reader returns, and what a user's own data set must offer.

    ``name`` and ``split`` say what it is, ``classes`` names the labels in order, ``fingerprint``
    is a hash of the content (or of the files it is read from), so that a result can state what
    it was computed on.
    """

    @property
    def name(self) -> str:
        """The registered name, such as ``fashion_mnist``."""
        ...

    @property
    def split(self) -> str:
        """``train`` or ``test`` (for ImageNet: its ``val``, under the name ``test``)."""
        ...

    @property
    def classes(self) -> Sequence[str]:
        """The names of the labels, in order."""
        ...

    @property
    def fingerprint(self) -> str:
        """A sha256, in hex, that changes with the content."""
        ...

    def __len__(self) -> int:
        """The number of images."""
        ...

    def image(self, index: int) -> Tensor:
        """Image ``index``, uint8, ``(C, H, W)``; sizes may differ from image to image."""
        ...

    def label(self, index: int) -> int:
        """The label of image ``index``: an index into ``classes``."""
        ...


@dataclass(frozen=True, slots=True)
class ArrayDataset:
    """A data set that lies in memory, all images of one size.

    Args:
        name: the registered name.
        split: ``train`` or ``test``.
        classes: the names of the labels, in order.
        images: uint8, ``(N, C, H, W)``.
        labels: int64, ``(N,)``.
        fingerprint: a sha256 of the files it was read from.

    Raises:
        ShapeError: as many labels as images are needed, and four dimensions.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    images: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    fingerprint: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.images.dim() != 4 or self.labels.shape != self.images.shape[:1]:
            raise ShapeError(
                f"images of shape {tuple(self.images.shape)} and labels of shape "
                f"{tuple(self.labels.shape)}",
                expected="images (N, C, H, W) and labels (N,)",
            )

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Tensor:
        """Image ``index``, uint8, ``(C, H, W)``."""
        return self.images[index]

    def label(self, index: int) -> int:
        """The label of image ``index``."""
        return int(self.labels[index])


def content_fingerprint(
    classes: Sequence[str], images: NDArray[numpy.uint8], labels: NDArray[numpy.uint8]
) -> str:
    """The sha256, in hex, of images with their labels and class names; files that hold the same have the same."""
    digest = hashlib.sha256(f"{list(classes)} {images.shape}".encode())
    for values in (images, labels):
        # hashed where they lie if they lie in one piece: there may be hundreds of megabytes
        digest.update(values.data if values.flags.c_contiguous else values.tobytes())
    return digest.hexdigest()
