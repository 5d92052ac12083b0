"""`read_folder` and `read_imagenet`: pictures in one folder for each class, decoded one by one.

::

    PATH/train/CLASS/*.jpg    and    PATH/val/CLASS/*.jpg    (also test, valid, validation)
    PATH/CLASS/*.jpg          without splits; or one split, where PATH ends in its name
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from steelyard._photo import open_photo
from steelyard.data.source import DataSource
from steelyard.data.split import part, split_order
from steelyard.errors import FileFormatError

if TYPE_CHECKING:
    from torch import Tensor

SPLIT_FOLDERS = {"train": ("train",), "test": ("val", "test", "valid", "validation")}

SUFFIXES = frozenset(".jpg .jpeg .png .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm .avif".split())
"""Files of other names are passed over."""

_WNID = re.compile(r"n\d{8}")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class FolderDataset:
    """Pictures that are read from their files when they are asked for.

    The fingerprint is of the names and sizes of all files and of the split: to read them all would take hours.

    Attributes:
        name, split, classes, fingerprint: as of every `Dataset`.
        root: the folder below which the files lie.
        files: their paths below it as bytes, in one piece of memory that worker processes share.
        labels: as many.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    root: Path
    files: NDArray[Any] = field(repr=False)
    labels: NDArray[numpy.int64] = field(repr=False)
    fingerprint: str = field(repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, index: int) -> Path:
        """The file of image ``index``."""
        return self.root / os.fsdecode(bytes(self.files[index]))

    def image(self, index: int) -> Tensor:
        """Image ``index``, uint8, (3, H, W), as `open_photo` sees it.

        Raises:
            FileFormatError: the file is gone, damaged, no image, or has too many pixels.
            MissingExtraError: Pillow is not installed.
        """
        import torch

        image, _ = open_photo(self.path(index))
        pixels = numpy.array(image, dtype=numpy.uint8)
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

    def label(self, index: int) -> int:
        """The label of image ``index``."""
        return int(self.labels[index])


