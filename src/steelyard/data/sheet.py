"""`class_counts` and `contact_sheet`: how many images each class has, and what they look like."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy
from numpy.typing import NDArray

from steelyard.data.dataset import Dataset
from steelyard.errors import FileFormatError, MissingExtraError

if TYPE_CHECKING:
    from PIL import Image

_CELL, _GAP, _TEXT = 56, 4, 120
"""Pixels: of a picture's sides, between pictures, for the name of a class."""

MAX_CLASSES = 100
"""Rows of a sheet; further classes are left out."""


def labels_of(dataset: Dataset) -> NDArray[numpy.int64]:
    """All labels, (N,)."""
    return numpy.array([dataset.label(index) for index in range(len(dataset))], numpy.int64)


def class_counts(dataset: Dataset) -> tuple[int, ...]:
    """The number of images of each class, in the order of ``dataset.classes``."""
    return tuple(numpy.bincount(labels_of(dataset), minlength=len(dataset.classes)).tolist())


def contact_sheet(dataset: Dataset, each: int = 12) -> tuple[bytes, tuple[str, ...]]:
    """A PNG with some images of each class, one class a row, and what was wrong with those that cannot be read.

    Args:
        dataset: any.
        each: images of a class; the first ones.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise MissingExtraError("contact sheets", extra="images", package="pillow") from error
    classes = dataset.classes[:MAX_CLASSES]
    step = _CELL + _GAP
    sheet = Image.new("RGB", (_TEXT + each * step + _GAP, len(classes) * step + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    wrong: list[str] = []
    labels = labels_of(dataset)
    for row, name in enumerate(classes):
        top = _GAP + row * step
        # the built-in font has few letters beyond ASCII
        text = name.encode("ascii", "replace").decode()
        draw.text((_GAP, top + _CELL // 2), text[:18], fill="black", anchor="lm")
        shown, problems = _first(dataset, numpy.flatnonzero(labels == row), each)
        wrong += problems
        for column, image in enumerate(shown):
            left = _TEXT + column * step
            sheet.paste(
                image, (left + (_CELL - image.width) // 2, top + (_CELL - image.height) // 2)
            )
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue(), tuple(wrong)


def _first(
    dataset: Dataset, indices: NDArray[numpy.int64], count: int
) -> tuple[Sequence[Image.Image], list[str]]:
    """The first images that can be read, at the size of a cell, and the errors of those between them."""
    shown: list[Image.Image] = []
    wrong: list[str] = []
    for index in indices.tolist():
        if len(shown) == count:
            break
        try:
            shown.append(_small(dataset, index))
        except FileFormatError as error:
            wrong.append(error.given)
    return shown, wrong


def _small(dataset: Dataset, index: int) -> Image.Image:
    """An image fit into a cell: small ones magnified by whole numbers, their pixels still to be seen."""
    from PIL import Image

    pixels = dataset.image(index).permute(1, 2, 0).contiguous().numpy()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    longest = max(image.size)
    if longest <= _CELL:
        times = _CELL // longest
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    image.thumbnail((_CELL, _CELL))
    return image
