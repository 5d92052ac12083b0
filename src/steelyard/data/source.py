"""`DataSource`: what is known about a data set without reading it, and how it is read."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from steelyard.errors import UsageError

if TYPE_CHECKING:
    from steelyard.data.dataset import Dataset

Reader = Callable[["DataSource", str, str], "Dataset"]
"""Called with the data set's `DataSource`, the place (a folder or other text) and the split."""

Needs = Literal["nothing", "files", "place"]

SPLITS = ("train", "test")


@dataclass(frozen=True, slots=True)
class Download:
    """A file that its publishers offer.

    Attributes:
        url: https.
        sha256: in hexadecimal digits.
        size: in bytes.
        md5: as its publishers state it; "" where they do not.
        members: of an archive, the files that are taken out of it; none for a file that is used as it is.
    """

    url: str
    sha256: str
    size: int
    md5: str = ""
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set by name.

    Attributes:
        name: what `load_data` takes.
        title: what it shows.
        read: the reader, or ``package.module:callable``, imported when it is used.
        needs: ``nothing``: it comes with steelyard; ``files``: it is looked for in the data folder, or
            read from PATH in ``name:PATH``; ``place``: only ``name:PLACE`` makes sense.
        classes: the names of the labels in order; none where the files say them.
        counts: images of each split; none where the files say them.
        balanced: every class has the same number of images in each split.
        shape: (C, H, W) of all images; None if they differ.
        mean, std: of each channel of the training images, for values of 0 to 1; none if not known.
        statistics: where these come from.
        published: where the data set is described.
        licence: under which it may be used.
        files: one of these, in its folder, shows that it is there; for ``needs="files"``. A download brings
            the first one last.
        downloads: what `steelyard data get` fetches.
        elsewhere: folders in which packages of operating systems put it.
        help: how to get it, where nothing can be downloaded.
    """

    name: str
    title: str
    read: str | Reader
    needs: Needs = "files"
    classes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    balanced: bool = False
    shape: tuple[int, int, int] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    statistics: str = ""
    published: str = ""
    licence: str = ""
    files: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()
    elsewhere: tuple[str, ...] = ()
    help: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise UsageError(
                f"{self.name!r} cannot be the name of a data set",
                expected="lower-case letters, digits and _",
            )
        if len(self.mean) != len(self.std) or any(deviation <= 0 for deviation in self.std):
            raise UsageError(
                f"mean {self.mean} and std {self.std} of {self.name}",
                expected="one of each for every channel, std above 0",
            )

    def reader(self) -> Reader:
        """The function that reads it."""
        if not isinstance(self.read, str):
            return self.read
        module, _, name = self.read.partition(":")
        found: Reader = getattr(importlib.import_module(module), name)
        return found