def read_folder(source: DataSource, place: str, split: str) -> FolderDataset:
    """Pictures with their folders' names as classes, in alphabetical order.

    Without folders for the splits, a fifth of every class is for testing: always the same, as `split_order` says.

    Raises:
        FileFormatError: no class folders, an empty one, classes that are not the same in both splits, a link
            that leads back to a folder above it, or a folder that cannot be read.
    """
    root = Path(place)
    splits = _split_folders(root)
    if splits:
        return _of_split(source, root, splits, split)
    every = _read(source, root, split, _classes(root))
    if _is_one_split(root, split):
        return every
    order = split_order(list(map(bytes, every.files)), every.labels.tolist())
    chosen = part(order, split, len(order) // 5)
    return _chosen(every, chosen)


def read_imagenet(source: DataSource, place: str, split: str) -> FolderDataset:
    """ImageNet's 1,000 classes, named and ordered by their WordNet numbers, as all published networks have them.

    ``test`` is its ``val``. A folder without ``train`` and ``val`` is taken for one of them.

    Raises:
        FileFormatError: as `read_folder`, or other class folders than ImageNet's.
    """
    root = Path(place)
    splits = _split_folders(root)
    found = _of_split(source, root, splits, split) if splits else None
    if found is None:
        _is_one_split(root, split)
        found = _read(source, root, split, _classes(root))
    strange = [name for name in found.classes if not _WNID.fullmatch(name)]
    if strange or len(found.classes) != 1000:
        what = f", among them {_few(strange)}" if strange else ""
        raise FileFormatError(
            f"{found.root} has {len(found.classes):,} class folders{what}",
            expected="1,000, named n01440764 and so on",
            hint=f"folder:{place} for other sets of classes",
        )
    return found


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders of the splits that are there; none for a folder of classes."""
    if not root.is_dir():
        what = "is no folder" if root.exists() else "does not exist"
        raise FileFormatError(f"{root} {what}", expected="a folder with a folder for each class")
    found: dict[str, Path] = {}
    for split, names in SPLIT_FOLDERS.items():
        there = [root / name for name in names if (root / name).is_dir()]
        if there:
            found[split] = there[0]
    return found


def _is_one_split(root: Path, split: str) -> bool:
    """Whether a folder of classes has the name of the split that is asked for; that of the other is refused."""
    name = root.resolve().name
    named = [which for which, names in SPLIT_FOLDERS.items() if name in names]
    if named and split not in named:
        raise FileFormatError(
            f"{root} is called {name}, and its split {split!r} is asked for",
            expected=f"the folder above, or one called {' or '.join(SPLIT_FOLDERS[split])}",
        )
    return bool(named)


def _of_split(source: DataSource, root: Path, splits: dict[str, Path], split: str) -> FolderDataset:
    if split not in splits:
        raise FileFormatError(
            f"{root} has no folder for the split {split!r}, only {_few([p.name for p in splits.values()])}",
            expected=" or ".join(SPLIT_FOLDERS[split]),
        )
    classes = {name: _classes(folder) for name, folder in splits.items()}
    if len(classes) == 2 and classes["train"] != classes["test"]:
        train, test = set(classes["train"]), set(classes["test"])
        only = [f"only in {splits['train'].name}: {_few(train - test)}"] if train - test else []
        only += [f"only in {splits['test'].name}: {_few(test - train)}"] if test - train else []
        raise FileFormatError(
            f"{root} has {len(train):,} classes in {splits['train'].name} and {len(test):,} in "
            f"{splits['test'].name}; {'; '.join(only)}",
            expected="the same class folders in both",
        )
    return _read(source, splits[split], split, classes[split])


def _few(names: set[str] | Sequence[str]) -> str:
    shown = sorted(names)
    more = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _classes(folder: Path) -> tuple[str, ...]:
    """The names of the class folders, in order."""
    names = sorted(entry.name for entry in _entries(folder) if _is_folder(entry))
    if not names:
        loose = any(_is_picture(entry.name) for entry in _entries(folder))
        raise FileFormatError(
            f"{folder} has no class folders" + (", but pictures" if loose else ""),
            expected=f"{folder}/CLASS/*.jpg",
            hint="move each picture into a folder named as its class" if loose else "",
        )
    return tuple(names)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, without hidden files, in order."""
    try:
        with os.scandir(folder) as found:
            return sorted(
                (entry for entry in found if not entry.name.startswith(".")), key=lambda e: e.name
            )
    except OSError as error:
        raise FileFormatError(
            f"the folder {folder} cannot be read: {error.strerror or error}"
        ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # a link to itself
        return False


def _is_picture(name: str) -> bool:
    return "." + name.rpartition(".")[2].lower() in SUFFIXES


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _read(source: DataSource, root: Path, split: str, classes: tuple[str, ...]) -> FolderDataset:
    files: list[bytes] = []
    labels: list[int] = []
    digest = hashlib.sha256(repr((split, classes)).encode())
    for label, name in enumerate(classes):
        before = len(files)
        # cut off by hand: os.path.relpath takes longer than all the rest
        beginning = len(str(root / name)) - len(name)
        for entry in _pictures(root / name, (_identity(root),)):
            below = os.fsencode(entry.path[beginning:])
            files.append(below)
            labels.append(label)
            digest.update(below + b"\0%d\n" % _size(entry))
        if len(files) == before:
            raise FileFormatError(
                f"the class folder {root / name} holds no pictures",
                expected=f"files {', '.join(sorted(SUFFIXES))}",
                hint="fill it or remove it",
            )
    return FolderDataset(
        source.name,
        split,
        classes,
        root,
        numpy.array(files),
        numpy.array(labels, dtype=numpy.int64),
        digest.hexdigest(),
    )


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        # a link that leads nowhere: found out when it is read
        return -1


def _pictures(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[os.DirEntry[str]]:
    """All pictures below a folder, in order; ``above`` tells the folders in which it lies."""
    here = _identity(folder)
    if here in above:
        raise FileFormatError(f"{folder} is a link to a folder in which it lies", hint="remove it")
    for entry in _entries(folder):
        if _is_folder(entry):
            yield from _pictures(folder / entry.name, (*above, here))
        elif _is_picture(entry.name):
            yield entry


def _chosen(every: FolderDataset, indices: NDArray[numpy.int64]) -> FolderDataset:
    digest = hashlib.sha256(every.fingerprint.encode() + indices.tobytes())
    return FolderDataset(
        every.name,
        every.split,
        every.classes,
        every.root,
        every.files[indices],
        every.labels[indices],
        digest.hexdigest(),
    )
