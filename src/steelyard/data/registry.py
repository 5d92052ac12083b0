"""`load_data`, `list_data`, `data_info` and `register_data`: data sets by name.

=============================  ==================================================================
``digits``                     a data set that is known, from the data folder
``cifar10:PATH``               the same from a folder of one's own
``folder:PATH``                pictures in one folder for each class
``huggingface:NAME``           by the name of another library
=============================  ==================================================================
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard._cache import cache_folder
from steelyard.data.catalog import SOURCES
from steelyard.data.source import SPLITS, DataSource
from steelyard.errors import FileFormatError, SteelyardError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from steelyard.data.dataset import Dataset

_KNOWN: dict[str, DataSource] = {source.name: source for source in SOURCES}


def load_data(
    source: str, split: str = "test", *, root: str | os.PathLike[str] | None = None
) -> Dataset:
    """A split of a data set.

    >>> load_data("digits").classes
    ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')

    Args:
        source: a name of `list_data`, or ``name:PATH``.
        split: ``train`` or ``test``.
        root: the folder in which data sets have their folders; ``data`` in the cache folder if not given.

    Raises:
        UsageError: a split of another name; a path where none makes sense, or none where one is needed.
        UnknownNameError: no data set of that name.
        FileFormatError: it is not here, or its files are damaged or not what they should be.
        MissingExtraError: a library that reads it is not installed.
    """
    if not isinstance(source, str):
        raise UsageError(f"{source!r} names no data set", expected="a name, or name:PATH")
    name, colon, place = source.partition(":")
    info = data_info(name)
    if split not in SPLITS:
        raise UsageError(f"{split!r} is no split", expected=" or ".join(SPLITS))
    if colon and not place:
        raise UsageError(f"nothing follows the colon in {source!r}", expected=f"{name}:PATH")
    if info.needs == "nothing" and place:
        raise UsageError(f"{name} comes with steelyard and takes no path", hint=name)
    if info.needs == "place" and not place:
        raise UsageError(f"{name} alone names no data set", expected=info.help or f"{name}:PATH")
    folder = None if root is None else Path(root)
    try:
        # no shell does this after a colon
        where = os.path.expanduser(place) if place else _found(info, folder)  # noqa: PTH111
        return info.reader()(info, where, split)
    except SteelyardError:
        raise
    except OSError as error:
        raise FileFormatError(f"{source} cannot be read: {error.strerror or error}") from error


def _found(info: DataSource, root: Path | None) -> str:
    """Where a data set lies whose place is not given."""
    if info.needs == "nothing":
        return ""
    folder = present(info, root)
    if folder is None:
        raise FileFormatError(
            f"{info.name} is not here; looked in {', '.join(map(str, places(info, root)))}",
            hint=info.help or f"steelyard data get {info.name}, or {info.name}:PATH",
        )
    return str(folder)


def list_data() -> tuple[str, ...]:
    """The names of all data sets."""
    return tuple(_KNOWN)


def data_info(name: str) -> DataSource:
    """What is known about a data set.

    Raises:
        UnknownNameError: no data set of that name.
    """
    if name not in _KNOWN:
        raise UnknownNameError("data set", name, _KNOWN, hint="steelyard data")
    return _KNOWN[name]


def register_data(new: DataSource) -> None:
    """Makes a data set of one's own available under its name, in this process.

    Raises:
        UsageError: the name is taken.
    """
    if new.name in _KNOWN:
        raise UsageError(f"there is a data set {new.name!r}", expected="another name")
    _KNOWN[new.name] = new


def data_root(root: Path | None = None) -> Path:
    """The folder in which data sets have their folders."""
    return cache_folder() / "data" if root is None else root


def places(info: DataSource, root: Path | None = None) -> tuple[Path, ...]:
    """The folders in which a data set is looked for."""
    return (data_root(root) / info.name, *map(Path, info.elsewhere))


def present(info: DataSource, root: Path | None = None) -> Path | None:
    """The first of its `places` that holds it."""
    for folder in places(info, root):
        if any((folder / file).exists() for file in info.files):
            return folder
    return None
