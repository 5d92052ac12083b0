"""`read_huggingface`: a data set of the library ``datasets``, by its name or from a folder; no code of it is run."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from steelyard._photo import open_photo
from steelyard.data.source import DataSource
from steelyard.errors import BackendError, FileFormatError, MissingExtraError, SteelyardError

if TYPE_CHECKING:
    from torch import Tensor

SPLITS = {"train": ("train",), "test": ("test", "validation", "valid", "val")}

_LABELS = ("label", "labels", "fine_label", "class")
"""Names that are preferred where several columns are labels."""


@dataclass(frozen=True, slots=True)
class HuggingFaceDataset:
    """Rows with an image and a label; images are decoded when they are asked for.

    Attributes:
        name, split, classes, fingerprint: as of every `Dataset`.
        place: the data set's name or folder.
        rows: the library's table, its images as bytes.
        column: that of the images.
        labels: (N,), int64.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    place: str
    rows: Any = field(repr=False)
    column: str
    labels: NDArray[numpy.int64] = field(repr=False)
    fingerprint: str = field(repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Tensor:
        """Image ``index``, uint8, (3, H, W), as `open_photo` sees it.

        Raises:
            FileFormatError: it is missing, damaged, no image, or has too many pixels.
        """
        import torch

        cell = self.rows[int(index)][self.column]
        what = f"{self.place}, {self.split}, image {index}"
        if not cell:
            raise FileFormatError(f"{what} is empty")
        content: bytes | None = cell["bytes"]
        image, _ = open_photo(what if content is not None else cell["path"], content)
        pixels = numpy.array(image, dtype=numpy.uint8)
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

    def label(self, index: int) -> int:
        """The label of image ``index``."""
        return int(self.labels[index])


def read_huggingface(source: DataSource, place: str, split: str) -> HuggingFaceDataset:
    """The split of that name; for ``test`` also one called ``validation``.

    Args:
        source: of the registry.
        place: a name as in ``datasets.load_dataset``, or a folder with parquet files, of pictures, or as
            ``save_to_disk`` writes it.
        split: ``train`` or ``test``.

    Raises:
        MissingExtraError: the library is not installed.
        FileFormatError: no such data set or split, or no columns of images and labels.
        BackendError: it cannot be fetched.
    """
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError as error:
        raise MissingExtraError(
            f"huggingface:{place}", extra="huggingface", package="datasets"
        ) from error
    try:
        rows, theirs = _table(datasets, place, split)
        image, label = _columns(datasets, place, rows.features)
        rows = rows.cast_column(image, datasets.Image(decode=False))
        values, feature = list(rows[label]), rows.features[label]
        digest = hashlib.sha256(f"{place} {theirs} {rows._fingerprint}".encode()).hexdigest()
    except SteelyardError:
        raise
    except ConnectionError as error:
        raise BackendError(
            f"{place} cannot be fetched: {error}", hint="a folder of its files"
        ) from error
    except Exception as error:
        # the library and those below it raise errors of their own kinds, for which there is no common root
        raise FileFormatError(
            f"the library datasets cannot read {place}: {str(error) or type(error).__name__}",
            expected="the name or folder of a data set of images with labels",
        ) from error
    classes, labels = _labels(f"{place}, column {label}", values, getattr(feature, "names", None))
    return HuggingFaceDataset(source.name, split, classes, place, rows, image, labels, digest)


def _table(datasets: Any, place: str, split: str) -> tuple[Any, str]:
    """The rows of a split, and how the data set calls it."""
    folder = Path(place)
    saved = any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))
    found = datasets.load_from_disk(place) if saved else datasets.load_dataset(place)
    if not isinstance(found, dict):
        raise FileFormatError(f"{place} has no splits", expected=" or ".join(SPLITS[split]))
    for name in SPLITS[split]:
        if name in found:
            return found[name], name
    raise FileFormatError(
        f"{place} has no split {split!r}, only {', '.join(found)}",
        expected=" or ".join(SPLITS[split]),
    )


def _columns(datasets: Any, place: str, features: Any) -> tuple[str, str]:
    """The names of the columns of images and of labels."""
    images = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    labels = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    preferred = [name for name in _LABELS if name in labels] or [
        name for name in _LABELS if name in features
    ]
    if not images or not (preferred or labels):
        raise FileFormatError(
            f"{place} has the columns {', '.join(features)}",
            expected="one of images and one of labels",
        )
    return images[0], (preferred or labels)[0]


def _labels(
    what: str, values: list[Any], names: list[str] | None
) -> tuple[tuple[str, ...], NDArray[numpy.int64]]:
    """Class names and labels; without names the values that there are, in order, are the classes."""
    if names is None:
        if not all(isinstance(value, int | str) for value in values):
            raise FileFormatError(f"{what} holds other values", expected="integers or texts")
        known = sorted(set(values))
        place = {value: at for at, value in enumerate(known)}
        return tuple(map(str, known)), numpy.array([place[value] for value in values], numpy.int64)
    for index, value in enumerate(values):
        if not isinstance(value, int) or not 0 <= value < len(names):
            raise FileFormatError(
                f"{what} has the label {value} for image {index}",
                expected=f"0 to {len(names) - 1}; some data sets keep the labels of their test images back",
            )
    return tuple(names), numpy.array(values, numpy.int64)
